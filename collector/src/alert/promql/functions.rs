//! Calls of functions.

use promql_parser::label::MatchOp;
use promql_parser::parser::{Call, Expr};

use super::eval::{Instant, distinct};
use super::{EvalError, Value, Vector, histogram, range};
use crate::rollup::metrics::{Labels, NAME};

/// The value of a call.
pub(super) fn eval(instant: &Instant<'_>, call: &Call) -> Result<Value, EvalError> {
    let arguments = Arguments { instant, call };
    if let Some(function) = range::function(call.func.name) {
        let keeps_name = call.func.name == "last_over_time";
        return over_ranges(&arguments, keeps_name, function).map(Value::Vector);
    }
    match call.func.name {
        "time" => Ok(Value::Scalar(instant.at_ns as f64 / 1e9)),
        "scalar" => arguments.vector(0).map(|vector| Value::Scalar(only(&vector))),
        "vector" => arguments.scalar(0).map(|number| Value::Vector(vec![(Labels::default(), number)])),
        "absent" => arguments.vector(0).map(|vector| Value::Vector(absent(&vector, arguments.get(0).ok()))),
        "histogram_quantile" => {
            let quantile = arguments.scalar(0)?;
            Ok(Value::Vector(histogram::quantiles(quantile, &arguments.vector(1)?)))
        }
        _ => map(&arguments).map(Value::Vector),
    }
}

struct Arguments<'a> {
    instant: &'a Instant<'a>,
    call: &'a Call,
}

impl<'a> Arguments<'a> {
    fn get(&self, at: usize) -> Result<&'a Expr, EvalError> {
        self.call.args.args.get(at).map(|argument| &**argument).ok_or(EvalError::Type("another argument"))
    }

    fn vector(&self, at: usize) -> Result<Vector, EvalError> {
        self.instant.vector(self.get(at)?)
    }

    fn scalar(&self, at: usize) -> Result<f64, EvalError> {
        self.instant.scalar(self.get(at)?)
    }
}

fn over_ranges(
    arguments: &Arguments<'_>,
    keeps_name: bool,
    function: fn(&super::eval::Range<'_>) -> Option<f64>,
) -> Result<Vector, EvalError> {
    let ranges = arguments.instant.ranges(arguments.get(0)?)?;
    let value = |range: super::eval::Range<'_>| {
        let labels = if keeps_name { range.labels.clone() } else { range.labels.unnamed() };
        function(&range).map(|value| (labels, value))
    };
    distinct(ranges.into_iter().filter_map(value).collect())
}

/// Functions of each value by itself.
fn map(arguments: &Arguments<'_>) -> Result<Vector, EvalError> {
    let vector = arguments.vector(0)?;
    let function: Box<dyn Fn(f64) -> f64> = match arguments.call.func.name {
        "abs" => Box::new(f64::abs),
        "ceil" => Box::new(f64::ceil),
        "floor" => Box::new(f64::floor),
        "clamp" => {
            let (least, most) = (arguments.scalar(1)?, arguments.scalar(2)?);
            if least > most {
                return Ok(Vec::new());
            }
            Box::new(move |value| most.min(least.max(value)))
        }
        "clamp_min" => {
            let least = arguments.scalar(1)?;
            Box::new(move |value| least.max(value))
        }
        "clamp_max" => {
            let most = arguments.scalar(1)?;
            Box::new(move |value| most.min(value))
        }
        _ => return Err(EvalError::Type("a function that is supported")),
    };
    distinct(vector.into_iter().map(|(labels, value)| (labels.unnamed(), function(value))).collect())
}

fn only(vector: &Vector) -> f64 {
    match vector.as_slice() {
        [(_, value)] => *value,
        _ => f64::NAN,
    }
}

/// One where a vector is empty, with the labels that its selector asks for by equality.
fn absent(vector: &Vector, argument: Option<&Expr>) -> Vector {
    if !vector.is_empty() {
        return Vec::new();
    }
    let mut labels = Labels::default();
    if let Some(Expr::VectorSelector(selector)) = argument {
        let matchers = &selector.matchers.matchers;
        let is_only = |name: &str| matchers.iter().filter(|matcher| matcher.name == name).count() == 1;
        for matcher in matchers.iter().filter(|matcher| matcher.op == MatchOp::Equal && matcher.name != NAME) {
            if is_only(&matcher.name) {
                labels = labels.with(&matcher.name, &matcher.value);
            }
        }
    }
    vec![(labels, 1.0)]
}
