//! What every part of the supervisor sees.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use collector::Hub;
use mall::config::Secret;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::edge::Edge;
use super::faults::Faults;
use super::instance::Instance;
use super::order::Order;
use super::outages::Outages;
use super::presence::Presence;
use super::process::Mark;
use super::registry::Registry;
use super::replica::RestartRequest;
use super::stack_file::{Addresses, Data};
use super::stand::Stand;
use super::state::StateFolder;

/// The supervisor's state.
#[derive(Debug)]
pub struct Shared {
    /// Where the stack lives on disk.
    pub folder: StateFolder,
    /// What was ordered.
    pub order: Order,
    /// Secret of the stack.
    pub token: Secret,
    /// This process.
    pub own: Option<Mark>,
    /// Every process.
    pub board: Board,
    /// Who offers what where.
    pub registry: Registry,
    /// Faults in force.
    pub faults: Faults,
    /// Who wants the stack.
    pub presence: Presence,
    /// The proxy in front of the APIs.
    pub edge: Edge,
    /// The servers that the shop stands on.
    pub outages: Outages,
    /// The data that the shop works on, once known.
    pub data: Mutex<Option<Data>>,
    /// Data that the stack left on other servers.
    pub earlier: Vec<Stand>,
    /// The collector's state, for events and alerts.
    pub hub: Arc<Hub>,
    /// Where the stack listens.
    pub addresses: watch::Sender<Addresses>,
    /// Ends the stack.
    pub stop: CancellationToken,
    /// What happened while stopping, line by line; the sender goes when all is done.
    pub farewell: watch::Sender<Vec<String>>,
    /// Where to ask a replica for a restart.
    pub restarts: BTreeMap<Instance, mpsc::Sender<RestartRequest>>,
    /// When each replica's process was spawned.
    pub spawn_times: Mutex<BTreeMap<Instance, Instant>>,
}

impl Shared {
    /// When each replica's process was spawned.
    pub fn spawn_times(&self) -> MutexGuard<'_, BTreeMap<Instance, Instant>> {
        self.spawn_times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The data that the shop works on, once known.
    pub fn data(&self) -> Option<Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers the data that the shop works on.
    pub fn set_data(&self, data: Data) {
        *self.data.lock().unwrap_or_else(PoisonError::into_inner) = Some(data);
    }

    /// Adds a line to what is told about stopping.
    pub fn say_farewell(&self, line: impl Into<String>) {
        let line = line.into();
        tracing::info!("{line}");
        self.farewell.send_modify(|lines| lines.push(line));
    }
}

/// The wall clock, nanoseconds since the epoch.
pub fn unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
