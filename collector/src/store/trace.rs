//! One kept trace.

use std::collections::HashSet;
use std::sync::Arc;

use super::summary::Summary;
use super::traces::Spans;
use crate::model::{Kind, Span, SpanId};

/// Estimated bytes of a trace beside its spans: table entry, summary, queue entries.
const TRACE_BYTES: usize = 640;

/// Estimated bytes of a span's place in the trace: its pointers and its entry in the set of ids.
const PLACE_BYTES: usize = 32;

/// Up to this many spans a scan finds a duplicate faster than a set.
const SCANNED: usize = 48;

/// How long a trace is worth keeping when others must go; the greater, the longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// Nothing special.
    Plain,
    /// It pays, a VIP asked, or a span asked for it.
    Wanted,
    /// Slow for what it does, or slow at all.
    Slow,
    /// Holds events of a breaker, a fault, a shedder or a limiter.
    Marked,
    /// Holds a failed span.
    Failed,
}

impl Worth {
    /// All, in ascending order.
    pub const ALL: [Self; 5] = [Self::Plain, Self::Wanted, Self::Slow, Self::Marked, Self::Failed];
}

/// Where a trace is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Spans are still coming.
    Open,
    /// No span came for a while; in the queue of its worth under this stamp.
    Quiet { stamp: u64, worth: Worth },
}

/// A trace and what the shard needs to judge it.
#[derive(Debug)]
pub(super) struct Kept {
    pub summary: Summary,
    pub spans: Spans,
    pub state: State,
    /// When the last span came.
    pub last_ns: u64,
    /// Whether it was quiet before.
    pub was_quiet: bool,
    pub pinned: bool,
    /// Figures refer to it.
    pub cited: bool,
    /// Whether retention has decided that it stays.
    pub decided: bool,
    /// Estimated, overhead included.
    pub bytes: usize,
    ids: HashSet<SpanId>,
    services: Vec<Arc<str>>,
}

impl Kept {
    pub fn begin(span: &Span, now_ns: u64) -> Self {
        Self {
            summary: Summary::begin(span),
            spans: Spans::default(),
            state: State::Open,
            last_ns: now_ns,
            was_quiet: false,
            pinned: false,
            cited: false,
            decided: false,
            bytes: TRACE_BYTES,
            ids: HashSet::new(),
            services: Vec::with_capacity(1),
        }
    }

    pub fn has(&self, id: SpanId) -> bool {
        if self.ids.is_empty() { self.spans.iter().any(|span| span.span_id == id) } else { self.ids.contains(&id) }
    }

    /// What a span will add to `bytes`.
    pub fn cost(span: &Span) -> usize {
        span.weight_bytes() + PLACE_BYTES
    }

    /// Takes in a span that it does not have.
    pub fn add(&mut self, span: Arc<Span>, now_ns: u64) {
        let is_new_service = !self.services.contains(&span.resource.service);
        if is_new_service {
            self.services.push(Arc::clone(&span.resource.service));
        }
        self.summary.add(&span, is_new_service);
        self.bytes += Self::cost(&span);
        self.last_ns = self.last_ns.max(now_ns);
        if !self.ids.is_empty() {
            self.ids.insert(span.span_id);
        } else if self.spans.len() == SCANNED {
            self.ids = self.spans.iter().map(|kept| kept.span_id).chain([span.span_id]).collect();
        }
        Arc::make_mut(&mut self.spans).push(span);
    }

    /// Settles what only a quiet trace knows.
    pub fn settle(&mut self, slow: bool) {
        let ids: HashSet<SpanId> = self.spans.iter().map(|span| span.span_id).collect();
        let has_orphans = self.spans.iter().any(|span| span.parent_id.is_some_and(|parent| !ids.contains(&parent)));
        self.summary.has_orphans = has_orphans;
        self.summary.slow = slow;
        self.summary.complete = self.summary.has_root && !has_orphans && self.summary.dropped_spans == 0;
        self.was_quiet = true;
    }

    /// Whether something of it is still to come: a parent, a root, or the other side of its only call.
    pub fn misses_something(&self) -> bool {
        let lone_call = || self.spans.len() == 1 && self.spans.iter().all(|span| span.kind == Kind::Client);
        !self.summary.has_root || self.summary.has_orphans || (lone_call() && !self.is_query())
    }

    /// Whether it is a database call that nobody asked for, such as a poll: it has no other side, and its length is no
    /// one's wait.
    pub fn is_query(&self) -> bool {
        let is_query = |span: &Span| span.kind == Kind::Client && span.get("db.system.name").is_some();
        self.spans.len() == 1 && self.spans.iter().all(|span| is_query(span))
    }

    pub fn worth(&self) -> Worth {
        if self.summary.errors > 0 {
            Worth::Failed
        } else if !self.summary.marks.is_empty() {
            Worth::Marked
        } else if self.summary.slow {
            Worth::Slow
        } else if !self.summary.priority.is_empty() {
            Worth::Wanted
        } else {
            Worth::Plain
        }
    }
}
