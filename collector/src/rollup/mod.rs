//! Figures that count every span: RED by second, operations, service graph, ledgers, metrics.
//!
//! Owns what was counted; spans and points pass by and are not kept. Pure: told the time, knows no runtime. Every
//! collection is bounded, and what did not fit is counted.

pub mod balance;
pub mod breakers;
pub mod cell;
pub mod counter;
pub mod coverage;
pub mod directory;
pub mod episode;
pub mod foreign;
pub mod graph;
pub mod hops;
pub mod metrics;
pub mod names;
pub mod operations;
pub mod protection;
pub mod refusals;
pub mod seconds;
pub mod window;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use collector_api::console;
use collector_api::vocabulary as words;

use self::balance::Balance;
use self::breakers::{Book, Breakers};
use self::cell::Red;
use self::counter::Counter;
use self::coverage::Coverage;
use self::directory::{Directory, Instance};
use self::graph::Graph;
use self::hops::{HOP_LIMIT, Hop, Hops};
use self::names::{Bounded, other};
use self::operations::Operations;
use self::protection::Protection;
use self::refusals::Refusals;
use self::seconds::{KEEP_S, Seconds};
use crate::analysis::Replicas;
use crate::events::EventLog;
use crate::model::{Kind, MetricPoint, Span, TraceId, Value};

/// Nanoseconds in a second.
pub const SECOND_NS: u64 = 1_000_000_000;

/// Seconds that windows of operations and edges reach back.
pub const WINDOW_S: u64 = 120;

/// Instances that are told apart.
const INSTANCE_LIMIT: usize = 512;

/// How far in the future a span may end before its clock is taken for broken.
const FUTURE_S: u64 = 5;

/// Everything that is counted.
#[derive(Debug)]
pub struct Rollup {
    since_ns: u64,
    seconds: Seconds,
    directory: Directory,
    instances: Bounded<Instance>,
    operations: Operations,
    graph: Graph,
    hops: Hops,
    balance: Balance,
    breakers: Breakers,
    refusals: Refusals,
    protection: Protection,
    coverage: Coverage,
    lost: HashMap<Arc<str>, (Counter, u64)>,
    misdated: u64,
}

impl Rollup {
    /// Nothing counted; counters of processes that started before `since_ns` are taken as a base.
    pub fn new(since_ns: u64) -> Self {
        Self {
            since_ns,
            seconds: Seconds::new(),
            directory: Directory::default(),
            instances: Bounded::new(INSTANCE_LIMIT),
            operations: Operations::new(),
            graph: Graph::new(),
            hops: Hops::new(HOP_LIMIT),
            balance: Balance::default(),
            breakers: Breakers::default(),
            refusals: Refusals::default(),
            protection: Protection::default(),
            coverage: Coverage::default(),
            lost: HashMap::new(),
            misdated: 0,
        }
    }

    /// Counts a span; returns the call that it completes.
    pub fn observe_span(&mut self, span: &Span, now_ns: u64, events: &mut EventLog, version: u64) -> Option<Hop> {
        self.directory.learn(&span.resource);
        let hop = self.hops.observe(span, now_ns);
        if span.end_ns == 0 {
            return hop;
        }
        let second = self.second_of(span.end_ns, now_ns);
        if span.is_entry() {
            self.count_entry_span(span, second, version);
        }
        self.count_entry(span, second, version);
        self.coverage.observe_span(span, now_ns);
        self.operations.observe(span, second);
        self.graph.observe_database(span, second);
        if let Some(hop) = &hop {
            let hop_second = self.second_of(hop.caller.end_ns, now_ns);
            self.graph.observe_hop(hop, hop_second);
        }
        if !span.events.is_empty() {
            Balance::observe_span(&mut self.seconds, &self.directory, span, second, version);
            self.refusals.observe(span, events, version);
        }
        let mut book = Book { seconds: &mut self.seconds, events, version };
        self.breakers.observe_span(span, second, &mut book);
        hop
    }

