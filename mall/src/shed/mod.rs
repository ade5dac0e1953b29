//! Refusing work while the processor is busy and more is in flight than the service can finish.
//!
//! The decision is [`governance::shedder`]'s. This module owns what the decision looks at, a smoothed processor share
//! ([`Cpu`]), and who asks for it: a [`Gate`] in front of HTTP routes, another one in front of routes that are worth more
//! than the rest, and one in front of RPC methods. Nothing is measured in a process that sheds nothing.
//!
//! # Whose processor
//!
//! go-zero looks at the cgroup of the process (`cgroup`, `Mall.ShedBy: cgroup`). On one machine the whole shop and the
//! load that drives it share a cgroup, so that a busy load generator would make an idle service refuse work. By default
//! (`Mall.ShedBy: process`, `process`) a service therefore looks at its own processor time. Its requests run on one
//! thread, so the share it may use is one processor, or the cgroup's quota where that is less, and 1,000 means that the
//! thread has no time left. Work on threads aside (SQLite, password hashing) counts in, capped at 1,000.
//!
//! # How it is smoothed
//!
//! Every 250 ms `cpu = trunc(cpu · 0.95 + raw · 0.05)`, in whole numbers as go-zero does it. Truncation holds the value up to
//! 19 below a steady truth: constant saturation settles at 981, and from 0 it takes 47 samples (12 s) to reach 900.

mod cgroup;
mod cpu;
mod gate;
mod process;
mod watch;

pub use self::cpu::{Cpu, smooth};
pub use self::gate::{Gate, Pass, Place};
pub(crate) use self::watch::watch;

use std::sync::{Arc, Mutex, PoisonError};

use collector_api::vocabulary as word;
use governance::Environment;
use mall_api::control::ShedderState;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::config::ServiceConfig;
use crate::telemetry::Reporter;

/// The gates of a process. Clones share them.
#[derive(Clone)]
pub struct Shedders {
    shared: Arc<Shared>,
}

struct Shared {
    /// `None` where nothing is shed.
    threshold: Option<u32>,
    cpu: Cpu,
    environment: Environment,
    reporter: Arc<Reporter>,
    gates: Mutex<Vec<Arc<Gate>>>,
}

impl Shedders {
    /// No gates yet; what they refuse is reported to `reporter`.
    pub fn new(config: &ServiceConfig, environment: Environment, reporter: Arc<Reporter>) -> Self {
        let threshold = config.sheds().then_some(config.cpu_threshold);
        let shared = Shared { threshold, cpu: Cpu::default(), environment, reporter, gates: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// The gate at a place; `None` in a process that sheds nothing.
    pub fn gate(&self, place: Place) -> Option<Arc<Gate>> {
        let shared = &self.shared;
        let threshold = shared.threshold?;
        let mut gates = shared.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.iter().find(|gate| gate.place() == place) {
            return Some(Arc::clone(gate));
        }
        let gate = Gate::new(place, threshold, &shared.cpu, &shared.environment, &shared.reporter);
        gates.push(Arc::clone(&gate));
        Some(gate)
    }

    /// The processor share that every gate looks at.
    pub fn cpu(&self) -> &Cpu {
        &self.shared.cpu
    }

    /// Every gate that was asked for.
    pub fn all(&self) -> Vec<Arc<Gate>> {
        self.shared.gates.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What every gate knows now.
    pub fn states(&self) -> Vec<ShedderState> {
        self.all().iter().map(|gate| gate.state()).collect()
    }

    /// Exports the state of every gate as gauges.
    pub fn observe(&self, meter: &Meter) {
        let gauge = |name: &'static str, read: fn(&ShedderState) -> f64| {
            let shedders = self.clone();
            meter
                .f64_observable_gauge(name)
                .with_callback(move |observer| {
                    for state in shedders.states() {
                        observer.observe(read(&state), &[KeyValue::new(word::SHED_PLACE, state.place.clone())]);
                    }
                })
                .build();
        };
        gauge(word::SHED_STATE_CPU, |now| f64::from(now.cpu));
        gauge(word::SHED_STATE_THRESHOLD, |now| f64::from(now.cpu_threshold));
        gauge(word::SHED_STATE_LIMIT, |now| now.limit);
        gauge(word::SHED_STATE_FLYING, |now| now.flying as f64);
        gauge(word::SHED_STATE_AVG_FLYING, |now| now.avg_flying);
    }
}
