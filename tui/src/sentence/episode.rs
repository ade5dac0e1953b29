//! When a figure left its usual range, and when it came back.
//!
//! A second is out of range when its value exceeds every bound drawn from the usual seconds before: a factor over their
//! median, a distance above it, and a factor over their largest. An episode begins with such a second that is followed
//! by another within two, and ends with three seconds in range. Seconds without requests say nothing.

use std::collections::VecDeque;

use collector_api::console::Run;

use crate::model::data::{Data, SECOND_NS};
use crate::model::seconds::{Second, ratio};

/// How far back an episode may begin.
const HORIZON_S: u64 = 240;

/// Usual seconds that a bound is drawn from.
const USUAL: usize = 20;

/// Usual seconds that must be known before anything can be unusual.
const USUAL_AT_LEAST: usize = 3;

/// Seconds in range that end an episode.
const CALM_S: usize = 3;

/// A stretch of unusual seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Episode {
    /// Its first second.
    pub from_s: u64,
    /// Its last second, once it is over.
    pub to_s: Option<u64>,
    /// The figure over the usual seconds before.
    pub before: f64,
    /// The figure over the last seconds of the episode.
    pub during: f64,
}

struct Bounds {
    over_median: f64,
    above_median: f64,
    over_largest: f64,
}

/// The last episode of slowness: p99 of successful requests in microseconds.
pub fn latency(data: &Data) -> Option<Episode> {
    let bounds = Bounds { over_median: 1.5, above_median: 10_000.0, over_largest: 1.2 };
    let value = |second: &Second| second.entry_ok.quantile_us(0.99).map(|value| value as f64);
    let figure = |from: u64, to: u64| data.seconds.entry(from..=to).ok.quantile_us(0.99).unwrap_or(0) as f64;
    last(data, &bounds, value, figure)
}

/// The last episode of failure: failed requests over all.
pub fn errors(data: &Data) -> Option<Episode> {
    let bounds = Bounds { over_median: 3.0, above_median: 0.01, over_largest: 1.2 };
    let value = |second: &Second| {
        let (ok, failed) = (second.entry_ok.count(), second.entry_failed.count());
        (ok + failed > 0).then(|| ratio(failed, ok + failed))
    };
    let figure = |from: u64, to: u64| data.seconds.entry(from..=to).error_ratio();
    last(data, &bounds, value, figure)
}

fn last(
    data: &Data,
    bounds: &Bounds,
    value: impl Fn(&Second) -> Option<f64>,
    figure: impl Fn(u64, u64) -> f64,
) -> Option<Episode> {
    let head = data.head_s();
    let values: Vec<(u64, f64)> = data
        .seconds
        .range(head.saturating_sub(HORIZON_S)..=head)
        .filter(|second| is_measured(data, second))
        .filter_map(|second| value(second).map(|value| (second.unix_s, value)))
        .collect();
    let mut usual: VecDeque<f64> = VecDeque::with_capacity(USUAL);
    let mut found: Option<(u64, Option<u64>)> = None;
    let mut limit = f64::INFINITY;
    let mut calm = 0;
    for (at, (unix_s, value)) in values.iter().enumerate() {
        let is_open = matches!(found, Some((_, None)));
        if !is_open {
            limit = limit_of(&usual, bounds);
        }
        let is_out = *value > limit;
        if !is_open && is_out && is_confirmed(&values, at, limit) {
            found = Some((*unix_s, None));
            calm = 0;
        } else if is_open && is_out {
            calm = 0;
        } else if is_open {
            calm += 1;
            if calm == CALM_S {
                let last = values[at - CALM_S].0;
                found = found.map(|(from, _)| (from, Some(last)));
                usual.clear();
                usual.extend(values[at + 1 - CALM_S..=at].iter().map(|(_, value)| *value));
            }
        } else {
            if usual.len() == USUAL {
                usual.pop_front();
            }
            usual.push_back(*value);
        }
    }
    let (from_s, to_s) = found?;
    let until = to_s.unwrap_or(head);
    Some(Episode {
        from_s,
        to_s,
        before: figure(from_s.saturating_sub(USUAL as u64), from_s.saturating_sub(1)),
        during: figure(from_s.max(until.saturating_sub(9)), until),
    })
}

/// Whether a second's requests are part of what is compared: while a load run prepares or settles, they are not.
fn is_measured(data: &Data, second: &Second) -> bool {
    let is_of_run = |run: &Run| {
        let ends = if run.ended_unix_ns == 0 { u64::MAX } else { run.ended_unix_ns };
        (run.started_unix_ns / SECOND_NS..=ends / SECOND_NS).contains(&second.unix_s)
    };
    let has_starts = second.run.as_ref().is_some_and(|run| run.counts.offered > 0);
    has_starts || !data.runs.iter().any(is_of_run)
}

fn limit_of(usual: &VecDeque<f64>, bounds: &Bounds) -> f64 {
    if usual.len() < USUAL_AT_LEAST {
        return f64::INFINITY;
    }
    let mut sorted: Vec<f64> = usual.iter().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    let largest = sorted[sorted.len() - 1];
    (median * bounds.over_median).max(median + bounds.above_median).max(largest * bounds.over_largest)
}

/// The newest second is believed; an older one needs a second one out of range within the next two.
fn is_confirmed(values: &[(u64, f64)], at: usize, limit: f64) -> bool {
    let mut next = values[at + 1..].iter().take(2).peekable();
    next.peek().is_none() || next.any(|(_, value)| *value > limit)
}
