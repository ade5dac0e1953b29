//! The `grpc-timeout` header: at most eight digits and a unit.

use http::{HeaderMap, HeaderValue};
use std::time::Duration;

/// Name of the header.
pub const HEADER: &str = "grpc-timeout";

/// Largest number that the header can hold.
const LARGEST: u128 = 99_999_999;

/// The timeout that a caller sent; `None` when it sent none or a broken one.
pub fn parse(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(HEADER)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// Writes `timeout` in the finest unit that holds it.
pub fn write(timeout: Duration, headers: &mut HeaderMap) {
    let (number, unit) = match timeout {
        short if short.as_nanos() <= LARGEST => (short.as_nanos(), 'n'),
        middle if middle.as_micros() <= LARGEST => (middle.as_micros(), 'u'),
        long if long.as_millis() <= LARGEST => (long.as_millis(), 'm'),
        longer => (u128::from(longer.as_secs()).min(LARGEST), 'S'),
    };
    if let Ok(value) = HeaderValue::try_from(format!("{number}{unit}")) {
        headers.insert(HEADER, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(text).expect("a header"));
        parse(&headers)
    }

    #[test]
    fn only_the_specified_form_is_read() {
        assert_eq!(parsed("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parsed("1H"), Some(Duration::from_hours(1)));
        for broken in ["", "m", "250", "1x", "-1m", "123456789n", "1 m"] {
            assert_eq!(parsed(broken), None, "{broken:?}");
        }
        assert_eq!(parse(&HeaderMap::new()), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_and_never_grows(nanos in 0_u64..=u64::MAX / 4) {
            let timeout = Duration::from_nanos(nanos);
            let mut headers = HeaderMap::new();
            write(timeout, &mut headers);
            let read = parse(&headers).expect("reads back");
            prop_assert!(read <= timeout);
            prop_assert!(timeout.saturating_sub(read) <= timeout / 90_000 + Duration::from_secs(1) / 1_000_000_000
                || timeout.as_secs() > 99_999_999);
        }

        #[test]
        fn nothing_on_the_wire_panics(text in "[ -~]{0,12}") {
            let _ = parsed(&text);
        }
    }
}
