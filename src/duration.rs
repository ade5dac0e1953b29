//! Durations as people write them: `500ms`, `90s`, `1m30s`, `2h`.

use std::time::Duration;

/// Reads a duration; a bare number is refused because its unit would be a guess.
pub fn parse(text: &str) -> Result<Duration, String> {
    let refuse = || format!("'{text}' is not a duration; write 500ms, 90s, 1m30s or 2h");
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(refuse());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(refuse)?;
        let (number, tail) = rest.split_at(digits);
        let unit_length = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_length);
        let seconds_per_unit = match unit {
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(refuse()),
        };
        let value: f64 = number.parse().map_err(|_| refuse())?;
        let part = Duration::try_from_secs_f64(value * seconds_per_unit).map_err(|_| refuse())?;
        total = total.checked_add(part).ok_or_else(refuse)?;
        rest = tail;
    }
    Ok(total)
}

/// Writes nanoseconds with the unit that reads best: `812 us`, `44.1 ms`, `2.40 s`.
pub fn brief(nanos: u64) -> String {
    let micros = nanos as f64 / 1e3;
    if micros < 1_000.0 {
        format!("{micros:.0} us")
    } else if micros < 1_000_000.0 {
        format!("{:.1} ms", micros / 1e3)
    } else {
        format!("{:.2} s", micros / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("2h"), Ok(Duration::from_hours(2)));
        assert_eq!(parse("0.5s"), Ok(Duration::from_millis(500)));
    }

    #[test]
    fn what_has_no_unit_or_no_number_is_refused() {
        for text in ["", "60", "s", "5 parsecs", "-3s", "1e9h1", "9999999999999999999999h"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn brief_picks_a_unit() {
        assert_eq!(brief(812_000), "812 us");
        assert_eq!(brief(44_100_000), "44.1 ms");
        assert_eq!(brief(2_400_000_000), "2.40 s");
    }
}
