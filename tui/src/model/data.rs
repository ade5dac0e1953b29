//! Every fact that came over the wire, as it is now.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use collector_api::console as wire;
use mall_api::control;

use super::intake;
use super::seconds::Seconds;
use crate::sentence::{self, Sentence};

/// Seconds that a figure beside a lane or in a table covers.
pub const WINDOW_S: u64 = 10;

/// Spans arrive in batches: a second is shown this long after it ended.
const SETTLE_NS: u64 = 500_000_000;

/// Most events that are kept; the oldest go first.
const MAX_EVENTS: usize = 2_000;

/// Nanoseconds in a second.
pub const SECOND_NS: u64 = 1_000_000_000;

/// The facts.
#[derive(Debug, Clone, Default)]
pub struct Data {
    /// Who answers.
    pub hello: wire::HelloReply,
    /// The collector's clock at its last delta.
    pub now_ns: u64,
    /// `version` of the last delta, to resume from.
    pub version: u64,
    /// The recent past.
    pub seconds: Seconds,
    /// Events by id.
    pub events: BTreeMap<u64, wire::Event>,
    /// Events that were let go because there were too many.
    pub events_dropped: u64,
    /// Alerts that are not inactive, and those that are.
    pub alerts: Vec<wire::Alert>,
    /// Load runs, newest last.
    pub runs: Vec<wire::Run>,
    /// What the receiver counted.
    pub receiver: wire::ReceiverStats,
    /// What the store holds.
    pub store: wire::StoreStats,
    /// The first trace that was seen whole.
    pub first_trace: Option<wire::TraceSummary>,
    /// The shop's processes, when a supervisor answers.
    pub status: Option<control::StatusReply>,
    /// Where the time of the slowest 1 % of the last ten seconds went.
    pub cause: Option<wire::Cohort>,
    /// Balance over the last ten seconds.
    pub balance: Vec<wire::BalancedService>,
    /// Breakers over the last ten seconds.
    pub breakers: Vec<wire::Breaker>,
    /// Shedders and limits over the last ten seconds.
    pub refusals: wire::RefusalsReply,
    /// Services whose spans show only a part of their requests.
    pub coverage: Vec<wire::Coverage>,
    /// Operations and edges over the last ten seconds.
    pub services: wire::ServicesReply,
    /// Rules that could not be used, and the profile in force.
    pub alert_rules: wire::AlertsReply,
    /// The overview's one sentence.
    pub sentence: Sentence,
}

impl Data {
    /// Takes in what changed.
    pub fn apply(&mut self, delta: wire::Delta) {
        let head = self.head_s();
        let has_events = !delta.events.is_empty();
        self.version = delta.version;
        self.now_ns = self.now_ns.max(delta.now_unix_ns);
        for second in delta.seconds {
            self.seconds.put(intake::second(second));
        }
        for event in delta.events {
            self.events.insert(event.id, intake::event(event));
        }
        while self.events.len() > MAX_EVENTS {
            self.events.pop_first();
            self.events_dropped += 1;
        }
        if let Some(receiver) = delta.receiver {
            self.receiver = intake::receiver(receiver);
        }
        if let Some(store) = delta.store {
            self.store = store;
        }
        self.coverage = delta.coverage.into_iter().map(intake::coverage).collect();
        if !delta.alerts.is_empty() {
            self.alerts = delta.alerts.into_iter().map(intake::alert).collect();
        }
        if !delta.runs.is_empty() {
            self.runs = delta.runs.into_iter().map(intake::run).collect();
            self.runs.sort_by_key(|run| run.started_unix_ns);
        }
        if let Some(first) = delta.first_trace {
            self.first_trace = Some(intake::summary(first));
        }
        if head != self.head_s() || has_events {
            self.resentence();
        }
    }

    /// Computes the sentence again; after new causes and new states of processes too.
    pub fn resentence(&mut self) {
        self.sentence = sentence::of(self);
    }

    /// The last second that is complete.
    pub fn head_s(&self) -> u64 {
        self.now_ns.saturating_sub(SECOND_NS + SETTLE_NS) / SECOND_NS
    }

    /// The last complete seconds, as many as figures cover.
    pub fn window(&self) -> RangeInclusive<u64> {
        let head = self.head_s();
        head.saturating_sub(WINDOW_S - 1)..=head
    }

    /// Seconds of the window that lie after the first that is known, at least one: what a rate divides by.
    pub fn window_len(&self) -> u64 {
        self.known_of(&self.window())
    }

    /// As [`Self::window_len`], for another ten seconds.
    pub fn known_of(&self, window: &RangeInclusive<u64>) -> u64 {
        let first = self.seconds.first().unwrap_or(0).max(*window.start());
        (window.end() + 1).saturating_sub(first).clamp(1, WINDOW_S)
    }

    /// Whether a span was ever received.
    pub fn has_spans(&self) -> bool {
        self.receiver.spans > 0 || !self.seconds.is_empty()
    }

    /// The run that is not done, else the newest.
    pub fn current_run(&self) -> Option<&wire::Run> {
        self.runs.iter().rev().find(|run| run.ended_unix_ns == 0).or(self.runs.last())
    }

    /// The run that is not done.
    pub fn active_run(&self) -> Option<&wire::Run> {
        self.current_run().filter(|run| run.ended_unix_ns == 0)
    }

    /// Events of a kind, oldest first.
    pub fn events_of<'a>(&'a self, kinds: &'a [&str]) -> impl Iterator<Item = &'a wire::Event> {
        self.events.values().filter(move |event| kinds.contains(&event.kind.as_str()))
    }

    /// Faults in force now.
    pub fn faults(&self) -> impl Iterator<Item = &wire::Event> {
        self.events.values().filter(|event| event.kind == "fault" && is_open(event, self.now_ns))
    }

    /// The shop's processes that serve, and all of them; `None` where there is no shop.
    pub fn processes(&self) -> Option<(usize, usize)> {
        let ready = self.shop().filter(|process| process.state == "ready").count();
        let all = self.shop().count();
        (all > 0).then_some((ready, all))
    }

    /// What figures do not hold or what is not kept, most important first: spans that were lost, services whose spans do
    /// not show everything, then what tail retention kept.
    pub fn caveats(&self) -> impl Iterator<Item = String> {
        let kept = collector_api::kept::sentence(&self.store);
        let lost = collector_api::lost::sentence(&self.receiver, &self.store);
        let told = |sentence: String| (!sentence.is_empty()).then_some(sentence);
        let coverage = self.coverage.iter().map(collector_api::coverage::sentence);
        told(lost).into_iter().chain(coverage).chain(told(kept))
    }

    /// Processes of the shop: not those that watch, drive or supervise it.
    pub fn shop(&self) -> impl Iterator<Item = &control::Process> {
        let all = self.status.iter().flat_map(|status| &status.processes);
        all.filter(|process| !matches!(process.role.as_str(), "supervisor" | "console" | "load"))
    }

    /// Spans lost anywhere on the way: refused, dropped before they were sent, over a limit.
    pub fn lost_spans(&self) -> u64 {
        self.receiver.spans_rejected
            + self.store.dropped_spans
            + self.receiver.dropped_by_exporter.values().sum::<u64>()
    }
}

/// Whether an event lasts at an instant.
pub fn is_open(event: &wire::Event, now_ns: u64) -> bool {
    event.phase() == wire::EventPhase::Open && (event.ends_unix_ns == 0 || event.ends_unix_ns > now_ns)
}
