//! What the algorithms tell the outside.
//!
//! Calls are made synchronously by the task that decides, so an implementation finds that task's context (its current
//! span, for one) where it looks for it. An implementation must be quick and must not call back into the algorithm.

use std::sync::Arc;

use crate::breaker::Snapshot;

/// A replica as a balancer saw it when it picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Where it listens, host:port.
    pub address: Arc<str>,
    /// Its stable name, such as `pay-rpc/1`.
    pub instance: Arc<str>,
    /// `⌊√(lag + 1)⌋ · (in flight + 1)`.
    pub load: u64,
    /// Moving average of its latency, nanoseconds.
    pub lag_ns: u64,
}

/// A balancer's choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PickReport {
    /// Service whose replicas were balanced.
    pub service: Arc<str>,
    /// First candidate.
    pub a: Candidate,
    /// Second candidate; `None` when there is a single replica.
    pub b: Option<Candidate>,
    /// Whether `a` was chosen (else `b`).
    pub chose_a: bool,
    /// Whether the worse one was taken because nobody had picked it for over a second.
    pub forced: bool,
}

impl PickReport {
    /// The candidate that was chosen.
    pub fn chosen(&self) -> &Candidate {
        match &self.b {
            Some(b) if !self.chose_a => b,
            _ => &self.a,
        }
    }

    /// The candidate that was not.
    pub fn other(&self) -> Option<&Candidate> {
        if self.chose_a { self.b.as_ref() } else { Some(&self.a) }
    }
}

/// A breaker's decision.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerReport {
    /// `client`, `server` or `route`.
    pub place: &'static str,
    /// What the breaker guards.
    pub name: Arc<str>,
    /// What it knew.
    pub snapshot: Snapshot,
}

/// A shedder's refusal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShedReport {
    /// Thousandths of the processor share in use.
    pub cpu: u32,
    /// Requests in flight that were allowed.
    pub limit: f64,
    /// Requests in flight.
    pub flying: i64,
    /// Moving average of requests in flight.
    pub avg_flying: f64,
}

/// Hears of decisions.
pub trait Observer: Send + Sync + 'static {
    /// A balancer picked.
    fn picked(&self, report: &PickReport) {
        let _ = report;
    }

    /// A drop ratio went from at most 0 to above 0.
    fn breaker_tripped(&self, report: &BreakerReport) {
        let _ = report;
    }

    /// A breaker refused a call.
    fn breaker_rejected(&self, report: &BreakerReport) {
        let _ = report;
    }

    /// A shedder refused a request.
    fn shed(&self, report: &ShedReport) {
        let _ = report;
    }
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
