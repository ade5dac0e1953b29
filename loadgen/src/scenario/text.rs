//! Small texts inside a scenario: lengths of time, requests.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A length of time such as `10s`, `250ms` or `1m30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length(pub Duration);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        length(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Reads a length of time: numbers with a unit (`us`, `ms`, `s`, `m`, `h`), added up.
pub fn length(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no length of time: write 250ms, 10s or 1m30s");
    let mut rest = text.trim();
    let mut total = 0.0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let seconds = match unit {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return Err(wrong()),
        };
        total += number.parse::<f64>().map_err(|_| wrong())? * seconds;
        rest = behind;
    }
    Duration::try_from_secs_f64(total).ok().filter(|length| *length <= Duration::from_hours(168)).ok_or_else(wrong)
}

/// Splits `POST /api/order/create` into its method and path.
pub fn request(text: &str) -> Result<(http::Method, &str), String> {
    const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let (method, path) = text
        .split_once(' ')
        .map(|(method, path)| (method, path.trim()))
        .filter(|(_, path)| path.starts_with('/'))
        .ok_or_else(|| format!("`{text}` is no request: write `POST /api/order/create`"))?;
    let known = METHODS.iter().find(|known| **known == method);
    let known = known.ok_or_else(|| format!("`{method}` is no method: use one of {}", METHODS.join(", ")))?;
    Ok((http::Method::from_bytes(known.as_bytes()).map_err(|error| error.to_string())?, path))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_add_up() {
        assert_eq!(length("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(length("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(length("1.5s"), Ok(Duration::from_millis(1_500)));
        assert!(length("10").is_err() && length("").is_err() && length("s").is_err() && length("9999h").is_err());
    }

    #[test]
    fn a_request_is_a_method_and_a_path() {
        assert_eq!(request("GET /a?b=c").unwrap(), (http::Method::GET, "/a?b=c"));
        assert!(request("GET").is_err() && request("get /a").is_err() && request("GET a").is_err());
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "[0-9a-z. ]{0,20}|\\PC{0,10}") {
            let _ = length(&text);
            let _ = request(&text);
        }
    }
}
