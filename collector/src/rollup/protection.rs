//! The ledger of what protects a process: its shedders and its limits.
//!
//! Figures come from the `shed.*` and `limiter.*` metrics of each process; bursts of refusals as events are
//! [`super::refusals`]'. Passes and refusals are counted by the second of their export.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use collector_api::console::{Limit, RefusalsReply, Shedder};
use collector_api::vocabulary as words;

use super::counter::Counter;
use super::directory::Instance;
use super::window::Window;
use super::{SECOND_NS, WINDOW_S};
use crate::model::{MetricPoint, Value};

/// Shedders, and limits, that are told apart.
const ROW_LIMIT: usize = 512;

/// Streams of one counter (sets of attributes) that are told apart.
const STREAM_LIMIT: usize = 64;

/// Length of a series, seconds.
const SERIES_S: u64 = 60;

/// A process that has not exported for this long is gone.
const SILENCE_NS: u64 = 10_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Outcome {
    Passed,
    Refused,
    Rescued,
}

/// Counters of one row, however many attributes they are split by.
#[derive(Debug, Clone)]
struct Tally {
    streams: HashMap<(Outcome, u64), Counter>,
    by_second: Window<Outcome, u64>,
    refused: u64,
    seen_ns: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self { streams: HashMap::new(), by_second: Window::new(WINDOW_S, 3), refused: 0, seen_ns: 0 }
    }
}

impl Tally {
    fn advance(&mut self, outcome: Outcome, point: &MetricPoint, value: f64, since_ns: u64) {
        let stream = (outcome, stream_of(point));
        if self.streams.len() >= STREAM_LIMIT && !self.streams.contains_key(&stream) {
            return;
        }
        let risen = self.streams.entry(stream).or_default().advance(value, point.start_ns, since_ns);
        if outcome == Outcome::Refused {
            self.refused += risen;
        }
        if let Some(count) = self.by_second.cell(point.time_ns / SECOND_NS, outcome, |outcome| *outcome) {
            *count += risen;
        }
    }

    /// What happened in `[from, to]`.
    fn sum(&self, outcome: Outcome, from: u64, to: u64) -> u64 {
        let cells = self.by_second.range(from, to);
        cells.filter(|(held, _)| **held == outcome).map(|(_, count)| count).sum()
    }

    /// Refusals of each of the last seconds up to `to`.
    fn series(&self, to: u64) -> Vec<u64> {
        let first = (to + 1).saturating_sub(SERIES_S);
        (first..first + SERIES_S).map(|second| self.sum(Outcome::Refused, second, second)).collect()
    }

    fn is_live(&self, now_ns: u64) -> bool {
        self.seen_ns.saturating_add(SILENCE_NS) > now_ns
    }
}

/// One shedder of one process. Gauges as last heard.
#[derive(Debug, Clone, Default)]
struct ShedderRow {
    cpu: f64,
    cpu_threshold: f64,
    flying: f64,
    avg_flying: f64,
    limit: f64,
    tally: Tally,
}

/// One limit: a route may have several, which count by different things.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct LimitKey {
    instance: Instance,
    name: Arc<str>,
    /// `route` or `user`.
    per: Arc<str>,
}

/// Shedders and limits by process.
#[derive(Debug, Clone, Default)]
pub struct Protection {
    /// By process and place.
    shedders: BTreeMap<(Instance, Arc<str>), ShedderRow>,
    limits: BTreeMap<LimitKey, Tally>,
    overflowed: u64,
}

impl Protection {
    /// Takes a point of the `shed.*` and `limiter.*` metrics; others are left alone.
    pub fn observe_point(&mut self, point: &MetricPoint, since_ns: u64) {
        let Some(value) = point.number() else { return };
        if point.name.starts_with("shed.") {
            self.observe_shedder(point, value, since_ns);
        } else if point.name.starts_with("limiter.") {
            self.observe_limit(point, value, since_ns);
        }
    }

