//! The gate language: one measure, one comparison, one limit.
//!
//! ```text
//! gate     = metric comparison limit
//! metric   = name | name "(" argument { "," key "=" string } ")"
//! limit    = number [ "us" | "ms" | "s" | "%" ]
//! ```

use super::{Clock, Comparison, Figure, Gate, Metric};
use crate::scenario::nearest;

/// A measure that gates know.
#[derive(Debug, Clone, Copy)]
pub struct MetricHelp {
    /// How it is written.
    pub form: &'static str,
    /// What it means, and its unit.
    pub meaning: &'static str,
}

/// Every measure, in the order of help and documents.
pub const METRICS: &[MetricHelp] = &[
    MetricHelp {
        form: "p99(latency)",
        meaning: "quantile of the latency from the intended start; also p50, p90, p99, p999, max, mean",
    },
    MetricHelp { form: "p99(service)", meaning: "the same from sending to the last byte" },
    MetricHelp { form: "p99(ttfb)", meaning: "the same from sending to the headers" },
    MetricHelp { form: "p99(latency, step=\"create\")", meaning: "of one step alone" },
    MetricHelp { form: "error_rate", meaning: "failed requests among those sent, in percent" },
    MetricHelp { form: "unexpected", meaning: "failures that the scenario does not allow" },
    MetricHelp { form: "failed", meaning: "failed requests" },
    MetricHelp { form: "requests", meaning: "requests sent" },
    MetricHelp { form: "join_rate", meaning: "requests joined with their trace among those sampled, in percent" },
    MetricHelp { form: "achieved_rate", meaning: "flow starts taken up among those offered, in percent" },
    MetricHelp {
        form: "rejections",
        meaning: "breaker rejections that the client saw; `rejections(place=\"client\")` at one place",
    },
    MetricHelp { form: "count(event.breaker)", meaning: "events of a kind: breaker, fault, shed, limiter, restart" },
    MetricHelp { form: "count(alert.HighErrorRate)", meaning: "alerts of a name that fired" },
];

/// A mistake in a gate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}{}", suggestion.as_ref().map(|word| format!("; did you mean `{word}`?")).unwrap_or_default())]
pub struct GateError {
    /// Position in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// The nearest valid word.
    pub suggestion: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(f64),
    Sign(&'static str),
}

struct Cursor {
    tokens: Vec<(usize, Token)>,
    at: usize,
    end: usize,
}

pub(super) fn gate(expr: &str) -> Result<Gate, GateError> {
    let mut cursor = Cursor { tokens: tokens(expr)?, at: 0, end: expr.chars().count() + 1 };
    let metric = metric(&mut cursor)?;
    let comparison = comparison(&mut cursor)?;
    let limit = limit(&mut cursor, &metric)?;
    match cursor.next() {
        None => Ok(Gate { expr: expr.to_owned(), metric, comparison, limit }),
        Some((column, _)) => Err(mistake(column, "nothing may follow the limit")),
    }
}

impl Cursor {
    fn next(&mut self) -> Option<(usize, Token)> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some((_, Token::Sign(next))) if *next == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), GateError> {
        let column = self.column();
        if self.take(sign) { Ok(()) } else { Err(mistake(column, format!("`{sign}` expected"))) }
    }

    fn word(&mut self, what: &str) -> Result<(usize, String), GateError> {
        let column = self.column();
        match self.next() {
            Some((column, Token::Word(word))) => Ok((column, word)),
            _ => Err(mistake(column, format!("{what} expected"))),
        }
    }

    fn column(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(column, _)| *column)
    }
}

fn metric(cursor: &mut Cursor) -> Result<Metric, GateError> {
    let (column, name) = cursor.word("a measure such as `p99(latency)` or `error_rate`")?;
    let simple = match name.as_str() {
        "error_rate" => Metric::ErrorRate,
        "unexpected" => Metric::Unexpected,
        "failed" => Metric::Failed,
        "requests" => Metric::Requests,
        "join_rate" => Metric::JoinRate,
        "achieved_rate" => Metric::AchievedRate,
        "rejections" => return rejections(cursor),
        "count" => return count(cursor),
        _ => return latency(cursor, column, &name),
    };
    Ok(simple)
}

