//! What is shared under one lock.

use std::collections::HashMap;

use collector_api::console::{Alert, TraceSummary};

use crate::events::{EVENT_LIMIT, EventLog};
use crate::rollup::Rollup;
use crate::runs::Runs;

/// Figures, runs, events, and the version that the next consoles will be told.
#[derive(Debug)]
pub struct State {
    /// Everything that is counted.
    pub rollup: Rollup,
    /// Load runs.
    pub runs: Runs,
    /// What happened.
    pub events: EventLog,
    /// Events of faults in force, by the fault's identity.
    pub faults: HashMap<String, u64>,
    /// Alerts as of the last evaluation, and when they changed.
    pub alerts: Vec<Alert>,
    /// Version at which the alerts changed.
    pub alerts_changed: u64,
    /// The first whole trace, and the version at which it came.
    pub first_trace: Option<(u64, TraceSummary)>,
    version: u64,
    is_dirty: bool,
}

impl State {
    /// Nothing seen. `published` is the version that consoles know.
    pub fn new(since_ns: u64, published: u64) -> Self {
        Self {
            rollup: Rollup::new(since_ns),
            runs: Runs::new(),
            events: EventLog::new(EVENT_LIMIT),
            faults: HashMap::new(),
            alerts: Vec::new(),
            alerts_changed: 0,
            first_trace: None,
            version: published + 1,
            is_dirty: false,
        }
    }

    /// The version under which a change is to be written; consoles will be told with the next tick.
    pub fn touch(&mut self) -> u64 {
        self.is_dirty = true;
        self.version
    }

    /// The version under which time-driven changes are written, which by themselves are no reason to tell.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Ends the current version when something changed under it, and returns it.
    pub fn publish(&mut self) -> Option<u64> {
        if !self.is_dirty {
            return None;
        }
        self.is_dirty = false;
        self.version += 1;
        Some(self.version - 1)
    }
}
