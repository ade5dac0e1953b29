//! How many requests are in flight: one latch per route, as in go-zero, in front of its breaker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use collector_api::vocabulary as word;
use mall_api::control::LimiterState;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::telemetry::{Meters, span};

/// Name of the limit in telemetry.
const NAME: &str = "max_connections";
/// What it counts by.
const PER: &str = "route";

/// The limit of a process: how many requests each route may have in flight, and what came of it.
#[derive(Clone)]
pub(crate) struct Connections {
    shared: Arc<Shared>,
}

struct Shared {
    most: usize,
    attributes: [KeyValue; 2],
    passes: Counter<u64>,
    rejections: Counter<u64>,
    allowed: AtomicU64,
    rejected: AtomicU64,
}

/// The latch of one route.
pub(super) struct Latch {
    /// `None` without a limit.
    slots: Option<Semaphore>,
    shared: Arc<Shared>,
}

/// As many requests of the route are in flight as may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Connections {
    /// At most `most` requests in flight on each route; 0 sets no limit.
    pub(crate) fn new(most: usize, meters: &Meters) -> Self {
        let attributes = [KeyValue::new(word::LIMITER_NAME, NAME), KeyValue::new(word::LIMITER_KEY, PER)];
        let (passes, rejections) = meters.limiter();
        passes.add(0, &attributes);
        rejections.add(0, &attributes);
        let (allowed, rejected) = (AtomicU64::new(0), AtomicU64::new(0));
        let shared = Shared { most, attributes, passes, rejections, allowed, rejected };
        Self { shared: Arc::new(shared) }
    }

    /// The latch of a further route.
    pub(super) fn latch(&self) -> Latch {
        let most = self.shared.most.min(Semaphore::MAX_PERMITS);
        Latch { slots: (most > 0).then(|| Semaphore::new(most)), shared: Arc::clone(&self.shared) }
    }

    /// What the limit counted since the process began.
    pub(crate) fn state(&self) -> LimiterState {
        LimiterState {
            name: NAME.to_owned(),
            per: PER.to_owned(),
            allowed: self.shared.allowed.load(Ordering::Relaxed),
            rejected: self.shared.rejected.load(Ordering::Relaxed),
            rescued: 0,
        }
    }
}

impl Latch {
    /// A place for one request, or `None` without a limit. A refusal is counted and becomes an event of the current span.
    pub(super) fn enter(&self) -> Result<Option<SemaphorePermit<'_>>, Full> {
        let Some(slots) = &self.slots else { return Ok(None) };
        let shared = &self.shared;
        let Ok(permit) = slots.try_acquire() else {
            shared.rejected.fetch_add(1, Ordering::Relaxed);
            shared.rejections.add(1, &shared.attributes);
            span::event(word::LIMITER_REJECT, || shared.attributes.to_vec());
            return Err(Full);
        };
        shared.allowed.fetch_add(1, Ordering::Relaxed);
        shared.passes.add(1, &shared.attributes);
        Ok(Some(permit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_do_not_take_each_others_places() {
        let connections = Connections::new(1, &Meters::disabled());
        let (one, other) = (connections.latch(), connections.latch());
        let held = one.enter().expect("free");
        assert!(one.enter().is_err());
        assert!(other.enter().is_ok());
        drop(held);
        assert!(one.enter().is_ok());
        assert_eq!((connections.state().allowed, connections.state().rejected), (3, 1));
    }

    #[test]
    fn zero_is_no_limit() {
        let connections = Connections::new(0, &Meters::disabled());
        let latch = connections.latch();
        let held: Vec<_> = (0..100).map(|_| latch.enter()).collect();
        assert!(held.iter().all(Result::is_ok));
    }
}
