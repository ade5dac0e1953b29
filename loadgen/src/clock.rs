//! The one clock anchor of a run.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Ties the monotonic clock to the wall clock once, so that a jump of the wall clock cannot bend a latency.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    instant: Instant,
    unix_ns: u64,
}

impl Clock {
    /// An anchor at this moment.
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { instant: Instant::now(), unix_ns: unix.as_nanos() as u64 }
    }

    /// Wall time of an instant, nanoseconds since the epoch.
    pub fn unix_ns(&self, at: Instant) -> u64 {
        match at.checked_duration_since(self.instant) {
            Some(after) => self.unix_ns.saturating_add(after.as_nanos() as u64),
            None => self.unix_ns.saturating_sub(self.instant.duration_since(at).as_nanos() as u64),
        }
    }

    /// The instant at which the wall clock shows this second.
    pub fn instant_of_second(&self, unix_s: u64) -> Instant {
        let ahead = (unix_s * 1_000_000_000).saturating_sub(self.unix_ns);
        self.instant + Duration::from_nanos(ahead)
    }
}