fn latency(cursor: &mut Cursor, column: usize, name: &str) -> Result<Metric, GateError> {
    let figure = match name {
        "p50" => Figure::Quantile(0.5),
        "p90" => Figure::Quantile(0.9),
        "p99" => Figure::Quantile(0.99),
        "p999" => Figure::Quantile(0.999),
        "max" => Figure::Max,
        "mean" => Figure::Mean,
        _ => {
            let known = [
                "p50",
                "p90",
                "p99",
                "p999",
                "max",
                "mean",
                "count",
                "rejections",
                "error_rate",
                "unexpected",
                "failed",
                "requests",
                "join_rate",
                "achieved_rate",
            ];
            return Err(unknown(column, "measure", name, &known));
        }
    };
    cursor.expect("(")?;
    let (column, clock) = cursor.word("a clock: latency, service or ttfb")?;
    let clock = match clock.as_str() {
        "latency" => Clock::Intended,
        "service" => Clock::Service,
        "ttfb" => Clock::Ttfb,
        _ => return Err(unknown(column, "clock", &clock, &["latency", "service", "ttfb"])),
    };
    let step = if cursor.take(",") { Some(argument(cursor, "step")?) } else { None };
    cursor.expect(")")?;
    Ok(Metric::Latency { figure, clock, step })
}

fn rejections(cursor: &mut Cursor) -> Result<Metric, GateError> {
    if !cursor.take("(") {
        return Ok(Metric::Rejections(None));
    }
    let place = argument(cursor, "place")?;
    cursor.expect(")")?;
    Ok(Metric::Rejections(Some(place)))
}

fn count(cursor: &mut Cursor) -> Result<Metric, GateError> {
    cursor.expect("(")?;
    let (column, what) = cursor.word("`event.KIND` or `alert.NAME`")?;
    cursor.expect(")")?;
    match what.split_once('.') {
        Some(("event", kind)) if !kind.is_empty() => Ok(Metric::Events(kind.to_owned())),
        Some(("alert", name)) if !name.is_empty() => Ok(Metric::Alerts(name.to_owned())),
        _ => Err(mistake(column, format!("`{what}` cannot be counted: write `event.KIND` or `alert.NAME`"))),
    }
}

fn argument(cursor: &mut Cursor, key: &str) -> Result<String, GateError> {
    let (column, written) = cursor.word(&format!("`{key}=\"…\"`"))?;
    if written != key {
        return Err(unknown(column, "argument", &written, &[key]));
    }
    cursor.expect("=")?;
    let column = cursor.column();
    match cursor.next() {
        Some((_, Token::Text(text) | Token::Word(text))) => Ok(text),
        _ => Err(mistake(column, format!("a value for `{key}` expected, in quotes"))),
    }
}

fn comparison(cursor: &mut Cursor) -> Result<Comparison, GateError> {
    let column = cursor.column();
    match cursor.next() {
        Some((_, Token::Sign("<"))) => Ok(Comparison::Less),
        Some((_, Token::Sign("<="))) => Ok(Comparison::AtMost),
        Some((_, Token::Sign(">"))) => Ok(Comparison::More),
        Some((_, Token::Sign(">="))) => Ok(Comparison::AtLeast),
        Some((_, Token::Sign("=="))) => Ok(Comparison::Equal),
        Some((_, Token::Sign("!="))) => Ok(Comparison::NotEqual),
        _ => Err(mistake(column, "a comparison expected: < <= > >= == !=")),
    }
}

fn limit(cursor: &mut Cursor, metric: &Metric) -> Result<f64, GateError> {
    let column = cursor.column();
    let Some((_, Token::Number(number))) = cursor.next() else {
        return Err(mistake(column, "a number expected"));
    };
    let column = cursor.column();
    let unit = match cursor.next() {
        Some((_, Token::Word(unit))) => unit,
        Some((_, Token::Sign("%"))) => "%".to_owned(),
        Some(_) => return Err(mistake(column, "a unit or nothing may follow the limit")),
        None => String::new(),
    };
    let is_latency = matches!(metric, Metric::Latency { .. });
    let is_rate = matches!(metric, Metric::ErrorRate | Metric::JoinRate | Metric::AchievedRate);
    match unit.as_str() {
        "us" if is_latency => Ok(number),
        "ms" if is_latency => Ok(number * 1e3),
        "s" if is_latency => Ok(number * 1e6),
        _ if is_latency => Err(mistake(column, "a latency needs a unit: us, ms or s")),
        "%" if is_rate => Ok(number / 100.0),
        "" if is_rate && number <= 1.0 => Ok(number),
        _ if is_rate => Err(mistake(column, "a rate is written in percent: 99.9%")),
        "" => Ok(number),
        other => Err(mistake(column, format!("a count has no unit `{other}`"))),
    }
}

