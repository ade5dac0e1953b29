//! Texts of labels and annotations: `{{ $labels.path }}` and `{{ $value }}` in plain text.

use crate::rollup::metrics::Labels;

/// A parsed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Label(String),
    Value(Format),
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Up to four significant digits.
    Plain,
    /// `| humanizePercentage`.
    Percentage,
    /// `| humanizeDuration`, of seconds.
    Duration,
    /// `| printf "%.nf"`.
    Decimals(usize),
}

impl Template {
    /// Parses a text; refuses actions other than a label or the value, by name.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (action, remainder) =
                after.split_once("}}").ok_or_else(|| format!("`{{{{` is not closed in `{text}`"))?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::parse(action.trim_matches('-').trim())?);
            rest = remainder;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        Ok(Self(parts))
    }

    /// The text for a label set and a value.
    pub(super) fn expand(&self, labels: &Labels, value: f64) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Label(name) => labels.get(name).unwrap_or_default().to_owned(),
            Part::Value(format) => format.write(value),
        };
        self.0.iter().map(part).collect()
    }
}

impl Part {
    fn parse(action: &str) -> Result<Self, String> {
        let (subject, filter) = match action.split_once('|') {
            Some((subject, filter)) => (subject.trim(), Some(filter.trim())),
            None => (action, None),
        };
        if let Some(label) = subject.strip_prefix("$labels.").filter(|_| filter.is_none()) {
            return Ok(Self::Label(label.to_owned()));
        }
        let format = match filter {
            None | Some("humanize") => Some(Format::Plain),
            Some("humanizePercentage") => Some(Format::Percentage),
            Some("humanizeDuration") => Some(Format::Duration),
            Some(printf) => decimals(printf).map(Format::Decimals),
        };
        match (subject, format) {
            ("$value", Some(format)) => Ok(Self::Value(format)),
            _ => Err(format!("template `{{{{ {action} }}}}` is not supported: write $labels.NAME or $value")),
        }
    }
}

/// `printf "%.2f"`: the digits.
fn decimals(printf: &str) -> Option<usize> {
    let digits = printf.strip_prefix("printf")?.trim().strip_prefix("\"%.")?.strip_suffix("f\"")?;
    digits.parse().ok().filter(|digits| *digits <= 9)
}

impl Format {
    fn write(self, value: f64) -> String {
        match self {
            _ if !value.is_finite() => value.to_string(),
            Self::Plain => significant(value),
            Self::Percentage => format!("{}%", significant(value * 100.0)),
            Self::Duration => duration(value),
            Self::Decimals(digits) => format!("{value:.digits$}"),
        }
    }
}

/// Four significant digits, without trailing zeros.
fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = (3 - value.abs().log10().floor() as i64).clamp(0, 9) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn duration(seconds: f64) -> String {
    match seconds.abs() {
        size if size >= 60.0 => format!("{}m {}s", (seconds / 60.0).trunc(), significant(seconds % 60.0)),
        size if size >= 1.0 || size == 0.0 => format!("{}s", significant(seconds)),
        size if size >= 1e-3 => format!("{}ms", significant(seconds * 1e3)),
        _ => format!("{}us", significant(seconds * 1e6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str, value: f64) -> String {
        let labels = Labels::new([("path", "/api/order/create"), ("job", "gateway")]);
        Template::parse(text).expect("a template").expand(&labels, value)
    }

    #[test]
    fn labels_and_values_are_filled_in() {
        assert_eq!(expand("{{ $labels.path }} at {{ $value }}", 0.123_456), "/api/order/create at 0.1235");
        assert_eq!(expand("{{$labels.absent}}{{ $value | humanizePercentage }}", 0.6), "60%");
        assert_eq!(expand("{{ $value | printf \"%.1f\" }} ms", 1000.0), "1000.0 ms");
        assert_eq!(expand("{{ $value | humanizeDuration }}", 0.25), "250ms");
        assert_eq!(expand("plain", 1.0), "plain");
        assert_eq!(expand("{{ $value }}", f64::NAN), "NaN");
    }

    #[test]
    fn other_actions_are_refused_by_name() {
        let reason = Template::parse("{{ query \"up\" }}").expect_err("not supported");
        assert!(reason.contains("query \"up\""), "{reason}");
        assert!(Template::parse("{{ $value").is_err());
    }
}
