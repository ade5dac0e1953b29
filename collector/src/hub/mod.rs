//! Where what came in meets what is asked for.
//!
//! Owns the state that consoles, runs and the supervisor share, and the order of things: a span is stored, counted and
//! joined; a trace that fell quiet is analysed; rules are evaluated; then consoles are told that something changed.
//! Receiving happens on the receiver's threads (`ingest`), the rest in [`Hub::tick`]. Locks are held for the length of
//! one batch and never across an await; they are taken in the order metrics, state.

mod alerting;
mod answers;
mod delta;
mod drive;
mod ingest;
mod state;
mod tick;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use collector_api::console::{Alert, Run};
use tokio::sync::watch;

use self::alerting::Alerting;
pub use self::drive::CommandError;
use self::state::State;
pub use self::tick::TICK;
use crate::alert::Rules;
use crate::events::NewEvent;
use crate::receiver;
use crate::rollup::metrics::{MetricLimits, MetricStore};
use crate::store::{Keep, LogStore, TraceLimits, TraceStore};

/// Tells the time, nanoseconds since the epoch.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Estimated bytes of kept log records.
const LOG_BYTES: usize = 16 << 20;

/// What a hub is made of.
pub struct HubOptions {
    /// Byte budget of the trace store.
    pub store_bytes: usize,
    /// Share of the traces that stays without a better reason.
    pub keep: Keep,
    /// Alert rules.
    pub rules: Rules,
    /// Why rule files could not be read, for consoles.
    pub refused: Vec<String>,
    /// The time.
    pub clock: Clock,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            store_bytes: TraceLimits::default().bytes,
            keep: Keep::ALL,
            rules: Rules::default(),
            refused: Vec::new(),
            clock: Arc::new(system_clock),
        }
    }
}

/// Shared state of a collector. Cheap calls, safe from any thread.
pub struct Hub {
    clock: Clock,
    started_ns: u64,
    state: Mutex<State>,
    metrics: Mutex<MetricStore>,
    alerting: Mutex<Alerting>,
    traces: TraceStore,
    logs: LogStore,
    receiver: OnceLock<Arc<receiver::Stats>>,
    spans_stored: AtomicU64,
    spans_refused: AtomicU64,
    published: watch::Sender<u64>,
    commands: drive::Commands,
}

impl Hub {
    /// A hub that has seen nothing.
    pub fn new(options: HubOptions) -> Self {
        let started_ns = (options.clock)();
        // A version from before a restart must be older than all versions after it.
        let first_version = started_ns / 1_000_000;
        let limits = TraceLimits { bytes: options.store_bytes, keep: options.keep, ..TraceLimits::default() };
        Self {
            clock: options.clock,
            started_ns,
            state: Mutex::new(State::new(started_ns, first_version)),
            metrics: Mutex::new(MetricStore::new(MetricLimits::default())),
            alerting: Mutex::new(Alerting::new(options.rules, options.refused)),
            traces: TraceStore::new(limits),
            logs: LogStore::new(LOG_BYTES),
            receiver: OnceLock::new(),
            spans_stored: AtomicU64::new(0),
            spans_refused: AtomicU64::new(0),
            published: watch::Sender::new(first_version),
            commands: drive::Commands::default(),
        }
    }

    /// The time, nanoseconds since the epoch.
    pub fn now_ns(&self) -> u64 {
        (self.clock)()
    }

    /// When the hub began.
    pub fn started_ns(&self) -> u64 {
        self.started_ns
    }

    /// Where the receiver counts; told once, after its ports are open.
    pub fn set_receiver_stats(&self, stats: Arc<receiver::Stats>) {
        // A second receiver would be a mistake of the caller; the first one's counters stay.
        let _ = self.receiver.set(stats);
    }

    /// Logs something that goes on until [`Hub::close_event`]; for the supervisor's faults. Returns its identity.
    pub fn open_event(&self, new: NewEvent) -> u64 {
        let mut state = self.state();
        let fault = if new.kind == "fault" { new.fields.get("id").cloned() } else { None };
        let version = state.touch();
        let id = state.events.open(new, version);
        if let Some(fault) = fault {
            state.faults.insert(fault, id);
        }
        id
    }

    /// Ends an open event; unknown and ended ones are left as they are.
    pub fn close_event(&self, id: u64, unix_ns: u64) {
        let mut state = self.state();
        let version = state.touch();
        state.events.close(id, unix_ns, version);
        state.faults.retain(|_, event| *event != id);
    }

    /// Logs something without a length, such as a restart. Returns its identity.
    pub fn point_event(&self, new: NewEvent) -> u64 {
        let mut state = self.state();
        let version = state.touch();
        state.events.point(new, version)
    }

    /// Every alert in the order of the rules, as of the last evaluation; a rule without alerts is one inactive alert.
    pub fn alerts(&self) -> Vec<Alert> {
        self.state().alerts.clone()
    }

    /// Load runs, oldest first.
    pub fn runs(&self) -> Vec<Run> {
        self.state().runs.list()
    }

    /// Tells which instance (`pay-rpc/1`) listens at an address (`127.0.0.1:40123`), before it says so itself.
    pub fn add_instance_address(&self, address: &str, instance: &str) {
        self.state().rollup.add_address(address, instance);
    }

    /// Follows the version of what consoles are told; it rises when something changed.
    pub fn versions(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    fn spans_stored(&self) -> u64 {
        self.spans_stored.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Hub").field("started_ns", &self.started_ns).finish_non_exhaustive()
    }
}

/// A lock whose holder panicked still guards counters that are whole: every change under it is a single step.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn system_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
