//! Everything that is counted and timed, for the run and for the running second.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use collector_api::console::RunCell;
use collector_api::sketch::Sketch;
use hdrhistogram::Histogram;

use crate::gate::{Clock, Figure};
use crate::outcome::Verdict;

/// Longest latency that is told apart: ten minutes, in microseconds.
const LONGEST_US: u64 = 600_000_000;
/// Outcomes counted by name; more are `other`.
const MOST_OUTCOMES: usize = 64;

/// Latencies of one clock, microseconds, three significant figures.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        // It grows with its values, so that an idle step costs little.
        Self(Histogram::new(3).unwrap_or_else(|_| unreachable!("three figures are within the crate's zero to five")))
    }
}

impl Latencies {
    /// Counts one latency.
    pub fn record_us(&mut self, micros: u64) {
        // Saturating: an auto-resizing histogram refuses nothing up to its clamp.
        let _ = self.0.record(micros.clamp(1, LONGEST_US));
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// A figure in microseconds; `None` when empty.
    pub fn figure_us(&self, figure: Figure) -> Option<f64> {
        if self.0.is_empty() {
            return None;
        }
        Some(match figure {
            Figure::Quantile(q) => self.0.value_at_quantile(q) as f64,
            Figure::Max => self.0.max() as f64,
            Figure::Mean => self.0.mean(),
        })
    }

    /// A quantile in whole microseconds; 0 when empty.
    pub fn quantile_us(&self, q: f64) -> u64 {
        self.figure_us(Figure::Quantile(q)).unwrap_or(0.0) as u64
    }
}

/// The three clocks side by side.
#[derive(Debug, Clone, Default)]
pub struct Clocks {
    /// From the intended start to the last byte.
    pub intended: Latencies,
    /// From sending to the last byte.
    pub service: Latencies,
    /// From sending to the headers.
    pub ttfb: Latencies,
}

impl Clocks {
    /// One clock.
    pub fn of(&self, clock: Clock) -> &Latencies {
        match clock {
            Clock::Intended => &self.intended,
            Clock::Service => &self.service,
            Clock::Ttfb => &self.ttfb,
        }
    }

    fn record(&mut self, times: Times) {
        self.intended.record_us(times.intended_us);
        self.service.record_us(times.service_us);
        if let Some(ttfb_us) = times.ttfb_us {
            self.ttfb.record_us(ttfb_us);
        }
    }
}

/// The times of one request, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_field_names, reason = "each name ends in its unit, as everywhere")]
pub struct Times {
    /// From the intended start to the last byte.
    pub intended_us: u64,
    /// From sending to the last byte.
    pub service_us: u64,
    /// From sending to the headers; `None` when none came.
    pub ttfb_us: Option<u64>,
}

/// What a run counted.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Requests that reached the target.
    pub sent: u64,
    /// Of these, answered as expected.
    pub ok: u64,
    /// Of these, not.
    pub failed: u64,
    /// Refused connections; not part of `sent`.
    pub unsent: u64,
    /// Failures, unsent ones too, that the scenario does not allow.
    pub unexpected: u64,
    /// Sent requests that carry a sampled trace.
    pub sampled: u64,
    /// Sent requests by outcome, `ok` too.
    pub by_outcome: BTreeMap<String, u64>,
    /// Breaker rejections by place.
    pub rejected_by_place: BTreeMap<String, u64>,
}

/// Everything recorded so far.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Counts.
    pub counts: Counts,
    /// Clocks of all sent requests.
    pub clocks: Clocks,
    /// Clocks by step, in the order of the scenario.
    pub steps: Vec<(String, Clocks)>,
    /// From the intended start to sending, for tickets issued while a worker was free.
    pub lag: Latencies,
}

#[derive(Debug, Default)]
struct Second {
    cell: RunCell,
    intended: Sketch,
    service: Sketch,
    ttfb: Sketch,
    lag: Latencies,
}

#[derive(Debug)]
struct Inner {
    totals: Totals,
    second: Second,
}

/// Records requests; shared by all workers.
#[derive(Debug)]
pub struct Recorder {
    inner: Mutex<Inner>,
}

impl Recorder {
    /// A recorder for these steps.
    pub fn new(steps: impl IntoIterator<Item = String>) -> Self {
        let steps = steps.into_iter().map(|name| (name, Clocks::default())).collect();
        let totals = Totals { steps, ..Totals::default() };
        Self { inner: Mutex::new(Inner { totals, second: Second::default() }) }
    }

