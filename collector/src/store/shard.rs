//! One shard of the trace store: its traces, which of them stay, and who goes first when space is needed.
//!
//! Victims, in this order: plain quiet traces, oldest first, except the newest few of each root service; the queue that
//! holds the most bytes, once traces of greater worth fill more than three quarters of the budget; shielded plain traces;
//! open traces, the one that is due soonest; pinned ones last of all.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use super::retention::{PATIENCE_NS, Reason, SLOW_NS};
use super::slow::SlowRoots;
use super::trace::{Kept, State, Worth};
use super::traces::{Absence, Inserted, QuietTrace, TraceLimits};
use crate::model::{Span, TraceId};

/// Entries that the queue of due times may hold before it is cleared of those of traces that are gone; later, twice
/// what was left by the last clearing.
const STALE_DUE: usize = 4_096;

/// Counters of one shard.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub traces_seen: u64,
    pub spans_kept: u64,
    pub evicted_traces: u64,
    pub evicted_spans: u64,
    pub duplicate_spans: u64,
    pub dropped_spans: u64,
    pub late_spans: u64,
    pub orphan_traces: u64,
    pub sampled_out_traces: u64,
    pub sampled_out_spans: u64,
    pub kept_by_reason: [u64; Reason::ALL.len()],
}

/// Quiet traces of one worth, oldest first.
#[derive(Debug, Default)]
struct Queue {
    entries: BTreeSet<(u64, TraceId)>,
    bytes: usize,
}

#[derive(Debug)]
pub(super) struct Shard {
    limits: TraceLimits,
    budget: usize,
    traces: HashMap<TraceId, Kept>,
    bytes: usize,
    /// When to look at a trace again that is open or not decided on.
    due: BinaryHeap<Reverse<(u64, TraceId)>>,
    due_limit: usize,
    queues: [Queue; Worth::ALL.len()],
    /// Plain quiet traces per root service.
    plain_of_service: HashMap<Arc<str>, usize>,
    gone: Remembered,
    pub counts: Counts,
}

