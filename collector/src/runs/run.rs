//! One load run as the collector sees it.

use std::collections::BTreeMap;

use collector_api::console::{self, RunFinish, RunStart};

use super::cohort::Cohorts;
use super::join::JoinState;

/// Used when a run does not say how long it may settle.
const SETTLE_LIMIT_NS: u64 = 15_000_000_000;

/// A run that lost its stream is closed after this.
const LOST_LIMIT_NS: u64 = 10_000_000_000;

/// Counters of the collector at one moment; the difference of two tells what a run brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Spans that were accepted.
    pub spans_received: u64,
    /// Spans that the store took.
    pub spans_stored: u64,
    /// Spans that the store refused and that exporters lost.
    pub spans_dropped: u64,
    /// Traces with an absent parent.
    pub orphan_traces: u64,
    /// Breaker rejections by place.
    pub rejections: BTreeMap<String, u64>,
}

impl Totals {
    /// What came since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let rejections = self.rejections.iter().map(|(place, count)| {
            let before = earlier.rejections.get(place).copied().unwrap_or(0);
            (place.clone(), count.saturating_sub(before))
        });
        Self {
            spans_received: self.spans_received.saturating_sub(earlier.spans_received),
            spans_stored: self.spans_stored.saturating_sub(earlier.spans_stored),
            spans_dropped: self.spans_dropped.saturating_sub(earlier.spans_dropped),
            orphan_traces: self.orphan_traces.saturating_sub(earlier.orphan_traces),
            rejections: rejections.collect(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Finish {
    at_ns: u64,
    limit_ns: u64,
}

/// State of one run.
#[derive(Debug, Clone)]
pub struct RunState {
    pub(super) wire: console::Run,
    pub(super) join: JoinState,
    pub(super) cohorts: Cohorts,
    pub(super) before: Totals,
    pub(super) event: u64,
    pub(super) changed: u64,
    finish: Option<Finish>,
    lost_ns: Option<u64>,
}

impl RunState {
    /// A run that begins.
    pub fn begin(start: &RunStart, now_ns: u64, before: Totals, event: u64, version: u64) -> Self {
        let wire = console::Run {
            run_id: start.run_id.clone(),
            scenario: start.scenario.clone(),
            name: start.name.clone(),
            started_unix_ns: now_ns,
            phase: "preparing".into(),
            planned_ns: start.planned_ns,
            target_rate: start.highest_rate,
            join: Some(console::Join::default()),
            ..console::Run::default()
        };
        Self {
            wire,
            join: JoinState::default(),
            cohorts: Cohorts::default(),
            before,
            event,
            changed: version,
            finish: None,
            lost_ns: None,
        }
    }

    /// When it began, nanoseconds since the epoch.
    pub fn started_ns(&self) -> u64 {
        self.wire.started_unix_ns
    }

    /// Whether it has not ended.
    pub fn is_active(&self) -> bool {
        self.wire.ended_unix_ns == 0
    }

    /// All requests are done; the run waits for their traces.
    pub fn finish(&mut self, finish: &RunFinish, now_ns: u64) {
        self.join.tell_sampled(finish.sampled);
        self.wire.generator_limited = finish.generator_limited;
        self.wire.phase = "settling".into();
        let limit_ns = if finish.settle_limit_ns == 0 { SETTLE_LIMIT_NS } else { finish.settle_limit_ns };
        self.finish = Some(Finish { at_ns: now_ns, limit_ns });
    }

    /// Whether every sampled request met its trace and was analysed and all counters were exported since the last
    /// request, or the time for that is over. `has_exported_since` is asked with the time of the finish.
    pub fn is_settled(&self, now_ns: u64, has_exported_since: impl Fn(u64) -> bool) -> bool {
        let Some(finish) = self.finish else { return false };
        let is_quiet = self.join.waiting() == 0 && self.cohorts.count() >= self.join.met_count();
        let waited_ns = now_ns.saturating_sub(finish.at_ns);
        waited_ns >= finish.limit_ns || (is_quiet && has_exported_since(finish.at_ns))
    }

    /// Nanoseconds since the run finished; 0 before.
    pub fn settling_ns(&self, now_ns: u64) -> u64 {
        self.finish.map_or(0, |finish| now_ns.saturating_sub(finish.at_ns))
    }

    /// The stream broke, or came back.
    pub fn set_connected(&mut self, is_connected: bool, now_ns: u64) {
        self.lost_ns = (!is_connected).then_some(now_ns);
    }

    /// Whether the stream has been gone for too long.
    pub fn is_given_up(&self, now_ns: u64) -> bool {
        self.is_active() && self.lost_ns.is_some_and(|lost| now_ns >= lost.saturating_add(LOST_LIMIT_NS))
    }

    /// Ends the run.
    pub fn end(&mut self, now_ns: u64) {
        self.join.settle();
        self.wire.phase = "done".into();
        self.wire.detail = format!("{} sent, {} failed", self.wire.sent, self.wire.failed);
        self.wire.ended_unix_ns = now_ns;
    }

    /// As the console protocol says it. The load tool tells how much it sent once a second, its spans come in between: a
    /// request whose span is here was sent, so that always `joined <= sampled <= sent`.
    pub fn to_wire(&self) -> console::Run {
        let join = self.join.to_wire();
        console::Run { sent: self.wire.sent.max(join.sampled), join: Some(join), ..self.wire.clone() }
    }
}
