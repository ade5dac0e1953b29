//! go-zero's resilience algorithms as pure functions of an injected clock and generator.
//!
//! [`breaker`] decides whether a call may run, [`p2c`] which replica takes it, [`shedder`] whether a server can take it
//! at all, [`limit`] whether a caller asked too often. [`window`] is what they remember. Each reports through an
//! [`Observer`], synchronously and inside the call that decided, so that whoever listens knows on whose behalf it was.
//!
//! The crate owns decisions. It refuses to know a transport, a runtime or a telemetry library, and it starts no thread.
//! Behaviour is equal to go-zero v1.7.6 to v1.10.3, decision by decision: the golden vectors in `tests/vectors` were
//! produced by go-zero's own code under a scripted clock and generator.
//!
//! Every operation is O(window buckets) or better and takes one short lock.

pub mod accept;
pub mod breaker;
pub mod clock;
pub mod limit;
pub mod observer;
pub mod p2c;
pub mod random;
pub mod report;
pub mod shedder;
pub mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use accept::grpc_acceptable;
pub use clock::{Clock, ManualClock, MonotonicClock};
pub use observer::{BreakerReport, Candidate, Observer, PickReport, ShedReport, Silent};
pub use random::{Random, SeededRandom};

/// What an algorithm needs of the world: time, chance, and somebody who listens.
#[derive(Clone)]
pub struct Environment {
    /// Monotonic time.
    pub clock: Arc<dyn Clock>,
    /// Uniform numbers.
    pub random: Arc<dyn Random>,
    /// Hears of every decision worth hearing of.
    pub observer: Arc<dyn Observer>,
}

impl Environment {
    /// The machine's monotonic clock, a generator seeded with `seed`, and `observer`.
    pub fn new(seed: u64, observer: Arc<dyn Observer>) -> Self {
        Self { clock: Arc::new(MonotonicClock::new()), random: Arc::new(SeededRandom::new(seed)), observer }
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Environment")
    }
}

/// Locks state whose every update is complete before anything can panic: a poisoned lock still guards sound state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
