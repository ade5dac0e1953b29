//! The store of traces: shards behind locks.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use collector_api::console;

use super::retention::{Keep, Reason};
use super::shard::Shard;
use super::slow::SlowRoots;
use super::summary::{Summary, TraceView};
use crate::model::{Span, TraceId};

/// Shards by trace id: enough that receiving and reading rarely meet.
const SHARDS: usize = 8;

/// Spans of a trace in the order of arrival; a snapshot that later spans do not change.
pub type Spans = Arc<Vec<Arc<Span>>>;

/// Bounds of a [`TraceStore`].
#[derive(Debug, Clone, Copy)]
pub struct TraceLimits {
    /// Estimated bytes of all that is kept.
    pub bytes: usize,
    /// Spans of one trace. A trace is also held to half a shard's bytes, a sixteenth of `bytes`.
    pub spans_per_trace: usize,
    /// A trace with a root is quiet after this long without a span, nanoseconds.
    pub quiet_ns: u64,
    /// A trace without a root is quiet after this long without a span, nanoseconds.
    pub rootless_quiet_ns: u64,
    /// Evicted traces that are remembered, so that late spans do not begin them anew.
    pub remembered: usize,
    /// Newest plain traces of each root service that go last, per shard.
    pub recent_per_service: usize,
    /// Traces that may be pinned at a time.
    pub pins: usize,
    /// Share of the traces that stays without a better reason.
    pub keep: Keep,
}

impl Default for TraceLimits {
    fn default() -> Self {
        Self {
            bytes: 192 << 20,
            spans_per_trace: 10_000,
            quiet_ns: 1_000_000_000,
            rootless_quiet_ns: 5_000_000_000,
            remembered: 65_536,
            recent_per_service: 4,
            pins: 64,
            keep: Keep::ALL,
        }
    }
}

/// What became of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// Kept.
    New,
    /// Kept, in a trace that had fallen quiet and is open again.
    Late,
    /// A span with this id is in the trace already; the first one stays.
    Duplicate,
    /// Lost: the trace was evicted.
    Evicted,
    /// Not kept: the ratio had dropped the trace.
    SampledOut,
    /// Lost: the trace is as large as a trace may be.
    TraceFull,
}

/// Why a trace that was seen is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// It had to make room.
    Evicted,
    /// The ratio did not take it.
    SampledOut,
}

/// A trace that no span came to for a while. Each burst of spans makes it quiet once.
#[derive(Debug, Clone)]
pub struct QuietTrace {
    /// The trace in one line.
    pub summary: Summary,
    /// Its spans.
    pub spans: Spans,
    /// False when it was quiet before and late spans opened it again.
    pub is_first: bool,
}

/// Order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Latest start first.
    #[default]
    Newest,
    /// Longest first.
    Slowest,
}

/// What to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Listing {
    /// Traces to return.
    pub limit: usize,
    /// Which ones first.
    pub order: Order,
    /// Only traces that began at this time or later, nanoseconds since the epoch.
    pub from_ns: u64,
    /// Only traces that began before this time; 0 is open.
    pub to_ns: u64,
}

/// Traces that were asked for.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// In the order that was asked for, at most as many as were asked for.
    pub traces: Vec<Summary>,
    /// How many kept traces match.
    pub matched: u64,
}

