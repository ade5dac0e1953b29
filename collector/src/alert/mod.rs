//! Alerting rules in Prometheus' file format, evaluated live over the stored metrics.
//!
//! [`Rules`] reads rule files and refuses by name what cannot be evaluated; [`promql`] evaluates expressions over
//! [`crate::rollup::metrics::MetricStore`]; [`Evaluator`] drives each rule's alerts through pending, firing and resolved
//! with Prometheus' semantics. docs/alerts.md lists what is supported.
//!
//! Pure: whoever calls says what time it is.

mod evaluator;
pub mod promql;
mod rules;
mod state;
mod template;

pub use evaluator::{Evaluator, Transition};
pub use rules::{Group, Refusal, Rule, RuleFileError, Rules};
