//! Functions of one series over a range.

use super::eval::Range;
use crate::rollup::metrics::Sample;

const SECOND: f64 = 1e9;

/// The function of a name that takes a range; `None` for other functions.
pub(super) fn function(name: &str) -> Option<fn(&Range<'_>) -> Option<f64>> {
    let function: fn(&Range<'_>) -> Option<f64> = match name {
        "rate" => |range| Some(extrapolated(range, true)? / seconds(range.from_ns, range.to_ns)),
        "increase" => |range| extrapolated(range, true),
        "delta" => |range| extrapolated(range, false),
        "irate" => instant_rate,
        "avg_over_time" => |range| Some(sum(range)? / range.samples.len() as f64),
        "sum_over_time" => sum,
        "count_over_time" => |range| Some(range.samples.len() as f64),
        "last_over_time" => |range| range.samples.last().map(|sample| sample.value),
        "min_over_time" => |range| extreme(range, |value, least| value < least),
        "max_over_time" => |range| extreme(range, |value, most| value > most),
        "changes" => |range| Some(steps(range.samples).filter(|(before, after)| !same(*before, *after)).count() as f64),
        "resets" => |range| Some(steps(range.samples).filter(|(before, after)| after < before).count() as f64),
        _ => return None,
    };
    Some(function)
}

/// How much a series changed over the range, extrapolated to its ends as Prometheus does.
///
/// The samples seldom lie on the ends of the range. An end that is nearer than 1.1 times the average distance of the
/// samples is taken as if the series went on to it, a further one as half such a distance; a counter is never
/// extrapolated to before it would have been zero. A fall of a counter is a reset and adds the value before it.
fn extrapolated(range: &Range<'_>, is_counter: bool) -> Option<f64> {
    let (first, last) = (range.samples.first()?, range.samples.last()?);
    if range.samples.len() < 2 {
        return None;
    }
    let resets: f64 = if is_counter {
        steps(range.samples).filter(|(before, after)| after < before).map(|(before, _)| before).sum()
    } else {
        0.0
    };
    let change = last.value - first.value + resets;
    let sampled = seconds(first.time_ns, last.time_ns);
    let distance = sampled / (range.samples.len() - 1) as f64;
    let reach = |gap: f64| if gap >= distance * 1.1 { distance / 2.0 } else { gap };
    let mut before = reach(seconds(range.from_ns, first.time_ns));
    if is_counter && change > 0.0 && first.value >= 0.0 {
        before = before.min(sampled * (first.value / change));
    }
    let after = reach(seconds(last.time_ns, range.to_ns));
    Some(change * ((sampled + before + after) / sampled))
}

/// Per second between the last two samples.
fn instant_rate(range: &Range<'_>) -> Option<f64> {
    let mut latest = range.samples.iter().rev();
    let (last, before) = (latest.next()?, latest.next()?);
    let change = if last.value < before.value { last.value } else { last.value - before.value };
    Some(change / seconds(before.time_ns, last.time_ns))
}

fn sum(range: &Range<'_>) -> Option<f64> {
    (!range.samples.is_empty()).then(|| range.samples.iter().map(|sample| sample.value).sum())
}

/// The least or greatest value; NaN only where there is nothing else.
fn extreme(range: &Range<'_>, beats: fn(f64, f64) -> bool) -> Option<f64> {
    let values = range.samples.iter().map(|sample| sample.value);
    values.reduce(|best, value| if best.is_nan() || beats(value, best) { value } else { best })
}

fn steps(samples: &[Sample]) -> impl Iterator<Item = (f64, f64)> + '_ {
    samples.iter().zip(samples.iter().skip(1)).map(|(before, after)| (before.value, after.value))
}

/// Whether two values are one, NaN included.
#[allow(clippy::float_cmp, reason = "any difference is a change")]
fn same(left: f64, right: f64) -> bool {
    left == right || (left.is_nan() && right.is_nan())
}

fn seconds(from_ns: u64, to_ns: u64) -> f64 {
    to_ns.saturating_sub(from_ns) as f64 / SECOND
}
