//! The breakers of a process, by place and name.

use crate::telemetry::{Reporter, breaker_key};
use collector_api::vocabulary as word;
use governance::Environment;
use governance::breaker::{Breaker, Permit, Rejected, Snapshot, Totals};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Breakers of one process at most. Names come from code, but a server's method names come from the wire.
const LARGEST: usize = 512;
/// Name of the breaker that everything beyond [`LARGEST`] shares.
const OVERFLOW: &str = "other";

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// A caller, by target and method.
    Client,
    /// A callee, by method.
    Server,
    /// A gateway, by route.
    Route,
}

impl Place {
    /// The place as it stands in telemetry and in error bodies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Route => "route",
        }
    }
}

/// Every breaker of the process; each is made when it is first asked for and stays. Clones share the breakers.
#[derive(Clone)]
pub struct Guards {
    shared: Arc<Shared>,
}

/// A place and a name.
type Key = (Place, Arc<str>);

struct Shared {
    environment: Environment,
    reporter: Arc<Reporter>,
    guards: RwLock<HashMap<Key, Arc<Guard>>>,
}

/// A breaker whose calls are counted. Trips and rejections are reported by the breaker's observer.
pub struct Guard {
    place: Place,
    breaker: Breaker,
    reporter: Arc<Reporter>,
}

/// The right to make one call; say how it went with [`Pass::resolve`]. A dropped pass counts nothing.
#[must_use = "a pass that is dropped counts nothing"]
pub struct Pass {
    permit: Permit,
    guard: Arc<Guard>,
}

impl Guards {
    /// No breakers yet; `environment` must report to `reporter`.
    pub fn new(environment: Environment, reporter: Arc<Reporter>) -> Self {
        Self { shared: Arc::new(Shared { environment, reporter, guards: RwLock::default() }) }
    }

    /// The breaker called `name` at `place`.
    pub fn get(&self, place: Place, name: &str) -> Arc<Guard> {
        let key = (place, Arc::<str>::from(name));
        if let Some(guard) = self.shared.guards.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Arc::clone(guard);
        }
        let mut guards = self.shared.guards.write().unwrap_or_else(PoisonError::into_inner);
        let key = if guards.len() < LARGEST { key } else { (place, OVERFLOW.into()) };
        Arc::clone(guards.entry(key).or_insert_with_key(|(place, name)| {
            self.shared.reporter.breaker_created(place.name(), name);
            Arc::new(Guard {
                place: *place,
                breaker: Breaker::new(place.name(), Arc::clone(name), self.shared.environment.clone()),
                reporter: Arc::clone(&self.shared.reporter),
            })
        }))
    }

    /// Every breaker, by place and name.
    pub fn all(&self) -> Vec<Arc<Guard>> {
        let guards = self.shared.guards.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = guards.values().cloned().collect();
        all.sort_by(|a, b| (a.place, a.name()).cmp(&(b.place, b.name())));
        all
    }

    /// Exports the state of every breaker as gauges.
    pub fn observe(&self, meter: &opentelemetry::metrics::Meter) {
        let gauge = |name: &'static str, read: fn(&Snapshot) -> f64| {
            let guards = self.clone();
            meter
                .f64_observable_gauge(name)
                .with_callback(move |observer| {
                    for guard in guards.all() {
                        observer.observe(read(&guard.snapshot()), &breaker_key(guard.place.name(), guard.name()));
                    }
                })
                .build();
        };
        gauge(word::BREAKER_STATE_ACCEPTS, |now| now.accepts as f64);
        gauge(word::BREAKER_STATE_TOTAL, |now| now.total as f64);
        gauge(word::BREAKER_STATE_WEIGHT, |now| now.weight);
        gauge(word::BREAKER_STATE_RATIO, |now| now.ratio);
    }
}

impl Guard {
    /// Asks for one call. A refusal is counted and becomes an event of the current span.
    pub fn admit(self: &Arc<Self>) -> Result<Pass, Rejected> {
        Ok(Pass { permit: self.breaker.allow()?, guard: Arc::clone(self) })
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        self.place
    }

    /// What it guards.
    pub fn name(&self) -> &Arc<str> {
        self.breaker.name()
    }

    /// What it knows now.
    pub fn snapshot(&self) -> Snapshot {
        self.breaker.snapshot()
    }

    /// What it counted since the process began.
    pub fn totals(&self) -> Totals {
        self.breaker.totals()
    }
}

impl Pass {
    /// Says how the call went: whether it was no failure of what the breaker guards.
    pub fn resolve(self, acceptable: bool) {
        self.guard.reporter.breaker_call(self.guard.place.name(), self.guard.name(), acceptable);
        self.permit.resolve(acceptable);
    }
}