fn tokens(expr: &str) -> Result<Vec<(usize, Token)>, GateError> {
    const SIGNS: [&str; 11] = ["<=", ">=", "==", "!=", "<", ">", "=", "(", ")", ",", "%"];
    let mut tokens = Vec::new();
    let mut rest = expr;
    while let Some(first) = rest.chars().next() {
        let column = expr.chars().count() - rest.chars().count() + 1;
        let (token, length) = if first.is_whitespace() {
            rest = rest.strip_prefix(first).unwrap_or_default();
            continue;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Token::Sign(sign), sign.len())
        } else if first == '"' {
            let inside = rest.strip_prefix('"').and_then(|after| after.split_once('"')).map(|(inside, _)| inside);
            let inside = inside.ok_or_else(|| mistake(column, "the quote is not closed"))?;
            (Token::Text(inside.to_owned()), inside.len() + 2)
        } else if first.is_ascii_digit() {
            let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let number = rest.get(..length).and_then(|digits| digits.parse().ok());
            (Token::Number(number.ok_or_else(|| mistake(column, "not a number"))?), length)
        } else if first.is_alphabetic() {
            let length = rest.find(|c: char| !c.is_alphanumeric() && !"_.-".contains(c)).unwrap_or(rest.len());
            (Token::Word(rest.get(..length).unwrap_or_default().to_owned()), length)
        } else {
            return Err(mistake(column, format!("`{first}` means nothing here")));
        };
        tokens.push((column, token));
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(tokens)
}

fn mistake(column: usize, what: impl Into<String>) -> GateError {
    GateError { column, what: what.into(), suggestion: None }
}

fn unknown(column: usize, what: &str, written: &str, known: &[&str]) -> GateError {
    let suggestion = nearest(written, known.iter().copied()).map(str::to_owned);
    GateError { column, what: format!("no {what} is called `{written}`; known are {}", known.join(", ")), suggestion }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_listed_measure_can_be_read() {
        for metric in METRICS {
            let limits = ["250ms", "1%", "0"];
            let reads = limits.iter().any(|limit| gate(&format!("{} < {limit}", metric.form)).is_ok());
            assert!(reads, "{} is listed and cannot be read", metric.form);
        }
    }

    #[test]
    fn limits_are_brought_to_one_unit() {
        let limits = [
            ("p99(latency, step=\"create\") < 250ms", 250_000.0),
            ("max(service) <= 2s", 2_000_000.0),
            ("join_rate >= 99.9%", 0.999),
            ("unexpected == 0", 0.0),
        ];
        for (expr, limit) in limits {
            assert!((gate(expr).unwrap().limit - limit).abs() < 1e-9, "{expr}");
        }
        assert_eq!(gate("count(event.breaker) > 0").unwrap().metric, Metric::Events("breaker".into()));
        assert_eq!(gate("rejections(place=\"client\") > 3").unwrap().metric, Metric::Rejections(Some("client".into())));
    }

    #[test]
    fn mistakes_have_a_place_and_a_mend() {
        let wrong = gate("p99(latncy) < 250ms").unwrap_err();
        assert_eq!((wrong.column, wrong.suggestion.as_deref()), (5, Some("latency")));
        let wrong = gate("eror_rate < 1%").unwrap_err();
        assert_eq!((wrong.column, wrong.suggestion.as_deref()), (1, Some("error_rate")));
        assert_eq!(gate("p99(latency) < 250").unwrap_err().column, 19);
        assert_eq!(gate("unexpected = 0").unwrap_err().column, 12);
        assert_eq!(gate("p99(latency").unwrap_err().column, 12);
        assert_eq!(gate("unexpected == 0 0").unwrap_err().column, 17);
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "[a-z0-9_<>=!(),%\". ]{0,40}|\\PC{0,20}") {
            let _ = gate(&text);
        }
    }
}
