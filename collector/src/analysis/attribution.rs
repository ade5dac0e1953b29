//! Where the time of one request went, each nanosecond in exactly one place.
//!
//! The latency of a request of the load tool runs from the intended start to the end of the tool's CLIENT span. Before
//! the CLIENT span it is `queue`; inside, the critical path says which span had the time, and the span's role says what
//! kind of time it was. Everything beneath the CLIENT span is clamped to it, so the segments sum to the latency exactly.

use std::collections::HashMap;
use std::sync::Arc;

use collector_api::vocabulary;

use super::{Forest, Row, critical_path};
use crate::model::{Kind, Value};

/// What a stretch of time was spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SegmentKind {
    /// Work of the span itself. The sleep of an injected latency fault is the replica's own time, too.
    SelfTime,
    /// Waiting for something that sent no span, such as a database.
    Wait,
    /// Between the intended start of a request and its sending.
    Queue,
    /// A caller's time that the span it called does not cover.
    Network,
    /// A call repeated after a failure.
    Retry,
    /// A breaker refused.
    Breaker,
    /// A limit or the shedder refused.
    Limiter,
    /// Seen by the load tool only: no span of the system was found beneath its own.
    Client,
}

impl SegmentKind {
    /// The word in reports and on the console protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SelfTime => "self",
            Self::Wait => "wait",
            Self::Queue => "queue",
            Self::Network => "network",
            Self::Retry => "retry",
            Self::Breaker => "breaker",
            Self::Limiter => "limiter",
            Self::Client => "client",
        }
    }
}

/// Whose time a segment is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentKey {
    /// Service of the span.
    pub service: Arc<str>,
    /// Name of the span.
    pub operation: Arc<str>,
    /// Instance of the service.
    pub instance: Arc<str>,
    /// What the time was spent on.
    pub kind: SegmentKind,
}

/// The latency of one trace, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution {
    /// Load run that sent the request; `None` for a trace that the load tool did not begin.
    pub run_id: Option<Arc<str>>,
    /// Intended start, nanoseconds since the epoch; the root's start where none was said.
    pub intended_ns: u64,
    /// End of the root, nanoseconds since the epoch.
    pub end_ns: u64,
    /// From intended start to end, nanoseconds.
    pub latency_ns: u64,
    /// Row of the root.
    pub root_row: usize,
    /// Whether the true root never arrived, so that this is the longest part of the trace.
    pub partial: bool,
    /// Nanoseconds per place, largest first; they sum to `latency_ns` exactly.
    pub segments: Vec<(SegmentKey, u64)>,
}

/// Takes the latency of a trace apart; `None` without spans.
///
/// The root is the load tool's CLIENT span (attribute `mall.run.id`) if there is one, else the forest's main root.
pub fn segments(forest: &Forest) -> Option<Attribution> {
    let root_row = request_root(forest).or_else(|| forest.main_root())?;
    let root = forest.rows.get(root_row)?;
    let run_id = run_of(root);
    let intended_ns = run_id.as_ref().and_then(|_| intended(root)).unwrap_or(root.start_ns());
    let mut sums: HashMap<SegmentKey, u64> = HashMap::new();
    let queued_ns = root.start_ns() - intended_ns;
    if queued_ns > 0 {
        sums.insert(key(root, SegmentKind::Queue), queued_ns);
    }
    for section in critical_path(forest, root_row, 0) {
        let Some(row) = forest.rows.get(section.row) else { continue };
        *sums.entry(key(row, kind_of(forest, section.row, row))).or_default() += section.duration_ns();
    }
    let mut segments: Vec<(SegmentKey, u64)> = sums.into_iter().collect();
    segments.sort_unstable_by(|(key, ns), (other_key, other_ns)| other_ns.cmp(ns).then_with(|| key.cmp(other_key)));
    let latency_ns = root.end_ns() - intended_ns;
    debug_assert_eq!(segments.iter().map(|(_, ns)| ns).sum::<u64>(), latency_ns, "segments tile the latency");
    Some(Attribution {
        run_id,
        intended_ns,
        end_ns: root.end_ns(),
        latency_ns,
        root_row,
        partial: root.orphan,
        segments,
    })
}

fn request_root(forest: &Forest) -> Option<usize> {
    forest
        .roots()
        .find(|&root| forest.rows.get(root).is_some_and(|row| row.span.kind == Kind::Client && run_of(row).is_some()))
}

fn run_of(row: &Row) -> Option<Arc<str>> {
    match row.span.get(vocabulary::RUN_ID)? {
        Value::Text(run_id) => Some(Arc::clone(run_id)),
        _ => None,
    }
}

/// The intended start, never after the actual one.
fn intended(root: &Row) -> Option<u64> {
    let said = root.span.get(vocabulary::RUN_INTENDED_UNIX_NS)?.as_int()?;
    let said = u64::try_from(said).ok().filter(|&ns| ns > 0)?;
    Some(said.min(root.start_ns()))
}

fn key(row: &Row, kind: SegmentKind) -> SegmentKey {
    let resource = &row.span.resource;
    SegmentKey {
        service: Arc::clone(&resource.service),
        operation: Arc::clone(&row.span.name),
        instance: Arc::clone(&resource.instance),
        kind,
    }
}

/// What a row's own time on the path was spent on.
fn kind_of(forest: &Forest, number: usize, row: &Row) -> SegmentKind {
    let span = &row.span;
    if span.event(vocabulary::BREAKER_REJECTED).is_some() {
        return SegmentKind::Breaker;
    }
    if span.event(vocabulary::LIMITER_REJECT).is_some() || span.event(vocabulary::SHED_DROP).is_some() {
        return SegmentKind::Limiter;
    }
    if !matches!(span.kind, Kind::Client | Kind::Producer) {
        return SegmentKind::SelfTime;
    }
    if span.get("http.request.resend_count").and_then(Value::as_int).is_some_and(|count| count > 0) {
        return SegmentKind::Retry;
    }
    let is_answered =
        forest.children(number).filter_map(|child| forest.rows.get(child)).any(|child| child.span.is_entry());
    match (is_answered, run_of(row)) {
        (true, _) => SegmentKind::Network,
        (false, Some(_)) => SegmentKind::Client,
        (false, None) => SegmentKind::Wait,
    }
}
