//! A shedder with its place and its counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use governance::shedder::{Overloaded, Permit, Settings, Shedder};
use governance::{Environment, Observer, ShedReport};
use mall_api::control::ShedderState;

use super::Cpu;
use crate::telemetry::Reporter;

/// Where a gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In front of HTTP routes.
    Http,
    /// In front of HTTP routes that are refused last.
    HttpPriority,
    /// In front of RPC methods.
    Rpc,
}

impl Place {
    /// The place as it stands in telemetry.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::HttpPriority => "http-priority",
            Self::Rpc => "rpc",
        }
    }

    /// From which share on a gate of this place sheds; routes of priority go on halfway to the end, as in go-zero.
    const fn threshold(self, configured: u32) -> u32 {
        match self {
            Self::Http | Self::Rpc => configured,
            Self::HttpPriority => u32::midpoint(configured, 1_000),
        }
    }
}

/// A shedder whose decisions are counted and reported.
pub struct Gate {
    place: Place,
    threshold: u32,
    cpu: Cpu,
    shedder: Shedder,
    reporter: Arc<Reporter>,
    passes: AtomicU64,
    answered: AtomicU64,
    drops: AtomicU64,
}

/// The right to handle one request; say how it went with [`Pass::resolve`]. A dropped pass counts as a failure.
#[must_use = "a pass that is dropped counts as a failed request"]
pub struct Pass {
    permit: Permit,
    gate: Arc<Gate>,
}

/// What a gate counted since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Let through.
    pub(crate) passes: u64,
    /// Of those, answered without a failure.
    pub(crate) answered: u64,
    /// Refused.
    pub(crate) drops: u64,
}

/// Tells the reporter where a refusal happened.
struct At {
    place: Place,
    reporter: Arc<Reporter>,
}

impl Observer for At {
    fn shed(&self, report: &ShedReport) {
        self.reporter.shed_dropped(self.place.name(), report);
    }
}

impl Gate {
    pub(super) fn new(
        place: Place,
        configured: u32,
        cpu: &Cpu,
        environment: &Environment,
        reporter: &Arc<Reporter>,
    ) -> Arc<Self> {
        reporter.shed_created(place.name());
        let threshold = place.threshold(configured);
        let settings = Settings { cpu_threshold: threshold, ..Settings::default() };
        let observer = Arc::new(At { place, reporter: Arc::clone(reporter) });
        let environment = Environment { observer, ..environment.clone() };
        Arc::new(Self {
            place,
            threshold,
            cpu: cpu.clone(),
            shedder: Shedder::new(settings, cpu.reader(), environment),
            reporter: Arc::clone(reporter),
            passes: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            drops: AtomicU64::new(0),
        })
    }

    /// Asks to handle one request. A refusal is counted and becomes an event of the current span.
    pub fn admit(self: &Arc<Self>) -> Result<Pass, Overloaded> {
        let permit = self.shedder.allow().inspect_err(|_| {
            self.drops.fetch_add(1, Ordering::Relaxed);
        })?;
        self.passes.fetch_add(1, Ordering::Relaxed);
        self.reporter.shed_passed(self.place.name());
        Ok(Pass { permit, gate: Arc::clone(self) })
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        self.place
    }

    /// What it knows now.
    pub fn state(&self) -> ShedderState {
        let (now, counts) = (self.shedder.snapshot(), self.counts());
        ShedderState {
            place: self.place.name().to_owned(),
            cpu: self.cpu.thousandths(),
            cpu_threshold: self.threshold,
            flying: now.flying,
            avg_flying: now.avg_flying,
            limit: now.max_flight * now.factor,
            drops: counts.drops,
            passes: counts.passes,
        }
    }

    /// What it counted since the process began.
    pub(crate) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts { passes: read(&self.passes), answered: read(&self.answered), drops: read(&self.drops) }
    }
}

impl Pass {
    /// Says whether the request was answered, so that its time tells how fast the service is.
    pub fn resolve(self, answered: bool) {
        if answered {
            self.gate.answered.fetch_add(1, Ordering::Relaxed);
            self.permit.pass();
        } else {
            self.permit.fail();
        }
    }
}
