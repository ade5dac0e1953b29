//! Load runs: what they say, which of their requests met their traces, and where the time went.
//!
//! Owns the state of the newest runs and of the last two minutes of requests. Pure: told the time, knows no stream;
//! [`crate::serve`] carries messages in and out.

pub mod cohort;
pub mod join;
pub mod run;

use std::collections::{HashSet, VecDeque};

use collector_api::console::{self, RunFinish, RunPhase, RunStart, RunTick};
use collector_api::vocabulary as words;

use self::cohort::Cohorts;
use self::run::{RunState, Totals};
use crate::analysis::{Attribution, Forest};
use crate::events::{EventLog, NewEvent};
use crate::model::{Kind, Span, TraceId, Value};
use crate::rollup::hops::{Hop, run_of};
use crate::rollup::window::Window;
use crate::rollup::{SECOND_NS, WINDOW_S};

/// Runs that are kept.
const RUN_LIMIT: usize = 16;

/// Analysed traces that are remembered, so that late spans do not count a request twice.
const ANALYSED_LIMIT: usize = 65_536;

/// Outcome of a request that was never sent: a refused connection has no trace to meet.
const UNSENT: &str = "connect";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Load,
    Other,
}

/// All runs that are kept, and the requests of the last two minutes.
#[derive(Debug)]
pub struct Runs {
    kept: VecDeque<RunState>,
    recent: Window<Source, Cohorts>,
    analysed: HashSet<TraceId>,
    analysed_order: VecDeque<TraceId>,
}

impl Runs {
    /// No runs.
    pub fn new() -> Self {
        Self {
            kept: VecDeque::new(),
            recent: Window::new(WINDOW_S, 2),
            analysed: HashSet::new(),
            analysed_order: VecDeque::new(),
        }
    }

    /// A run begins, or its stream came back.
    pub fn start(&mut self, start: &RunStart, now_ns: u64, before: Totals, events: &mut EventLog, version: u64) {
        if let Some(run) = self.active_mut(&start.run_id) {
            run.set_connected(true, now_ns);
            return;
        }
        let event = events.open(
            NewEvent {
                kind: "load".into(),
                begins_unix_ns: now_ns,
                service: words::LOADGEN_SERVICE.into(),
                target: start.scenario.clone(),
                detail: format!("load {} begins", start.scenario),
                run_id: start.run_id.clone(),
                ..NewEvent::default()
            },
            version,
        );
        if self.kept.len() >= RUN_LIMIT {
            let oldest_done = self.kept.iter().position(|run| !run.is_active()).unwrap_or(0);
            self.kept.remove(oldest_done);
        }
        self.kept.push_back(RunState::begin(start, now_ns, before, event, version));
    }

    /// A second of a run. Returns the cell to show.
    pub fn tick(&mut self, run_id: &str, tick: &RunTick, version: u64) -> Option<console::RunCell> {
        let run = self.active_mut(run_id)?;
        run.changed = version;
        run.wire.sent = tick.sent_total;
        run.wire.failed = tick.failed_total;
        run.join.tell_sampled(tick.sampled_total);
        let cell = tick.cell.clone()?;
        Some(console::RunCell { run_id: run_id.to_owned(), ..cell })
    }

    /// A run says where it is.
    pub fn phase(&mut self, run_id: &str, phase: &RunPhase, now_ns: u64, events: &mut EventLog, version: u64) {
        let Some(run) = self.active_mut(run_id) else { return };
        let is_new_phase = run.wire.phase != phase.phase;
        let stage = |detail: &str| detail.split(',').next().unwrap_or_default().to_owned();
        let is_new_stage = phase.phase == "running" && stage(&run.wire.detail) != stage(&phase.detail);
        run.changed = version;
        run.wire.phase.clone_from(&phase.phase);
        run.wire.detail.clone_from(&phase.detail);
        if phase.target_rate > 0.0 {
            run.wire.target_rate = phase.target_rate;
        }
        if is_new_phase || is_new_stage {
            events.point(
                NewEvent {
                    kind: "load".into(),
                    begins_unix_ns: now_ns,
                    service: words::LOADGEN_SERVICE.into(),
                    target: phase.phase.clone(),
                    detail: phase.detail.clone(),
                    run_id: run_id.to_owned(),
                    ..NewEvent::default()
                },
                version,
            );
        }
    }

    /// A run's requests are done.
    pub fn finish(&mut self, run_id: &str, finish: &RunFinish, now_ns: u64, version: u64) {
        if let Some(run) = self.active_mut(run_id) {
            run.finish(finish, now_ns);
            run.changed = version;
        }
    }

    /// A run's stream broke.
    pub fn lost(&mut self, run_id: &str, now_ns: u64) {
        if let Some(run) = self.active_mut(run_id) {
            run.set_connected(false, now_ns);
        }
    }

    /// Takes a span, and the call that it completed.
    pub fn observe(&mut self, span: &Span, hop: Option<&Hop>, now_ns: u64, version: u64) {
        if let Some(run_id) = run_of(span) {
            let is_unsent = span.get(words::RUN_OUTCOME).and_then(Value::as_text) == Some(UNSENT);
            let has_met = hop.is_some();
            if let Some(run) = self.active_mut(&run_id).filter(|_| !is_unsent || has_met) {
                run.join.request((span.trace_id, span.span_id), span.end_ns, has_met);
                run.changed = version;
            }
            return;
        }
        let Some(hop) = hop else { return };
        if let Some(run) = hop.caller.run_id.as_deref().and_then(|run_id| self.active_mut(run_id)) {
            run.join.met(hop.key, now_ns);
            run.changed = version;
        }
    }

