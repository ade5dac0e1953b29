//! PromQL over the stored metrics.
//!
//! An [`Expression`] is parsed and checked once: what cannot be evaluated is refused by name when it is loaded, never when
//! it runs. Evaluation is at one instant, with Prometheus' lookback of five minutes, its extrapolation and its handling of
//! counter resets. Ranges are open at their begin, as in Prometheus 3.

mod aggregate;
mod binary;
mod check;
mod eval;
mod functions;
mod histogram;
mod range;

use promql_parser::parser::Expr;
use thiserror::Error;

pub use self::check::{AGGREGATIONS, FUNCTIONS, OPERATORS};
use crate::rollup::metrics::{Labels, MetricStore};

/// Longest expression, in bytes.
const MAX_BYTES: usize = 8 << 10;

/// An expression that was checked.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    root: Expr,
}

/// Why an expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExpressionError {
    /// It is no PromQL.
    #[error("not a valid expression: {0}")]
    Syntax(String),
    /// It uses something that is not evaluated here.
    #[error("{0} is not supported, see docs/alerts.md")]
    Unsupported(String),
}

/// Why an evaluation failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvalError {
    /// Several series of one side match one of the other.
    #[error("several series on the {side} side match {labels}: name more labels in on() or aggregate first")]
    ManyToMany {
        /// `left` or `right`.
        side: &'static str,
        /// What they have in common.
        labels: String,
    },
    /// Two series have the same labels once their names are gone.
    #[error("two series of the result have the labels {labels}: aggregate or select one metric")]
    Duplicate {
        /// The labels.
        labels: String,
    },
    /// The expression is not what its check promised; a defect of this program.
    #[error("expected {0}")]
    Type(&'static str),
}

/// Series with a value each.
pub type Vector = Vec<(Labels, f64)>;

/// The result of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// One number without labels.
    Scalar(f64),
    /// Series with a value each, in the order of their labels.
    Vector(Vector),
}

impl Expression {
    /// Parses an expression and refuses by name what cannot be evaluated.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        if text.len() > MAX_BYTES {
            return Err(ExpressionError::Unsupported(format!("an expression longer than {MAX_BYTES} bytes")));
        }
        let root = promql_parser::parser::parse(text).map_err(ExpressionError::Syntax)?;
        check::check(&root).map_err(ExpressionError::Unsupported)?;
        Ok(Self { text: text.split_whitespace().collect::<Vec<_>>().join(" "), root })
    }

    /// As it was written, in one line.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its value at an instant, nanoseconds since the epoch.
    pub fn eval(&self, store: &MetricStore, at_ns: u64) -> Result<Value, EvalError> {
        let instant = eval::Instant { store, at_ns };
        match instant.eval(&self.root)? {
            Value::Vector(mut vector) => {
                vector.sort_by(|(labels, _), (other, _)| labels.cmp(other));
                Ok(Value::Vector(vector))
            }
            scalar @ Value::Scalar(_) => Ok(scalar),
        }
    }
}
