//! What a list shows of a trace, kept up to date span by span.

use std::sync::Arc;

use collector_api::{console, vocabulary};

use super::retention::{Evidence, Priority, Reason};
use crate::model::{Span, SpanId, TraceId};

/// Kinds of vocabulary events that a trace holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks(u8);

/// Names of the marks, by bit, and the events that set them.
const MARKS: [(&str, &[&str]); 4] = [
    ("breaker", &[vocabulary::BREAKER_TRIPPED, vocabulary::BREAKER_REJECTED]),
    ("fault", &[vocabulary::FAULT_INJECTED]),
    ("shed", &[vocabulary::SHED_DROP]),
    ("limiter", &[vocabulary::LIMITER_REJECT]),
];

impl Marks {
    /// The marks of one span.
    pub fn of(span: &Span) -> Self {
        let mut marks = 0;
        for event in &span.events {
            for (bit, (_, events)) in MARKS.iter().enumerate() {
                if events.contains(&&*event.name) {
                    marks |= 1 << bit;
                }
            }
        }
        Self(marks)
    }

    /// Marks of both.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names: `breaker`, `fault`, `shed`, `limiter`.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        MARKS.iter().enumerate().filter(move |(bit, _)| self.0 & (1 << bit) != 0).map(|(_, (name, _))| *name)
    }
}

/// A trace in one line.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Its identity.
    pub trace_id: TraceId,
    /// The earliest span without a parent; while there is none, the earliest span at all.
    pub root: SpanId,
    /// Whether `root` has no parent.
    pub has_root: bool,
    /// Service of the root.
    pub root_service: Arc<str>,
    /// Operation of the root.
    pub root_operation: Arc<str>,
    /// Earliest start, nanoseconds since the epoch; spans that say 0 are not asked.
    pub start_ns: u64,
    /// Latest end, nanoseconds since the epoch.
    pub end_ns: u64,
    /// Spans kept.
    pub spans: u32,
    /// Spans that failed.
    pub errors: u32,
    /// Services that took part.
    pub services: u32,
    /// The trace is quiet, has a root, misses no parent and lost no span.
    pub complete: bool,
    /// A span names a parent that did not come; known once the trace is quiet.
    pub has_orphans: bool,
    /// Spans that did not fit into the trace's own limit.
    pub dropped_spans: u32,
    /// Slower than 99 of 100 traces with the same root, or than a second; known once the trace is quiet.
    pub slow: bool,
    /// Vocabulary events inside.
    pub marks: Marks,
    /// Who wants it to be kept.
    pub priority: Priority,
    /// Why it is kept, once that is decided.
    pub reason: Option<Reason>,
    root_start_ns: u64,
}

impl Summary {
    /// Of a trace that consists of one span. Counts nothing yet: [`Summary::add`] does, also for this span.
    pub(super) fn begin(span: &Span) -> Self {
        Self {
            trace_id: span.trace_id,
            root: span.span_id,
            has_root: span.parent_id.is_none(),
            root_service: Arc::clone(&span.resource.service),
            root_operation: Arc::clone(&span.name),
            start_ns: span.start_ns,
            end_ns: 0,
            spans: 0,
            errors: 0,
            services: 0,
            complete: false,
            has_orphans: false,
            dropped_spans: 0,
            slow: false,
            marks: Marks::default(),
            priority: Priority::default(),
            reason: None,
            root_start_ns: span.start_ns,
        }
    }

    /// Takes a span in. The result does not depend on the order of spans.
    pub(super) fn add(&mut self, span: &Span, is_new_service: bool) {
        let is_root = span.parent_id.is_none();
        let rank = |is_root: bool, start_ns: u64, id: SpanId| (!is_root, start_ns, id);
        if rank(is_root, span.start_ns, span.span_id) < rank(self.has_root, self.root_start_ns, self.root) {
            self.has_root = is_root;
            self.root = span.span_id;
            self.root_start_ns = span.start_ns;
            self.root_service = Arc::clone(&span.resource.service);
            self.root_operation = Arc::clone(&span.name);
        }
        if self.start_ns == 0 || (span.start_ns != 0 && span.start_ns < self.start_ns) {
            self.start_ns = span.start_ns;
        }
        self.end_ns = self.end_ns.max(span.end_ns).max(span.start_ns);
        self.spans += 1;
        self.errors += u32::from(span.is_error());
        self.services += u32::from(is_new_service);
        self.marks = self.marks.union(Marks::of(span));
        self.priority = self.priority.union(Priority::of(span));
    }

    /// What speaks for keeping the trace.
    pub(super) fn evidence(&self, cited: bool) -> Evidence {
        Evidence {
            errors: self.errors,
            has_events: !self.marks.is_empty(),
            priority: self.priority,
            slow: self.slow,
            cited,
        }
    }

    /// From the earliest start to the latest end; 0 while no span says when it started.
    pub fn duration_ns(&self) -> u64 {
        if self.start_ns == 0 { 0 } else { self.end_ns.saturating_sub(self.start_ns) }
    }
}

impl From<&Summary> for console::TraceSummary {
    fn from(summary: &Summary) -> Self {
        Self {
            trace_id: summary.trace_id.to_bytes().to_vec(),
            root_service: summary.root_service.to_string(),
            root_operation: summary.root_operation.to_string(),
            start_unix_ns: summary.start_ns,
            duration_ns: summary.duration_ns(),
            spans: summary.spans,
            errors: summary.errors,
            services: summary.services,
            complete: summary.complete,
            has_orphans: summary.has_orphans,
            marks: summary.marks.names().map(String::from).collect(),
            kept_because: summary.reason.map(|reason| reason.to_string()).unwrap_or_default(),
        }
    }
}

/// What a filter of traces looks at.
#[derive(Debug, Clone, Copy)]
pub struct TraceView<'a> {
    /// The trace in one line.
    pub summary: &'a Summary,
    /// Its spans, in the order of arrival.
    pub spans: &'a [Arc<Span>],
}
