//! Gates: what must hold at the end of a run.
//!
//! `p99(latency, step="create") < 250ms`, `error_rate < 1%`, `unexpected == 0`, `join_rate >= 99.9%`,
//! `count(event.breaker) > 0`. [`METRICS`] lists what can be measured; parser, help and tests read it.

mod parse;

use std::fmt;

pub use parse::{GateError, METRICS, MetricHelp};

/// One gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// As written.
    pub expr: String,
    /// What is measured.
    pub metric: Metric,
    /// How it is compared.
    pub comparison: Comparison,
    /// The limit: microseconds for latencies, a fraction for rates, a number for counts.
    pub limit: f64,
}

/// What a gate measures.
#[derive(Debug, Clone, PartialEq)]
pub enum Metric {
    /// A figure of a latency distribution, microseconds.
    Latency {
        /// Which figure.
        figure: Figure,
        /// Which clock.
        clock: Clock,
        /// Which step; `None` is all.
        step: Option<String>,
    },
    /// Failed requests among those sent.
    ErrorRate,
    /// Failures that the scenario does not allow.
    Unexpected,
    /// Failed requests.
    Failed,
    /// Requests sent.
    Requests,
    /// Requests joined with their trace, among those sampled.
    JoinRate,
    /// Flow starts taken up, among those offered.
    AchievedRate,
    /// Events of a kind, such as `breaker` or `fault`.
    Events(String),
    /// Alerts of a name that fired.
    Alerts(String),
    /// Breaker rejections that the client saw, at one place or at all.
    Rejections(Option<String>),
}

/// A figure of a distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Figure {
    /// A quantile in `[0, 1]`.
    Quantile(f64),
    /// The largest value.
    Max,
    /// The mean.
    Mean,
}

/// Which of the three clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Clock {
    /// From the intended start to the last byte: what a user feels.
    Intended,
    /// From sending to the last byte.
    Service,
    /// From sending to the headers.
    Ttfb,
}

/// How a gate compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

impl Gate {
    /// Reads a gate.
    pub fn parse(expr: &str) -> Result<Self, GateError> {
        parse::gate(expr)
    }

    /// Whether an observed value passes. What was not observed does not.
    pub fn holds(&self, observed: Option<f64>) -> bool {
        let Some(value) = observed else { return false };
        // 99.9 % is not exactly 0.999: what differs by less than a billionth is equal.
        let equal = (value - self.limit).abs() < 1e-9;
        match self.comparison {
            Comparison::Less => value < self.limit && !equal,
            Comparison::AtMost => value < self.limit || equal,
            Comparison::More => value > self.limit && !equal,
            Comparison::AtLeast => value > self.limit || equal,
            Comparison::Equal => equal,
            Comparison::NotEqual => !equal,
        }
    }

    /// An observed value in the unit that the gate is written in.
    pub fn text_of(&self, observed: Option<f64>) -> String {
        let Some(value) = observed else { return "not measured".into() };
        match &self.metric {
            Metric::Latency { .. } if value >= 1e6 => format!("{:.2}s", value / 1e6),
            Metric::Latency { .. } => format!("{:.1}ms", value / 1e3),
            Metric::ErrorRate | Metric::JoinRate | Metric::AchievedRate => {
                // Rounding up would show 100 % for 99.999 %, which is the difference that a gate is about.
                format!("{}%", (value * 1e5).floor() / 1e3)
            }
            _ => format!("{value}"),
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.expr)
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Intended => "latency",
            Self::Service => "service",
            Self::Ttfb => "ttfb",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_at_its_edge() {
        let holds = |expr: &str, observed| Gate::parse(expr).unwrap().holds(observed);
        assert!(holds("join_rate >= 99.9%", Some(0.999)) && !holds("join_rate >= 99.9%", Some(0.9989)));
        assert!(!holds("p99(latency) < 250ms", Some(250_000.0)) && holds("p99(latency) <= 250ms", Some(250_000.0)));
        assert!(holds("unexpected == 0", Some(0.0)) && !holds("unexpected == 0", Some(1.0)));
        assert!(!holds("unexpected == 0", None), "what was not measured does not hold");
    }

    #[test]
    fn an_observed_rate_is_never_rounded_up() {
        let gate = Gate::parse("join_rate >= 99.9%").unwrap();
        assert_eq!(gate.text_of(Some(0.999_999)), "99.999%");
        assert_eq!(gate.text_of(None), "not measured");
    }
}
