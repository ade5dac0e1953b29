//! The recent past, second by second.
//!
//! The collector sends whole seconds and sends one again when it changed; the ring replaces by second, so no delta can
//! count twice. Percentiles over several seconds come from merged sketches, never from averages.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;

use collector_api::console;
use collector_api::sketch::Sketch;

/// How many seconds are kept.
pub const KEPT_SECONDS: usize = 900;

/// Requests, errors and latencies of one instance in one second.
#[derive(Debug, Clone, Default)]
pub struct ServiceCell {
    /// `service.name`.
    pub service: String,
    /// `service.instance.id`.
    pub instance: String,
    /// Finished server spans.
    pub requests: u64,
    /// Of these, failed.
    pub errors: u64,
    /// Latencies of all.
    pub latency: Sketch,
}

/// What a load run did in one second.
#[derive(Debug, Clone, Default)]
pub struct RunCell {
    /// Counters; its sketches are moved out.
    pub counts: console::RunCell,
    /// From the intended start to the last byte.
    pub intended: Sketch,
    /// From the sending to the last byte.
    pub service: Sketch,
    /// From the sending to the first byte.
    pub ttfb: Sketch,
}

/// One second of the wall clock.
#[derive(Debug, Clone, Default)]
pub struct Second {
    /// Seconds since the epoch.
    pub unix_s: u64,
    /// By instance.
    pub services: Vec<ServiceCell>,
    /// Successful requests as their callers saw them.
    pub entry_ok: Sketch,
    /// Failed requests as their callers saw them.
    pub entry_failed: Sketch,
    /// The load run, if one was active.
    pub run: Option<RunCell>,
    /// Picks by replica.
    pub balance: Vec<console::BalanceCell>,
    /// Calls by breaker.
    pub breakers: Vec<console::BreakerCell>,
}

/// Requests as their callers saw them, over some seconds.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Latencies of the successful.
    pub ok: Sketch,
    /// Latencies of the failed.
    pub failed: Sketch,
}

impl Entry {
    /// All requests.
    pub fn count(&self) -> u64 {
        self.ok.count() + self.failed.count()
    }

    /// Failed requests over all, 0 when there were none.
    pub fn error_ratio(&self) -> f64 {
        ratio(self.failed.count(), self.count())
    }

    /// Latencies of all requests.
    pub fn all(&self) -> Sketch {
        let mut all = self.ok.clone();
        all.merge(&self.failed);
        all
    }
}

/// Requests, errors and latencies over some seconds.
#[derive(Debug, Clone, Default)]
pub struct Red {
    /// Finished server spans.
    pub requests: u64,
    /// Of these, failed.
    pub errors: u64,
    /// Latencies of all.
    pub latency: Sketch,
}

impl Red {
    fn add(&mut self, cell: &ServiceCell) {
        self.requests += cell.requests;
        self.errors += cell.errors;
        self.latency.merge(&cell.latency);
    }
}

/// `part / whole`, 0 when the whole is 0.
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The last [`KEPT_SECONDS`] seconds, ascending.
#[derive(Debug, Clone, Default)]
pub struct Seconds {
    ring: VecDeque<Second>,
}

impl Seconds {
    /// Puts a second in its place, over what was known of it.
    pub fn put(&mut self, second: Second) {
        match self.ring.binary_search_by_key(&second.unix_s, |held| held.unix_s) {
            Ok(at) => self.ring[at] = second,
            Err(at) => self.ring.insert(at, second),
        }
        while self.ring.len() > KEPT_SECONDS {
            self.ring.pop_front();
        }
    }

    /// Whether nothing was ever put.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// The first second that is kept.
    pub fn first(&self) -> Option<u64> {
        self.ring.front().map(|second| second.unix_s)
    }

    /// One second, when it is known.
    pub fn get(&self, unix_s: u64) -> Option<&Second> {
        let at = self.ring.binary_search_by_key(&unix_s, |held| held.unix_s).ok()?;
        self.ring.get(at)
    }

