//! Operators between scalars and vectors.

use std::collections::{HashMap, HashSet};

use promql_parser::parser::{BinaryExpr, LabelModifier};

use super::check::Operator;
use super::eval::distinct;
use super::{EvalError, Value, Vector};
use crate::rollup::metrics::{Labels, NAME};

/// The value of an operator between two values.
pub(super) fn eval(expr: &BinaryExpr, left: Value, right: Value) -> Result<Value, EvalError> {
    let operator = Operator::of(expr.op.id()).ok_or(EvalError::Type("an operator that is supported"))?;
    let matching = expr.modifier.as_ref().and_then(|modifier| modifier.matching.as_ref());
    let operation = Operation { operator, is_bool: expr.return_bool(), matching };
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => Ok(Value::Scalar(operation.number(left, right))),
        (Value::Vector(left), Value::Scalar(right)) => {
            operation.with_scalar(left, |value| (value, right)).map(Value::Vector)
        }
        (Value::Scalar(left), Value::Vector(right)) => {
            operation.with_scalar(right, |value| (left, value)).map(Value::Vector)
        }
        (Value::Vector(left), Value::Vector(right)) => match operator {
            Operator::And => Ok(Value::Vector(operation.intersection(left, &right, true))),
            Operator::Unless => Ok(Value::Vector(operation.intersection(left, &right, false))),
            Operator::Or => Ok(Value::Vector(operation.union(left, right))),
            _ => operation.pairs(&left, right).map(Value::Vector),
        },
    }
}

struct Operation<'a> {
    operator: Operator,
    is_bool: bool,
    matching: Option<&'a LabelModifier>,
}

enum Outcome {
    Number(f64),
    Truth(bool),
}

impl Operation<'_> {
    #[allow(clippy::float_cmp, reason = "PromQL's == and != are exact")]
    fn outcome(&self, left: f64, right: f64) -> Outcome {
        match self.operator {
            Operator::Add => Outcome::Number(left + right),
            Operator::Subtract => Outcome::Number(left - right),
            Operator::Multiply => Outcome::Number(left * right),
            Operator::Divide => Outcome::Number(left / right),
            Operator::Modulo => Outcome::Number(left % right),
            Operator::Power => Outcome::Number(left.powf(right)),
            Operator::Equal => Outcome::Truth(left == right),
            Operator::Unequal => Outcome::Truth(left != right),
            Operator::Less => Outcome::Truth(left < right),
            Operator::AtMost => Outcome::Truth(left <= right),
            Operator::More => Outcome::Truth(left > right),
            Operator::AtLeast => Outcome::Truth(left >= right),
            Operator::And | Operator::Or | Operator::Unless => Outcome::Number(f64::NAN),
        }
    }

    /// Between two scalars, where a comparison always says `bool`.
    fn number(&self, left: f64, right: f64) -> f64 {
        match self.outcome(left, right) {
            Outcome::Number(number) => number,
            Outcome::Truth(truth) => f64::from(u8::from(truth)),
        }
    }

    /// The result for one series: `None` where a comparison filters it out, else the value and whether the name stays.
    fn filtered(&self, left: f64, right: f64, kept: f64) -> Option<(f64, bool)> {
        match self.outcome(left, right) {
            Outcome::Number(number) => Some((number, false)),
            Outcome::Truth(truth) if self.is_bool => Some((f64::from(u8::from(truth)), false)),
            Outcome::Truth(truth) => truth.then_some((kept, true)),
        }
    }

    /// Each series of a vector against one number; a comparison keeps the series' own value.
    fn with_scalar(&self, vector: Vector, sides: impl Fn(f64) -> (f64, f64)) -> Result<Vector, EvalError> {
        let one = |(labels, value): (Labels, f64)| {
            let (left, right) = sides(value);
            let (result, keeps_name) = self.filtered(left, right, value)?;
            Some((if keeps_name { labels } else { labels.unnamed() }, result))
        };
        distinct(vector.into_iter().filter_map(one).collect())
    }

    /// What a series is matched by.
    fn signature(&self, labels: &Labels) -> Labels {
        match self.matching {
            None => labels.unnamed(),
            Some(LabelModifier::Include(on)) => labels.filtered(|name| on.labels.iter().any(|label| label == name)),
            Some(LabelModifier::Exclude(ignored)) => {
                labels.filtered(|name| name != NAME && !ignored.labels.iter().any(|label| label == name))
            }
        }
    }

    fn intersection(&self, left: Vector, right: &Vector, wanted: bool) -> Vector {
        let others: HashSet<Labels> = right.iter().map(|(labels, _)| self.signature(labels)).collect();
        left.into_iter().filter(|(labels, _)| others.contains(&self.signature(labels)) == wanted).collect()
    }

    fn union(&self, mut left: Vector, right: Vector) -> Vector {
        let taken: HashSet<Labels> = left.iter().map(|(labels, _)| self.signature(labels)).collect();
        left.extend(right.into_iter().filter(|(labels, _)| !taken.contains(&self.signature(labels))));
        left
    }

    /// Each series of the left with the one of the right that it matches.
    fn pairs(&self, left: &Vector, right: Vector) -> Result<Vector, EvalError> {
        let mut others: HashMap<Labels, f64> = HashMap::with_capacity(right.len());
        for (labels, value) in right {
            let signature = self.signature(&labels);
            if others.insert(signature.clone(), value).is_some() {
                return Err(EvalError::ManyToMany { side: "right", labels: signature.to_string() });
            }
        }
        let mut matched: HashSet<Labels> = HashSet::new();
        let mut results = Vec::with_capacity(left.len());
        for (labels, value) in left {
            let signature = self.signature(labels);
            let Some(other) = others.get(&signature) else { continue };
            let Some((result, keeps_name)) = self.filtered(*value, *other, *value) else { continue };
            if !matched.insert(signature.clone()) {
                return Err(EvalError::ManyToMany { side: "left", labels: signature.to_string() });
            }
            results.push((self.result_labels(labels, keeps_name), result));
        }
        Ok(results)
    }

    fn result_labels(&self, labels: &Labels, keeps_name: bool) -> Labels {
        let named = if keeps_name { labels.clone() } else { labels.unnamed() };
        match self.matching {
            None => named,
            Some(LabelModifier::Include(on)) => named.filtered(|name| on.labels.iter().any(|label| label == name)),
            Some(LabelModifier::Exclude(ignored)) => {
                named.filtered(|name| !ignored.labels.iter().any(|label| label == name))
            }
        }
    }
}