    /// Takes an analysed trace. `may_be_again` when the trace had been quiet before.
    pub fn analysed(&mut self, forest: &Forest, attribution: &Attribution, may_be_again: bool, version: u64) {
        let Some(root) = forest.rows.get(attribution.root_row).map(|row| &row.span) else { return };
        let is_alone = forest.rows.len() < 2;
        let source = if attribution.run_id.is_some() { Source::Load } else { Source::Other };
        let is_counted = match source {
            // Seen by the load tool only: that is the join's to tell.
            Source::Load => !is_alone,
            // The true root may still come; a database call that nobody asked for is no request.
            Source::Other => !attribution.partial && !is_database_call(root),
        };
        if !is_counted || (may_be_again && self.analysed.contains(&root.trace_id)) {
            return;
        }
        self.remember(root.trace_id);
        if let Some(cohorts) = self.recent.cell(attribution.end_ns / SECOND_NS, source, |source| *source) {
            cohorts.add(attribution);
        }
        let run = attribution.run_id.as_deref().and_then(|run_id| self.active_mut(run_id));
        if let Some(run) = run {
            run.cohorts.add(attribution);
            run.changed = version;
        }
    }

    /// Time passes: requests are given up, runs without a stream end.
    pub fn age(&mut self, now_ns: u64, events: &mut EventLog, version: u64) {
        for run in self.kept.iter_mut().filter(|run| run.is_active()) {
            run.join.expire(now_ns);
            if run.is_given_up(now_ns) {
                run.end(now_ns);
                run.wire.detail = "the load tool went away".into();
                run.changed = version;
                events.close(run.event, now_ns, version);
            }
        }
    }

    /// Whether a finished run has settled; also true when it is not active any more.
    pub fn is_settled(&self, run_id: &str, now_ns: u64, has_exported_since: impl Fn(u64) -> bool) -> bool {
        self.get(run_id).is_none_or(|run| !run.is_active() || run.is_settled(now_ns, has_exported_since))
    }

    /// Ends a settled run and tells what it was.
    pub fn settle(
        &mut self,
        run_id: &str,
        now_ns: u64,
        totals: &Totals,
        events: &mut EventLog,
        version: u64,
    ) -> console::RunSettled {
        let Some(run) = self.kept.iter_mut().rev().find(|run| run.wire.run_id == run_id) else {
            return console::RunSettled::default();
        };
        let settle_ns = run.settling_ns(now_ns);
        if run.is_active() {
            run.end(now_ns);
            run.changed = version;
            events.close(run.event, now_ns, version);
        }
        let during = totals.since(&run.before);
        console::RunSettled {
            join: Some(run.join.to_wire()),
            settle_ns,
            cohorts: run.cohorts.report(),
            events: events.list("", run.wire.started_unix_ns, 0),
            spans_received: during.spans_received,
            spans_stored: during.spans_stored,
            spans_dropped: during.spans_dropped,
            orphan_traces: during.orphan_traces,
            rejections_by_place: during.rejections.into_iter().collect(),
            // What alerts and caveats there were is not the runs' to know.
            ..console::RunSettled::default()
        }
    }

    /// One run.
    pub fn get(&self, run_id: &str) -> Option<&RunState> {
        self.kept.iter().rev().find(|run| run.wire.run_id == run_id)
    }

    /// The join of a run.
    pub fn join(&self, run_id: &str) -> Option<console::Join> {
        self.get(run_id).map(|run| run.join.to_wire())
    }

    /// All runs, oldest first, when one changed after a version.
    pub fn changed_since(&self, version: u64) -> Vec<console::Run> {
        if self.kept.iter().any(|run| run.changed > version) { self.list() } else { Vec::new() }
    }

    /// Whether a run is under way: preparing, running or settling.
    pub fn is_any_active(&self) -> bool {
        self.kept.iter().any(RunState::is_active)
    }

    /// All runs, oldest first.
    pub fn list(&self) -> Vec<console::Run> {
        self.kept.iter().map(RunState::to_wire).collect()
    }

    /// The slowest fraction of a run's requests; `None` when the run is not known.
    pub fn run_cohort(&self, run_id: &str, slowest: f64) -> Option<console::Cohort> {
        self.get(run_id).map(|run| run.cohorts.slowest(slowest))
    }

    /// The slowest fraction of the requests that ended in `[from, to]`: the load tools', else roots of traces.
    pub fn recent_cohort(&self, from: u64, to: u64, slowest: f64) -> console::Cohort {
        let mut merged = self.recent.merged(from, to);
        let cohorts = merged.remove(&Source::Load).or_else(|| merged.remove(&Source::Other)).unwrap_or_default();
        cohorts.slowest(slowest)
    }

    fn active_mut(&mut self, run_id: &str) -> Option<&mut RunState> {
        self.kept.iter_mut().rev().find(|run| run.is_active() && run.wire.run_id == run_id)
    }

    fn remember(&mut self, trace: TraceId) {
        let is_full = self.analysed_order.len() >= ANALYSED_LIMIT;
        if let Some(oldest) = is_full.then(|| self.analysed_order.pop_front()).flatten() {
            self.analysed.remove(&oldest);
        }
        if self.analysed.insert(trace) {
            self.analysed_order.push_back(trace);
        }
    }
}

fn is_database_call(span: &Span) -> bool {
    span.kind == Kind::Client && span.get("db.system.name").is_some()
}

impl Default for Runs {
    fn default() -> Self {
        Self::new()
    }
}