    fn observe_shedder(&mut self, point: &MetricPoint, value: f64, since_ns: u64) {
        let place = point.get(words::SHED_PLACE).and_then(Value::as_text).unwrap_or_default();
        let key = (instance_of(point), Arc::from(place));
        if self.shedders.len() >= ROW_LIMIT && !self.shedders.contains_key(&key) {
            self.overflowed += 1;
            return;
        }
        let row = self.shedders.entry(key).or_default();
        row.tally.seen_ns = row.tally.seen_ns.max(point.time_ns);
        match &*point.name {
            words::SHED_STATE_CPU => row.cpu = value,
            words::SHED_STATE_THRESHOLD => row.cpu_threshold = value,
            words::SHED_STATE_FLYING => row.flying = value,
            words::SHED_STATE_AVG_FLYING => row.avg_flying = value,
            words::SHED_STATE_LIMIT => row.limit = value,
            words::SHED_PASSES => row.tally.advance(Outcome::Passed, point, value, since_ns),
            words::SHED_DROPS => row.tally.advance(Outcome::Refused, point, value, since_ns),
            _ => {}
        }
    }

    fn observe_limit(&mut self, point: &MetricPoint, value: f64, since_ns: u64) {
        let Some(name) = point.get(words::LIMITER_NAME).and_then(Value::as_text) else { return };
        let per = point.get(words::LIMITER_KEY).and_then(Value::as_text).unwrap_or_default();
        let key = LimitKey { instance: instance_of(point), name: Arc::from(name), per: Arc::from(per) };
        if self.limits.len() >= ROW_LIMIT && !self.limits.contains_key(&key) {
            self.overflowed += 1;
            return;
        }
        let tally = self.limits.entry(key).or_default();
        tally.seen_ns = tally.seen_ns.max(point.time_ns);
        match &*point.name {
            words::LIMITER_PASSES => tally.advance(Outcome::Passed, point, value, since_ns),
            words::LIMITER_REJECTIONS => tally.advance(Outcome::Refused, point, value, since_ns),
            words::LIMITER_RESCUES => tally.advance(Outcome::Rescued, point, value, since_ns),
            _ => {}
        }
    }

    /// The ledger of the seconds `(now - window, now]`, of processes that still export.
    pub fn list(&self, now_ns: u64, window_s: u64) -> RefusalsReply {
        let to = now_ns / SECOND_NS;
        let from = to.saturating_sub(window_s.saturating_sub(1));
        let shedder = |((key, place), row): (&(Instance, Arc<str>), &ShedderRow)| Shedder {
            service: key.service.to_string(),
            instance: key.instance.to_string(),
            cpu: row.cpu,
            cpu_threshold: row.cpu_threshold,
            flying: row.flying,
            avg_flying: row.avg_flying,
            limit: row.limit,
            passes: row.tally.sum(Outcome::Passed, from, to),
            drops: row.tally.sum(Outcome::Refused, from, to),
            drops_total: row.tally.refused,
            series: row.tally.series(to),
            place: place.to_string(),
        };
        let limit = |(key, tally): (&LimitKey, &Tally)| Limit {
            service: key.instance.service.to_string(),
            instance: key.instance.instance.to_string(),
            name: key.name.to_string(),
            per: key.per.to_string(),
            passes: tally.sum(Outcome::Passed, from, to),
            rejections: tally.sum(Outcome::Refused, from, to),
            rescues: tally.sum(Outcome::Rescued, from, to),
            rejections_total: tally.refused,
            series: tally.series(to),
        };
        RefusalsReply {
            shedders: self.shedders.iter().filter(|(_, row)| row.tally.is_live(now_ns)).map(shedder).collect(),
            limits: self.limits.iter().filter(|(_, tally)| tally.is_live(now_ns)).map(limit).collect(),
        }
    }

    /// Forgets processes that are gone, so that their successors find room.
    pub fn age(&mut self, now_ns: u64) {
        let is_recent = |tally: &Tally| tally.seen_ns.saturating_add(WINDOW_S * SECOND_NS) > now_ns;
        self.shedders.retain(|_, row| is_recent(&row.tally));
        self.limits.retain(|_, tally| is_recent(tally));
    }

    /// Shedders and limits that did not fit.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }
}

fn instance_of(point: &MetricPoint) -> Instance {
    Instance { service: point.resource.service.clone(), instance: point.resource.instance.clone() }
}

fn stream_of(point: &MetricPoint) -> u64 {
    let mut hasher = DefaultHasher::new();
    for attribute in &point.attributes {
        attribute.key.hash(&mut hasher);
        attribute.value.to_string().hash(&mut hasher);
    }
    hasher.finish()
}