impl Shard {
    pub fn new(limits: TraceLimits, budget: usize, remembered: usize) -> Self {
        Self {
            limits,
            budget,
            traces: HashMap::new(),
            bytes: 0,
            due: BinaryHeap::new(),
            due_limit: STALE_DUE,
            queues: Default::default(),
            plain_of_service: HashMap::new(),
            gone: Remembered::new(remembered),
            counts: Counts::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.traces.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn get(&self, id: TraceId) -> Option<&Kept> {
        self.traces.get(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Kept> {
        self.traces.values()
    }

    pub fn absence(&self, id: TraceId) -> Option<Absence> {
        self.gone.get(id)
    }

    pub fn cite(&mut self, id: TraceId) {
        if let Some(kept) = self.traces.get_mut(&id) {
            kept.cited = true;
        }
    }

    pub fn insert(&mut self, span: Arc<Span>, now_ns: u64) -> Inserted {
        let id = span.trace_id;
        if !self.traces.contains_key(&id) {
            if let Some(absence) = self.gone.get(id) {
                return self.refuse_late(absence);
            }
            self.begin(&span, now_ns);
        }
        let inserted = self.add(span, now_ns);
        self.make_room();
        inserted
    }

    fn refuse_late(&mut self, absence: Absence) -> Inserted {
        self.counts.late_spans += 1;
        match absence {
            Absence::Evicted => {
                self.counts.dropped_spans += 1;
                Inserted::Evicted
            }
            Absence::SampledOut => {
                self.counts.sampled_out_spans += 1;
                Inserted::SampledOut
            }
        }
    }

    fn begin(&mut self, span: &Span, now_ns: u64) {
        let kept = Kept::begin(span, now_ns);
        self.bytes += kept.bytes;
        self.traces.insert(span.trace_id, kept);
        self.due.push(Reverse((now_ns.saturating_add(self.limits.quiet_ns), span.trace_id)));
        self.counts.traces_seen += 1;
        if self.due.len() > self.due_limit {
            let traces = &self.traces;
            self.due.retain(|Reverse((_, id))| traces.contains_key(id));
            self.due_limit = self.due.len() * 2 + STALE_DUE;
        }
    }

    fn add(&mut self, span: Arc<Span>, now_ns: u64) -> Inserted {
        let id = span.trace_id;
        let largest_trace = self.budget / 2;
        let Some(kept) = self.traces.get_mut(&id) else { return Inserted::Evicted };
        if kept.has(span.span_id) {
            self.counts.duplicate_spans += 1;
            return Inserted::Duplicate;
        }
        let cost = Kept::cost(&span);
        if kept.spans.len() >= self.limits.spans_per_trace || kept.bytes + cost > largest_trace {
            kept.summary.dropped_spans += 1;
            kept.summary.complete = false;
            self.counts.dropped_spans += 1;
            return Inserted::TraceFull;
        }
        let state = kept.state;
        if let State::Quiet { stamp, worth } = state {
            self.unqueue(id, stamp, worth);
        }
        let Some(kept) = self.traces.get_mut(&id) else { return Inserted::Evicted };
        kept.add(span, now_ns);
        self.bytes += cost;
        self.counts.spans_kept += 1;
        if state == State::Open {
            return Inserted::New;
        }
        kept.state = State::Open;
        kept.summary.complete = false;
        self.due.push(Reverse((now_ns.saturating_add(self.limits.quiet_ns), id)));
        self.counts.late_spans += 1;
        Inserted::Late
    }

    /// Moves every open trace that has been quiet long enough into a queue, and lets those go that shall not stay.
    pub fn take_quiet(&mut self, now_ns: u64, slow: &mut SlowRoots, out: &mut Vec<QuietTrace>) {
        while let Some(Reverse((due_ns, id))) = self.due.peek().copied() {
            if due_ns > now_ns {
                break;
            }
            self.due.pop();
            let Some(kept) = self.traces.get_mut(&id) else { continue };
            if kept.state != State::Open {
                if !kept.decided && kept.last_ns.saturating_add(PATIENCE_NS) <= now_ns {
                    self.decide(id);
                }
                continue;
            }
            let wait_ns = if kept.summary.has_root { self.limits.quiet_ns } else { self.limits.rootless_quiet_ns };
            let truly_due_ns = kept.last_ns.saturating_add(wait_ns);
            if truly_due_ns > now_ns {
                self.due.push(Reverse((truly_due_ns, id)));
                continue;
            }
            out.extend(self.settle(id, slow));
        }
    }

    fn settle(&mut self, id: TraceId, slow: &mut SlowRoots) -> Option<QuietTrace> {
        let kept = self.traces.get_mut(&id)?;
        let is_first = !kept.was_quiet;
        let had_orphans = kept.summary.has_orphans;
        let summary = &kept.summary;
        let is_slow_for_root = is_first
            && summary.has_root
            && slow.observe(&summary.root_service, &summary.root_operation, summary.duration_ns());
        let is_slow = summary.slow || is_slow_for_root || (summary.duration_ns() >= SLOW_NS && !kept.is_query());
        kept.settle(is_slow);
        match (had_orphans, kept.summary.has_orphans) {
            (false, true) => self.counts.orphan_traces += 1,
            (true, false) => self.counts.orphan_traces -= 1,
            _ => {}
        }
        let quiet = QuietTrace { summary: kept.summary.clone(), spans: Arc::clone(&kept.spans), is_first };
        let (stamp, worth) = (kept.last_ns, kept.worth());
        kept.state = State::Quiet { stamp, worth };
        let (decided, misses_something) = (kept.decided, kept.misses_something());
        self.enqueue(id, stamp, worth);
        if !decided && misses_something {
            self.due.push(Reverse((stamp.saturating_add(PATIENCE_NS), id)));
        } else if !decided {
            self.decide(id);
        }
        Some(quiet)
    }

    /// Decides whether a quiet trace stays.
    fn decide(&mut self, id: TraceId) {
        let Some(kept) = self.traces.get_mut(&id) else { return };
        kept.decided = true;
        kept.summary.reason = kept.summary.evidence(kept.cited || kept.pinned).decide(id, self.limits.keep);
        let Some(reason) = kept.summary.reason else {
            let spans = self.remove(id, Absence::SampledOut);
            self.counts.sampled_out_traces += 1;
            self.counts.sampled_out_spans += spans;
            return;
        };
        if let Some(count) = self.counts.kept_by_reason.get_mut(reason as usize) {
            *count += 1;
        }
    }

    fn enqueue(&mut self, id: TraceId, stamp: u64, worth: Worth) {
        let Some(kept) = self.traces.get(&id) else { return };
        let Some(queue) = self.queues.get_mut(worth as usize) else { return };
        queue.entries.insert((stamp, id));
        queue.bytes += kept.bytes;
        if worth == Worth::Plain {
            *self.plain_of_service.entry(Arc::clone(&kept.summary.root_service)).or_default() += 1;
        }
    }

    fn unqueue(&mut self, id: TraceId, stamp: u64, worth: Worth) {
        let Some(kept) = self.traces.get(&id) else { return };
        let Some(queue) = self.queues.get_mut(worth as usize) else { return };
        queue.entries.remove(&(stamp, id));
        queue.bytes = queue.bytes.saturating_sub(kept.bytes);
        if worth == Worth::Plain
            && let Some(count) = self.plain_of_service.get_mut(&kept.summary.root_service)
        {
            *count -= 1;
            if *count == 0 {
                self.plain_of_service.remove(&kept.summary.root_service);
            }
        }
    }

    /// Protects a trace, or gives it up to eviction again. False when it is not kept.
    pub fn set_pinned(&mut self, id: TraceId, pinned: bool) -> bool {
        let Some(kept) = self.traces.get_mut(&id) else { return false };
        kept.pinned = pinned;
        true
    }

    fn make_room(&mut self) {
        while self.bytes > self.budget {
            let Some(victim) = self.victim() else { break };
            self.evict(victim);
        }
    }

    fn victim(&mut self) -> Option<TraceId> {
        self.quiet_victim().or_else(|| self.due_soonest()).or_else(|| self.traces.keys().next().copied())
    }

    fn quiet_victim(&self) -> Option<TraceId> {
        let [plain, worthier @ ..] = &self.queues;
        let worthier_bytes: usize = worthier.iter().map(|queue| queue.bytes).sum();
        let is_pinned = |id: &TraceId| self.traces.get(id).is_some_and(|kept| kept.pinned);
        let oldest = |queue: &Queue| queue.entries.iter().map(|(_, id)| *id).find(|id| !is_pinned(id));
        let unshielded = || plain.entries.iter().map(|(_, id)| *id).find(|id| !self.is_shielded(*id) && !is_pinned(id));
        let fullest_worthier = || worthier.iter().max_by_key(|queue| queue.bytes).and_then(oldest);

        let by_worth = if worthier_bytes > self.budget / 4 * 3 {
            fullest_worthier().or_else(unshielded)
        } else {
            unshielded().or_else(fullest_worthier)
        };
        by_worth.or_else(|| worthier.iter().find_map(oldest)).or_else(|| oldest(plain))
    }

    fn is_shielded(&self, id: TraceId) -> bool {
        let Some(kept) = self.traces.get(&id) else { return false };
        let of_service = self.plain_of_service.get(&kept.summary.root_service).copied().unwrap_or_default();
        of_service <= self.limits.recent_per_service
    }

    /// The open trace that was to be looked at next. Its entry leaves the queue of due times, because it is going.
    fn due_soonest(&mut self) -> Option<TraceId> {
        let mut pinned = Vec::new();
        let mut victim = None;
        while let Some(Reverse((due_ns, id))) = self.due.pop() {
            match self.traces.get(&id) {
                Some(kept) if kept.state == State::Open && kept.pinned => pinned.push(Reverse((due_ns, id))),
                Some(kept) if kept.state == State::Open => {
                    victim = Some(id);
                    break;
                }
                _ => {}
            }
        }
        self.due.extend(pinned);
        victim
    }

    fn evict(&mut self, id: TraceId) {
        self.counts.evicted_spans += self.remove(id, Absence::Evicted);
        self.counts.evicted_traces += 1;
    }

    /// Takes a trace out and remembers why. Returns how many spans went.
    fn remove(&mut self, id: TraceId, absence: Absence) -> u64 {
        if let Some(State::Quiet { stamp, worth }) = self.traces.get(&id).map(|kept| kept.state) {
            self.unqueue(id, stamp, worth);
        }
        let Some(kept) = self.traces.remove(&id) else { return 0 };
        let spans = kept.spans.len() as u64;
        self.bytes = self.bytes.saturating_sub(kept.bytes);
        self.counts.spans_kept -= spans;
        self.gone.push(id, absence);
        spans
    }
}

/// The last traces that went, so that their late spans do not begin them anew.
#[derive(Debug)]
struct Remembered {
    capacity: usize,
    order: VecDeque<TraceId>,
    ids: HashMap<TraceId, Absence>,
}

impl Remembered {
    fn new(capacity: usize) -> Self {
        Self { capacity, order: VecDeque::new(), ids: HashMap::new() }
    }

    fn push(&mut self, id: TraceId, absence: Absence) {
        if self.ids.insert(id, absence).is_none() {
            self.order.push_back(id);
        }
        while self.order.len() > self.capacity {
            if let Some(oldest) = self.order.pop_front() {
                self.ids.remove(&oldest);
            }
        }
    }

    fn get(&self, id: TraceId) -> Option<Absence> {
        self.ids.get(&id).copied()
    }
}