    /// Counts a point of a metric.
    pub fn observe_point(&mut self, point: &MetricPoint, now_ns: u64, events: &mut EventLog, version: u64) {
        self.directory.learn(&point.resource);
        if &*point.name == words::TELEMETRY_DROPPED {
            self.count_lost(point);
        }
        self.balance.observe_point(point, self.since_ns);
        self.protection.observe_point(point, self.since_ns);
        if let Some((instance, red)) = self.coverage.observe_point(point, self.since_ns, now_ns) {
            self.count_by_metrics(instance, &red, point.time_ns, now_ns, version);
        }
        let mut book = Book { seconds: &mut self.seconds, events, version };
        self.breakers.observe_point(point, self.since_ns, &mut book);
    }

    /// Tells that a load run is under way at `now_ns`, also while none of its requests is measured: what it does to
    /// prepare is no request of a user.
    pub fn load_is_active(&mut self, now_ns: u64) {
        self.seconds.saw_load(now_ns / SECOND_NS);
    }

    /// Time passes: old seconds are packed, silent breakers end their episodes.
    pub fn tick(&mut self, now_ns: u64, events: &mut EventLog, version: u64) {
        self.seconds.age(now_ns / SECOND_NS);
        self.balance.age(now_ns);
        self.protection.age(now_ns);
        self.coverage.age(now_ns);
        self.refusals.tick(now_ns, events, version);
        let mut book = Book { seconds: &mut self.seconds, events, version };
        self.breakers.tick(now_ns, &mut book);
    }

    /// What a load run said of a second.
    pub fn set_run_cell(&mut self, second: u64, cell: console::RunCell, now_ns: u64, version: u64) {
        let second = self.second_of(second.saturating_mul(SECOND_NS), now_ns);
        self.seconds.cell(second, version).run = Some(cell);
    }

    /// Learns from a supervisor where an instance listens.
    pub fn add_address(&mut self, address: &str, instance: &str) {
        self.directory.add(address, instance);
    }

