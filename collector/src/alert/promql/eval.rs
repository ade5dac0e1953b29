//! Evaluation of an expression at one instant.

use std::time::Duration;

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{Expr, MatrixSelector, Offset, VectorSelector};

use super::{EvalError, Value, Vector, aggregate, binary, functions};
use crate::rollup::metrics::{Labels, MetricStore, NAME, Sample};

/// How old the last sample of a series may be to stand for its value now.
const LOOKBACK_NS: u64 = 300_000_000_000;

/// A store seen at an instant.
#[derive(Clone, Copy)]
pub(super) struct Instant<'a> {
    pub(super) store: &'a MetricStore,
    pub(super) at_ns: u64,
}

/// Samples of a series in the range `(from_ns, to_ns]`.
pub(super) struct Range<'a> {
    pub(super) labels: &'a Labels,
    pub(super) samples: &'a [Sample],
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
}

impl<'a> Instant<'a> {
    /// The value of an expression that was checked.
    pub(super) fn eval(&self, expr: &Expr) -> Result<Value, EvalError> {
        match expr {
            Expr::NumberLiteral(number) => Ok(Value::Scalar(number.val)),
            Expr::Paren(paren) => self.eval(&paren.expr),
            Expr::Unary(unary) => Ok(negate(self.eval(&unary.expr)?)),
            Expr::Binary(expr) => binary::eval(expr, self.eval(&expr.lhs)?, self.eval(&expr.rhs)?),
            Expr::Aggregate(expr) => aggregate::eval(expr, self.vector(&expr.expr)?).map(Value::Vector),
            Expr::Call(call) => functions::eval(self, call),
            Expr::VectorSelector(selector) => Ok(Value::Vector(self.latest(selector))),
            _ => Err(EvalError::Type("an instant vector or a scalar")),
        }
    }

    /// The value of an expression that is a vector.
    pub(super) fn vector(&self, expr: &Expr) -> Result<Vector, EvalError> {
        match self.eval(expr)? {
            Value::Vector(vector) => Ok(vector),
            Value::Scalar(_) => Err(EvalError::Type("an instant vector")),
        }
    }

    /// The value of an expression that is a number.
    pub(super) fn scalar(&self, expr: &Expr) -> Result<f64, EvalError> {
        match self.eval(expr)? {
            Value::Scalar(number) => Ok(number),
            Value::Vector(_) => Err(EvalError::Type("a scalar")),
        }
    }

    /// The ranges that a range selector selects.
    pub(super) fn ranges<'b>(&self, expr: &'b Expr) -> Result<Vec<Range<'b>>, EvalError>
    where
        'a: 'b,
    {
        match expr {
            Expr::Paren(paren) => self.ranges(&paren.expr),
            Expr::MatrixSelector(MatrixSelector { vs, range }) => {
                let to_ns = self.shifted(vs.offset.as_ref());
                let from_ns = to_ns.saturating_sub(nanoseconds(*range));
                let range = |(labels, samples)| Range { labels, samples, from_ns, to_ns };
                Ok(self.select(vs, from_ns, to_ns).map(range).collect())
            }
            _ => Err(EvalError::Type("a range vector")),
        }
    }

    /// The last value of each series that is not too old.
    fn latest(&self, selector: &VectorSelector) -> Vector {
        let to_ns = self.shifted(selector.offset.as_ref());
        let selected = self.select(selector, to_ns.saturating_sub(LOOKBACK_NS), to_ns);
        selected.filter_map(|(labels, samples)| Some((labels.clone(), samples.last()?.value))).collect()
    }

    fn select<'b>(
        &self,
        selector: &'b VectorSelector,
        after_ns: u64,
        to_ns: u64,
    ) -> impl Iterator<Item = (&'b Labels, &'b [Sample])>
    where
        'a: 'b,
    {
        let matchers: &'b [Matcher] = &selector.matchers.matchers;
        let is_name = |matcher: &&Matcher| matcher.name == NAME && matcher.op == MatchOp::Equal;
        let by_matcher = || matchers.iter().find(is_name).map(|matcher| matcher.value.as_str());
        let name = selector.name.as_deref().or_else(by_matcher);
        let accepts = move |labels: &Labels| {
            matchers.iter().all(|matcher| matcher.is_match(labels.get(&matcher.name).unwrap_or_default()))
        };
        let store: &'b MetricStore = self.store;
        store.select(name, accepts, after_ns, to_ns)
    }

    fn shifted(&self, offset: Option<&Offset>) -> u64 {
        match offset {
            None => self.at_ns,
            Some(Offset::Pos(back)) => self.at_ns.saturating_sub(nanoseconds(*back)),
            Some(Offset::Neg(ahead)) => self.at_ns.saturating_add(nanoseconds(*ahead)),
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn negate(value: Value) -> Value {
    match value {
        Value::Scalar(number) => Value::Scalar(-number),
        Value::Vector(vector) => {
            Value::Vector(vector.into_iter().map(|(labels, value)| (labels.unnamed(), -value)).collect())
        }
    }
}

/// A vector in the order of its labels; an error when two series have the same.
pub(super) fn distinct(mut vector: Vector) -> Result<Vector, EvalError> {
    vector.sort_by(|(labels, _), (other, _)| labels.cmp(other));
    for ((labels, _), (next, _)) in vector.iter().zip(vector.iter().skip(1)) {
        if labels == next {
            return Err(EvalError::Duplicate { labels: labels.to_string() });
        }
    }
    Ok(vector)
}