/// Keeps spans by trace within a byte budget. Shared by reference; every call locks one shard at a time, briefly.
#[derive(Debug)]
pub struct TraceStore {
    limits: TraceLimits,
    shards: [Mutex<Shard>; SHARDS],
    slow: Mutex<SlowRoots>,
    pinned: Mutex<Vec<TraceId>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TraceStore {
    /// An empty store.
    pub fn new(limits: TraceLimits) -> Self {
        let shard = || Mutex::new(Shard::new(limits, limits.bytes / SHARDS, limits.remembered / SHARDS));
        Self {
            limits,
            shards: std::array::from_fn(|_| shard()),
            slow: Mutex::new(SlowRoots::default()),
            pinned: Mutex::new(Vec::new()),
        }
    }

    fn shard(&self, id: TraceId) -> MutexGuard<'_, Shard> {
        let [first, ..] = &self.shards;
        let number = id.as_u128();
        let folded = (number as u64 ^ (number >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        locked(self.shards.get((folded >> 61) as usize).unwrap_or(first))
    }

    /// Keeps a span that came at `now_ns`. Evicts what must go for it.
    pub fn insert(&self, span: Arc<Span>, now_ns: u64) -> Inserted {
        self.shard(span.trace_id).insert(span, now_ns)
    }

    /// The spans of a trace; `None` when it is not kept.
    pub fn get(&self, id: TraceId) -> Option<Spans> {
        self.shard(id).get(id).map(|kept| Arc::clone(&kept.spans))
    }

    /// A trace in one line; `None` when it is not kept.
    pub fn summary(&self, id: TraceId) -> Option<Summary> {
        self.shard(id).get(id).map(|kept| kept.summary.clone())
    }

    /// Whether a trace is kept.
    pub fn holds(&self, id: TraceId) -> bool {
        self.shard(id).get(id).is_some()
    }

    /// Why a trace that was seen is not kept, as far as is remembered.
    pub fn absence(&self, id: TraceId) -> Option<Absence> {
        self.shard(id).absence(id)
    }

    /// Figures refer to a trace: it stays when it is decided on. Does nothing once it is, or when it is not there.
    pub fn cite(&self, id: TraceId) {
        self.shard(id).cite(id);
    }

    /// Share of the traces that stays without a better reason.
    pub fn keep(&self) -> Keep {
        self.limits.keep
    }

    /// Traces that became quiet by `now_ns`, each once per burst of spans. Those that shall not stay are gone from the
    /// store when this returns them.
    pub fn take_quiet(&self, now_ns: u64) -> Vec<QuietTrace> {
        let mut quiet = Vec::new();
        let mut slow = locked(&self.slow);
        for shard in &self.shards {
            locked(shard).take_quiet(now_ns, &mut slow, &mut quiet);
        }
        quiet
    }

    /// Keeps a trace whatever must go. False when it is not kept any more or too many are pinned.
    pub fn pin(&self, id: TraceId) -> bool {
        let mut pinned = locked(&self.pinned);
        if pinned.contains(&id) {
            return true;
        }
        if pinned.len() >= self.limits.pins || !self.shard(id).set_pinned(id, true) {
            return false;
        }
        pinned.push(id);
        true
    }

    /// Gives a pinned trace up to eviction again.
    pub fn unpin(&self, id: TraceId) {
        locked(&self.pinned).retain(|kept| *kept != id);
        self.shard(id).set_pinned(id, false);
    }

    /// Kept traces in one line each. The filter runs without a lock on a snapshot.
    ///
    /// Cost: one pass over the summaries of all kept traces, and the filter for each that began in time.
    pub fn list(&self, listing: &Listing, mut filter: impl FnMut(&TraceView<'_>) -> bool) -> Found {
        let to_ns = if listing.to_ns == 0 { u64::MAX } else { listing.to_ns };
        let began_in_time = |summary: &Summary| (listing.from_ns..to_ns).contains(&summary.start_ns);
        let mut traces = Vec::new();
        for shard in &self.shards {
            let snapshot: Vec<(Summary, Spans)> = locked(shard)
                .iter()
                .filter(|kept| began_in_time(&kept.summary))
                .map(|kept| (kept.summary.clone(), Arc::clone(&kept.spans)))
                .collect();
            let matches = |(summary, spans): &(Summary, Spans)| filter(&TraceView { summary, spans });
            traces.extend(snapshot.into_iter().filter(matches).map(|(summary, _)| summary));
        }
        let matched = traces.len() as u64;
        traces.sort_unstable_by_key(|summary| {
            let rank = match listing.order {
                Order::Newest => summary.start_ns,
                Order::Slowest => summary.duration_ns(),
            };
            (Reverse(rank), summary.trace_id)
        });
        traces.truncate(listing.limit);
        Found { traces, matched }
    }

    /// Counters of the store, for the console. `overflowed_names` is the receiver's to fill in.
    pub fn stats(&self) -> console::StoreStats {
        let mut stats = console::StoreStats {
            byte_limit: self.limits.bytes as u64,
            keep_ratio: self.limits.keep.ratio(),
            ..Default::default()
        };
        for shard in &self.shards {
            let shard = locked(shard);
            let counts = shard.counts;
            stats.traces_kept += shard.len() as u64;
            stats.bytes += shard.bytes() as u64;
            stats.traces_seen += counts.traces_seen;
            stats.spans_kept += counts.spans_kept;
            stats.evicted_traces += counts.evicted_traces;
            stats.evicted_spans += counts.evicted_spans;
            stats.duplicate_spans += counts.duplicate_spans;
            stats.dropped_spans += counts.dropped_spans;
            stats.late_spans += counts.late_spans;
            stats.orphan_traces += counts.orphan_traces;
            stats.sampled_out_traces += counts.sampled_out_traces;
            stats.sampled_out_spans += counts.sampled_out_spans;
            for (reason, count) in Reason::ALL.into_iter().zip(counts.kept_by_reason).filter(|(_, count)| *count > 0) {
                *stats.kept_by_reason.entry(reason.as_str().to_owned()).or_default() += count;
            }
        }
        stats
    }
}
