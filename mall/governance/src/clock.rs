//! Monotonic time, injected.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::lock;

/// A monotonic clock. Only differences of its readings mean anything.
pub trait Clock: Send + Sync + 'static {
    /// Time since an arbitrary origin; never falls.
    fn now(&self) -> Duration;
}

/// The machine's monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct MonotonicClock {
    origin: Instant,
}

impl MonotonicClock {
    /// A clock whose origin is now.
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for MonotonicClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A clock that stands still until it is told to move: for tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock {
    now: Mutex<Duration>,
}

impl ManualClock {
    /// A clock at its origin.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves to an instant; an earlier one is ignored, because the clock never falls.
    pub fn set(&self, now: Duration) {
        let mut current = lock(&self.now);
        *current = now.max(*current);
    }

    /// Moves forward.
    pub fn advance(&self, by: Duration) {
        *lock(&self.now) += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *lock(&self.now)
    }
}
