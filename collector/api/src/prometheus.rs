//! OTLP names as Prometheus names: what a query over OTLP metrics calls them, and what a scraped process does.
//!
//! A name that Prometheus accepts stays (go-zero's own names do). Any other has each foreign character replaced by `_` and
//! its unit appended. Counters end in `_total`.

/// What decides over a metric's ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A monotonic sum.
    Counter,
    /// A gauge.
    Gauge,
    /// Anything else.
    Other,
}

/// Prometheus' name of a metric with an OTLP name and a UCUM unit.
pub fn metric_name(name: &str, unit: &str, kind: Kind) -> String {
    let is_counter = kind == Kind::Counter;
    let mut translated = if is_valid(name) { name.to_owned() } else { with_unit(&sanitised(name), unit, kind) };
    if is_counter && !translated.ends_with("_total") {
        translated.push_str("_total");
    }
    translated
}

/// Prometheus' name of an attribute.
pub fn label_name(key: &str) -> String {
    let name: String = key.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("key_{name}") } else { name }
}

fn is_valid(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    !name.is_empty() && name.chars().all(is_word) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Runs of foreign characters become one `_`; none at the ends.
fn sanitised(name: &str) -> String {
    let words: Vec<&str> =
        name.split(|c: char| !c.is_ascii_alphanumeric() && c != ':').filter(|word| !word.is_empty()).collect();
    let joined = words.join("_");
    if joined.starts_with(|c: char| c.is_ascii_digit()) { format!("_{joined}") } else { joined }
}

fn with_unit(name: &str, unit: &str, kind: Kind) -> String {
    let word = match unit_word(unit) {
        Some(word) => word,
        None if unit == "1" && kind == Kind::Gauge => "ratio".to_owned(),
        None => return name.to_owned(),
    };
    let base = name.strip_suffix("_total").filter(|_| kind == Kind::Counter).unwrap_or(name);
    let is_said = base == word || base.ends_with(&format!("_{word}"));
    if is_said { base.to_owned() } else { format!("{base}_{word}") }
}

/// The word for a UCUM unit; `None` for a dimensionless one, and for annotations such as `{request}`.
fn unit_word(unit: &str) -> Option<String> {
    let (unit, per) = match unit.split_once('/') {
        Some((unit, per)) => (unit, per_word(per)),
        None => (unit, None),
    };
    let word = match unit {
        "" | "1" => None,
        annotation if annotation.starts_with('{') => None,
        "ns" => Some("nanoseconds".to_owned()),
        "us" => Some("microseconds".to_owned()),
        "ms" => Some("milliseconds".to_owned()),
        "s" => Some("seconds".to_owned()),
        "min" => Some("minutes".to_owned()),
        "h" => Some("hours".to_owned()),
        "d" => Some("days".to_owned()),
        "By" => Some("bytes".to_owned()),
        "KiBy" => Some("kibibytes".to_owned()),
        "MiBy" => Some("mebibytes".to_owned()),
        "GiBy" => Some("gibibytes".to_owned()),
        "%" => Some("percent".to_owned()),
        "Cel" => Some("celsius".to_owned()),
        "Hz" => Some("hertz".to_owned()),
        other => Some(sanitised(other)).filter(|word| !word.is_empty()),
    };
    match (word, per) {
        (word, None) => word,
        (None, Some(per)) => Some(format!("per_{per}")),
        (Some(word), Some(per)) => Some(format!("{word}_per_{per}")),
    }
}

fn per_word(unit: &str) -> Option<String> {
    let word = match unit {
        "s" => "second".to_owned(),
        "min" | "m" => "minute".to_owned(),
        "h" => "hour".to_owned(),
        "d" => "day".to_owned(),
        other => sanitised(other),
    };
    Some(word).filter(|word| !word.is_empty() && !unit.starts_with('{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_valid_stay_and_others_get_their_unit() {
        let table = [
            ("http_server_requests_duration_ms", "ms", Kind::Other, "http_server_requests_duration_ms"),
            ("http_server_requests_code_total", "", Kind::Counter, "http_server_requests_code_total"),
            ("breaker.trips", "{trip}", Kind::Counter, "breaker_trips_total"),
            ("breaker.ratio", "1", Kind::Gauge, "breaker_ratio"),
            ("breaker.weight", "1", Kind::Gauge, "breaker_weight_ratio"),
            ("p2c.ewma", "ns", Kind::Gauge, "p2c_ewma_nanoseconds"),
            ("http.server.request.duration", "s", Kind::Other, "http_server_request_duration_seconds"),
            ("net.rate", "By/s", Kind::Gauge, "net_rate_bytes_per_second"),
            ("net.rate", "{packet}/s", Kind::Gauge, "net_rate_per_second"),
            ("process.cpu.time", "s", Kind::Counter, "process_cpu_time_seconds_total"),
            ("requests", "", Kind::Counter, "requests_total"),
            ("3com..x-", "", Kind::Gauge, "_3com_x"),
            ("jobs.active", "", Kind::Other, "jobs_active"),
        ];
        for (name, unit, kind, expected) in table {
            assert_eq!(metric_name(name, unit, kind), expected, "{name} in {unit}");
        }
    }

    #[test]
    fn labels_lose_their_dots() {
        assert_eq!(label_name("breaker.place"), "breaker_place");
        assert_eq!(label_name("2xx"), "key_2xx");
    }
}
