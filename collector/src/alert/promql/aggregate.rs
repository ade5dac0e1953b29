//! Aggregation of a vector over groups of its labels.

use std::collections::BTreeMap;

use promql_parser::parser::token::{self, TokenId};
use promql_parser::parser::{AggregateExpr, LabelModifier};

use super::{EvalError, Vector};
use crate::rollup::metrics::{Labels, NAME};

/// The value of an aggregation; groups in the order of their labels.
pub(super) fn eval(expr: &AggregateExpr, mut vector: Vector) -> Result<Vector, EvalError> {
    // Sums of floats depend on their order, so the order is fixed.
    vector.sort_by(|(labels, _), (other, _)| labels.cmp(other));
    let mut groups: BTreeMap<Labels, Vec<f64>> = BTreeMap::new();
    for (labels, value) in vector {
        groups.entry(group_of(&labels, expr.modifier.as_ref())).or_default().push(value);
    }
    let summary = summary_of(expr.op.id()).ok_or(EvalError::Type("an aggregation that is supported"))?;
    Ok(groups.into_iter().map(|(labels, values)| (labels, summary(&values))).collect())
}

fn group_of(labels: &Labels, modifier: Option<&LabelModifier>) -> Labels {
    match modifier {
        None => Labels::default(),
        Some(LabelModifier::Include(kept)) => labels.filtered(|name| kept.labels.iter().any(|label| label == name)),
        Some(LabelModifier::Exclude(dropped)) => {
            labels.filtered(|name| name != NAME && !dropped.labels.iter().any(|label| label == name))
        }
    }
}

fn summary_of(id: TokenId) -> Option<fn(&[f64]) -> f64> {
    let summary: fn(&[f64]) -> f64 = match id {
        token::T_SUM => |values| values.iter().sum(),
        token::T_AVG => |values| values.iter().sum::<f64>() / values.len() as f64,
        token::T_COUNT => |values| values.len() as f64,
        token::T_GROUP => |_| 1.0,
        // NaN counts only where there is nothing else.
        token::T_MIN => |values| values.iter().copied().fold(f64::NAN, f64::min),
        token::T_MAX => |values| values.iter().copied().fold(f64::NAN, f64::max),
        _ => return None,
    };
    Some(summary)
}