    /// Which replicas listen at addresses; what is unknown is left out.
    pub fn replicas<'a>(&self, addresses: impl Iterator<Item = &'a str>) -> Replicas {
        addresses.filter_map(|address| self.directory.replica(address)).collect()
    }

    /// Seconds from `from_s` on that changed after a version.
    pub fn seconds_since(&self, version: u64, from_s: u64) -> Vec<console::Second> {
        self.seconds.changed_since(version, from_s)
    }

    /// RED by operation and the service graph of the seconds `(now - window, now]`. An operation refers to its slowest
    /// trace that `is_kept`.
    pub fn services(&self, now_s: u64, window_s: u64, is_kept: impl Fn(TraceId) -> bool) -> console::ServicesReply {
        let from = now_s.saturating_sub(window_s.saturating_sub(1));
        console::ServicesReply {
            operations: self.operations.list(from, now_s, is_kept),
            edges: self.graph.edges(from, now_s),
        }
    }

    /// The slowest trace of each operation in the seconds `(now - window, now]`, each once.
    pub fn cited(&self, now_s: u64, window_s: u64) -> HashSet<TraceId> {
        self.operations.slowest(now_s.saturating_sub(window_s.saturating_sub(1)), now_s)
    }

    /// The balance ledger.
    pub fn balance(&self, now_ns: u64, window_s: u64) -> Vec<console::BalancedService> {
        self.balance.list(&self.seconds, &self.directory, now_ns, window_s)
    }

    /// The breaker ledger.
    pub fn breakers(&self, now_s: u64, window_s: u64) -> Vec<console::Breaker> {
        self.breakers.list(&self.seconds, now_s, window_s)
    }

    /// The ledger of shedders and limits.
    pub fn refusals(&self, now_ns: u64, window_s: u64) -> console::RefusalsReply {
        self.protection.list(now_ns, window_s)
    }

    /// Services whose spans show only a part of their requests.
    pub fn coverage(&self) -> Vec<console::Coverage> {
        self.coverage.list()
    }

    /// Whether every process that holds breakers and is alive has exported its counters since `since_ns`.
    pub fn has_exported_since(&self, since_ns: u64, now_ns: u64) -> bool {
        self.breakers.has_exported_since(since_ns, now_ns)
    }

    /// Rejections since the start by place.
    pub fn rejections_by_place(&self) -> std::collections::BTreeMap<String, u64> {
        self.breakers.rejections_by_place()
    }

    /// Spans that exporters said they lost, by instance.
    pub fn lost_by_exporter(&self) -> HashMap<String, u64> {
        self.lost
            .iter()
            .filter(|(_, (_, lost))| *lost > 0)
            .map(|(instance, (_, lost))| (instance.to_string(), *lost))
            .collect()
    }

    /// Calls whose other side was not awaited because too many already were.
    pub fn hops_dropped(&self) -> u64 {
        self.hops.dropped()
    }

    /// Names that did not fit and are counted as `__other__`, or not at all in a ledger.
    pub fn overflowed_names(&self) -> u64 {
        self.instances.overflowed()
            + self.operations.overflowed()
            + self.graph.overflowed()
            + self.balance.overflowed()
            + self.breakers.overflowed()
            + self.refusals.overflowed()
            + self.protection.overflowed()
            + self.coverage.overflowed()
    }

    /// Seconds that went before their hour because others needed the room.
    pub fn dropped_seconds(&self) -> u64 {
        self.seconds.dropped()
    }

    /// Spans whose end lay more than an hour back or in the future, counted in the second of their arrival.
    pub fn misdated(&self) -> u64 {
        self.misdated
    }

    fn second_of(&mut self, unix_ns: u64, now_ns: u64) -> u64 {
        let (second, now_s) = (unix_ns / SECOND_NS, now_ns / SECOND_NS);
        if second + KEEP_S <= now_s || second > now_s + FUTURE_S {
            self.misdated += 1;
            return now_s;
        }
        second
    }

    fn admitted(&mut self, key: Instance) -> Instance {
        if self.instances.admit(&key) { key } else { Instance { service: other(), instance: other() } }
    }

    fn count_by_metrics(&mut self, key: Instance, red: &Red, at_ns: u64, now_ns: u64, version: u64) {
        let key = self.admitted(key);
        let second = self.second_of(at_ns, now_ns);
        self.seconds.cell(second, version).by_metrics.entry(key).or_default().add(red);
    }

    fn count_entry_span(&mut self, span: &Span, second: u64, version: u64) {
        let resource = &span.resource;
        let key = self.admitted(Instance { service: resource.service.clone(), instance: resource.instance.clone() });
        let red = self.seconds.cell(second, version).services.entry(key).or_default();
        red.requests += 1;
        red.errors += u64::from(span.is_error());
        red.latency.record_ns(span.duration_ns());
    }

    /// A request as its caller saw it: the load tool's span from the intended start, else a root that is no database call.
    fn count_entry(&mut self, span: &Span, second: u64, version: u64) {
        if span.parent_id.is_some() {
            return;
        }
        if hops::run_of(span).is_some() {
            self.seconds.saw_load(second);
            let outcome = span.get(words::RUN_OUTCOME).and_then(Value::as_text);
            let is_ok = outcome.map_or(!span.is_error(), |outcome| outcome == "ok");
            self.seconds.cell(second, version).load.record(intended_latency_ns(span), is_ok);
        } else if !(span.kind == Kind::Client && span.get("db.system.name").is_some()) {
            self.seconds.cell(second, version).roots.record(span.duration_ns(), !span.is_error());
        }
    }

    fn count_lost(&mut self, point: &MetricPoint) {
        let Some(value) = point.number() else { return };
        let instance = &point.resource.instance;
        if self.lost.len() >= INSTANCE_LIMIT && !self.lost.contains_key(instance) {
            return;
        }
        let (counter, lost) = self.lost.entry(instance.clone()).or_default();
        *lost += counter.advance(value, point.start_ns, self.since_ns);
    }
}

/// From the intended start of a load tool's request to its end; from its real start where none is said.
pub fn intended_latency_ns(span: &Span) -> u64 {
    let intended = span.get(words::RUN_INTENDED_UNIX_NS).and_then(Value::as_int).and_then(|at| u64::try_from(at).ok());
    span.end_ns.saturating_sub(intended.map_or(span.start_ns, |at| at.min(span.start_ns)))
}