    /// Counts a ticket that a worker took up, with its lateness when that is the generator's own.
    pub fn started(&self, lag_us: Option<u64>) {
        let mut inner = self.lock();
        inner.second.cell.started += 1;
        if let Some(lag_us) = lag_us {
            inner.totals.lag.record_us(lag_us);
            inner.second.lag.record_us(lag_us);
        }
    }

    /// Counts a request.
    pub fn request(&self, step: usize, verdict: &Verdict, sampled: bool, times: Times) {
        let mut inner = self.lock();
        let Inner { totals, second } = &mut *inner;
        count(&mut totals.counts, verdict, sampled);
        second.cell.requests += 1;
        if verdict.ok {
            second.cell.ok += 1;
        } else {
            second.cell.failed += 1;
            bump(&mut second.cell.outcomes, &verdict.outcome);
        }
        if !verdict.sent {
            return;
        }
        totals.clocks.record(times);
        if let Some((_, clocks)) = totals.steps.get_mut(step) {
            clocks.record(times);
        }
        second.intended.record_us(times.intended_us);
        second.service.record_us(times.service_us);
        if let Some(ttfb_us) = times.ttfb_us {
            second.ttfb.record_us(ttfb_us);
        }
    }

    /// Takes the running second's cell and begins the next; gauges are the caller's.
    pub fn take_second(&self) -> RunCell {
        let mut inner = self.lock();
        let second = std::mem::take(&mut inner.second);
        RunCell {
            lag_p99_us: second.lag.quantile_us(0.99),
            intended: Some((&second.intended).into()),
            service: Some((&second.service).into()),
            ttfb: Some((&second.ttfb).into()),
            ..second.cell
        }
    }

    /// What was recorded so far.
    pub fn totals(&self) -> Totals {
        self.lock().totals.clone()
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        self.lock().totals.counts.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Counts stay usable when a recording thread panicked: each is changed on its own.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(counts: &mut Counts, verdict: &Verdict, sampled: bool) {
    counts.unexpected += u64::from(verdict.unexpected);
    if !verdict.sent {
        counts.unsent += 1;
        return;
    }
    counts.sent += 1;
    counts.ok += u64::from(verdict.ok);
    counts.failed += u64::from(!verdict.ok);
    counts.sampled += u64::from(sampled);
    let known = counts.by_outcome.len() < MOST_OUTCOMES || counts.by_outcome.contains_key(&verdict.outcome);
    *counts.by_outcome.entry(if known { verdict.outcome.clone() } else { "other".into() }).or_insert(0) += 1;
    if let Some(place) = &verdict.rejected_by {
        *counts.rejected_by_place.entry(place.clone()).or_insert(0) += 1;
    }
}

fn bump(outcomes: &mut std::collections::HashMap<String, u64>, outcome: &str) {
    let known = outcomes.len() < MOST_OUTCOMES || outcomes.contains_key(outcome);
    *outcomes.entry(if known { outcome.to_owned() } else { "other".into() }).or_insert(0) += 1;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::{Answer, judge};
    use crate::scenario::Expect;

    proptest! {
        #[test]
        fn outcomes_sum_to_sent(statuses in prop::collection::vec(prop::option::of(200_u16..600), 0..200)) {
            let recorder = Recorder::new(["create".to_owned()]);
            for status in &statuses {
                let answer = status.map_or(Answer::Unsent, |status| Answer::Response { status, body: None });
                let times = Times { intended_us: 5, service_us: 4, ttfb_us: None };
                recorder.request(0, &judge(&answer, &Expect::default()), true, times);
            }
            let totals = recorder.totals();
            let counts = &totals.counts;
            prop_assert_eq!(counts.ok + counts.failed, counts.sent);
            prop_assert_eq!(counts.by_outcome.values().sum::<u64>(), counts.sent);
            prop_assert_eq!(counts.sent + counts.unsent, statuses.len() as u64);
            prop_assert_eq!(totals.clocks.intended.count(), counts.sent);
            let cell = recorder.take_second();
            prop_assert_eq!(cell.ok + cell.failed, statuses.len() as u64);
            prop_assert_eq!(recorder.take_second().requests, 0);
        }
    }

    #[test]
    fn a_latency_keeps_three_figures_up_to_ten_minutes() {
        let mut latencies = Latencies::default();
        for micros in [1, 1_234, 1_900_000, 599_999_999, u64::MAX] {
            latencies.record_us(micros);
        }
        assert_eq!(latencies.quantile_us(0.0), 1);
        let p50 = latencies.quantile_us(0.6);
        assert!(p50.abs_diff(1_900_000) <= 1_900, "{p50}");
        assert!(latencies.figure_us(Figure::Max).unwrap() >= 600_000_000.0 * 0.999);
    }
}
