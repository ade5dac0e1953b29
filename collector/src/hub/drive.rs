//! Load runs: what their streams say and hear.

use std::collections::HashMap;
use std::sync::Mutex;

use collector_api::console::{Join, RunCommand, RunFinish, RunPhase, RunSettled, RunStart, RunTick};
use collector_api::coverage;
use tokio::sync::mpsc;

use super::state::State;
use super::{Hub, locked};
use crate::runs::run::{RunState, Totals};

/// Commands that a run has not taken yet.
const COMMAND_LIMIT: usize = 16;

/// Where the commands of running loads go.
pub(super) type Commands = Mutex<HashMap<String, mpsc::Sender<RunCommand>>>;

/// Why a command did not reach its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandError {
    /// No such run is active.
    NotFound,
    /// The run takes no commands at the moment.
    Busy,
}

impl Hub {
    /// A run begins or comes back; commands for it arrive at the receiver.
    pub fn run_start(&self, start: &RunStart) -> mpsc::Receiver<RunCommand> {
        let (sender, receiver) = mpsc::channel(COMMAND_LIMIT);
        locked(&self.commands).insert(start.run_id.clone(), sender);
        let totals = self.totals();
        let now_ns = self.now_ns();
        let mut state = self.state();
        let version = state.touch();
        let State { runs, events, .. } = &mut *state;
        runs.start(start, now_ns, totals, events, version);
        receiver
    }

    /// A second of a run.
    pub fn run_tick(&self, run_id: &str, tick: &RunTick) {
        let mut state = self.state();
        let version = state.touch();
        if let Some(cell) = state.runs.tick(run_id, tick, version) {
            state.rollup.set_run_cell(tick.unix_s, cell, self.now_ns(), version);
        }
    }

    /// A run says where it is.
    pub fn run_phase(&self, run_id: &str, phase: &RunPhase) {
        let now_ns = self.now_ns();
        let mut state = self.state();
        let version = state.touch();
        let State { runs, events, .. } = &mut *state;
        runs.phase(run_id, phase, now_ns, events, version);
    }

    /// All requests of a run are done.
    pub fn run_finish(&self, run_id: &str, finish: &RunFinish) {
        let now_ns = self.now_ns();
        let mut state = self.state();
        let version = state.touch();
        state.runs.finish(run_id, finish, now_ns, version);
    }

    /// A run's stream broke; it may come back.
    pub fn run_lost(&self, run_id: &str) {
        locked(&self.commands).remove(run_id);
        self.state().runs.lost(run_id, self.now_ns());
    }

    /// The join of a run; `None` when the run is not known.
    pub fn run_join(&self, run_id: &str) -> Option<Join> {
        self.state().runs.join(run_id)
    }

    /// The end of a finished run, once it has settled.
    pub fn run_settled(&self, run_id: &str) -> Option<RunSettled> {
        let now_ns = self.now_ns();
        let is_settled = {
            let state = self.state();
            state.runs.is_settled(run_id, now_ns, |finish_ns| state.rollup.has_exported_since(finish_ns, now_ns))
        };
        if !is_settled {
            return None;
        }
        locked(&self.commands).remove(run_id);
        let totals = self.totals();
        let mut state = self.state();
        let version = state.touch();
        let caveats = state.rollup.coverage().iter().map(coverage::sentence).collect();
        let State { runs, events, alerts, .. } = &mut *state;
        let began = runs.get(run_id).map_or(0, RunState::started_ns);
        let was_active = |alert: &&collector_api::console::Alert| {
            alert.active_unix_ns > 0 && (alert.resolved_unix_ns == 0 || alert.resolved_unix_ns >= began)
        };
        let alerts = alerts.iter().filter(was_active).cloned().collect();
        Some(RunSettled { alerts, caveats, ..runs.settle(run_id, now_ns, &totals, events, version) })
    }

    /// Sends a command to a running load.
    pub fn run_command(&self, run_id: &str, command: RunCommand) -> Result<(), CommandError> {
        let commands = locked(&self.commands);
        let sender = commands.get(run_id).ok_or(CommandError::NotFound)?;
        sender.try_send(command).map_err(|failure| match failure {
            mpsc::error::TrySendError::Full(_) => CommandError::Busy,
            mpsc::error::TrySendError::Closed(_) => CommandError::NotFound,
        })
    }

    fn totals(&self) -> Totals {
        let received = self.receiver_stats();
        let lost: u64 = received.dropped_by_exporter.values().sum();
        let refused = self.spans_refused.load(std::sync::atomic::Ordering::Relaxed);
        Totals {
            spans_received: received.spans,
            spans_stored: self.spans_stored(),
            spans_dropped: refused + lost,
            orphan_traces: self.traces.stats().orphan_traces,
            rejections: self.state().rollup.rejections_by_place(),
        }
    }
}