    /// The known seconds of a range, ascending.
    pub fn range(&self, range: RangeInclusive<u64>) -> impl DoubleEndedIterator<Item = &Second> + '_ {
        let from = self.ring.partition_point(|held| held.unix_s < *range.start());
        let to = self.ring.partition_point(|held| held.unix_s <= *range.end());
        self.ring.range(from..to.max(from))
    }

    /// Requests as their callers saw them.
    pub fn entry(&self, range: RangeInclusive<u64>) -> Entry {
        let mut entry = Entry::default();
        for second in self.range(range) {
            entry.ok.merge(&second.entry_ok);
            entry.failed.merge(&second.entry_failed);
        }
        entry
    }

    /// Requests, errors and latencies by service, and by instance in each.
    pub fn services(&self, range: RangeInclusive<u64>) -> BTreeMap<String, (Red, BTreeMap<String, Red>)> {
        let mut services: BTreeMap<String, (Red, BTreeMap<String, Red>)> = BTreeMap::new();
        for cell in self.range(range).flat_map(|second| &second.services) {
            let (total, instances) = services.entry(cell.service.clone()).or_default();
            total.add(cell);
            instances.entry(cell.instance.clone()).or_default().add(cell);
        }
        services
    }

    /// Picks by service and instance.
    pub fn picks(&self, range: RangeInclusive<u64>) -> BTreeMap<String, BTreeMap<String, u64>> {
        let mut picks: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for cell in self.range(range).flat_map(|second| &second.balance) {
            *picks.entry(cell.service.clone()).or_default().entry(cell.instance.clone()).or_default() += cell.picks;
        }
        picks
    }

    /// The load run's seconds merged: counters summed, gauges from the last second, sketches merged.
    pub fn run(&self, range: RangeInclusive<u64>, run_id: Option<&str>) -> RunCell {
        let mut total = RunCell::default();
        for cell in self.range(range).filter_map(|second| second.run.as_ref()) {
            if run_id.is_some_and(|wanted| wanted != cell.counts.run_id) {
                continue;
            }
            let counts = &mut total.counts;
            counts.run_id.clone_from(&cell.counts.run_id);
            counts.offered += cell.counts.offered;
            counts.started += cell.counts.started;
            counts.requests += cell.counts.requests;
            counts.ok += cell.counts.ok;
            counts.failed += cell.counts.failed;
            counts.in_flight = cell.counts.in_flight;
            counts.waiting = cell.counts.waiting;
            counts.lag_p99_us = counts.lag_p99_us.max(cell.counts.lag_p99_us);
            for (outcome, count) in &cell.counts.outcomes {
                *counts.outcomes.entry(outcome.clone()).or_default() += count;
            }
            total.intended.merge(&cell.intended);
            total.service.merge(&cell.service);
            total.ttfb.merge(&cell.ttfb);
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(unix_s: u64, requests: u64) -> Second {
        let mut entry_ok = Sketch::new();
        (0..requests).for_each(|_| entry_ok.record_us(1_000));
        Second { unix_s, entry_ok, ..Second::default() }
    }

    #[test]
    fn a_second_sent_again_replaces_itself() {
        let mut seconds = Seconds::default();
        seconds.put(second(10, 5));
        seconds.put(second(12, 1));
        seconds.put(second(10, 7));
        assert_eq!(seconds.entry(0..=100).count(), 8);
        assert_eq!(seconds.entry(11..=11).count(), 0);
    }

    #[test]
    fn the_ring_is_bounded_and_keeps_the_newest() {
        let mut seconds = Seconds::default();
        (0..2_000).for_each(|unix_s| seconds.put(second(unix_s, 1)));
        assert_eq!(seconds.first(), Some(2_000 - KEPT_SECONDS as u64));
        seconds.put(second(3, 1));
        assert_eq!(seconds.first(), Some(2_000 - KEPT_SECONDS as u64));
    }
}
