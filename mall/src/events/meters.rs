//! What is counted about order events.

use collector_api::vocabulary as word;
use opentelemetry::metrics::{Counter, Gauge};

use crate::telemetry::Meters;

/// The publishing side.
#[derive(Debug, Clone)]
pub struct PublisherMeters {
    /// Events that arrived.
    pub published: Counter<u64>,
    /// Messages that were lost on their way and published again.
    pub republished: Counter<u64>,
    /// Events that have not arrived yet, 10,000 at most; of the replica that relays, 0 of the others.
    pub waiting: Gauge<u64>,
}

impl PublisherMeters {
    /// All at zero.
    pub fn new(meters: &Meters) -> Self {
        let waiting = meters.meter().u64_gauge(word::EVENTS_WAITING).build();
        waiting.record(0, &[]);
        Self {
            published: counter(meters, word::EVENTS_PUBLISHED),
            republished: counter(meters, word::EVENTS_REPUBLISHED),
            waiting,
        }
    }
}

/// The applying side.
#[derive(Debug, Clone)]
pub struct ConsumerMeters {
    /// Events that were new.
    pub applied: Counter<u64>,
    /// Events that had been applied before.
    pub duplicate: Counter<u64>,
    /// Messages taken over from a replica that left them.
    pub claimed: Counter<u64>,
    /// Messages that cannot be read.
    pub dead: Counter<u64>,
}

impl ConsumerMeters {
    /// All at zero.
    pub fn new(meters: &Meters) -> Self {
        Self {
            applied: counter(meters, word::EVENTS_APPLIED),
            duplicate: counter(meters, word::EVENTS_DUPLICATE),
            claimed: counter(meters, word::EVENTS_CLAIMED),
            dead: counter(meters, word::EVENTS_DEAD),
        }
    }

    /// Counts an event by whether it was new.
    pub fn count(&self, new: bool) {
        if new { self.applied.add(1, &[]) } else { self.duplicate.add(1, &[]) }
    }
}

fn counter(meters: &Meters, name: &'static str) -> Counter<u64> {
    let counter = meters.meter().u64_counter(name).build();
    counter.add(0, &[]);
    counter
}
