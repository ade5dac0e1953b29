//! go-zero's adaptive breaker: a gate with a probability, not a switch with states.
//!
//! Over a window of 10 s (40 buckets of 250 ms), with rejections counted in the total:
//!
//! ```text
//! w     = max(1.5 − (1.5 − 1.1) · failing / 40, 1.1)
//! ratio = ((total − 5) − w · accepts) / (total + 1)
//! ```
//!
//! `failing` is the number of buckets that saw only failures since the last one that saw a success; `working` is the
//! number that saw only successes since the last failure. A call passes while `ratio ≤ 0`. Above that it passes once a
//! second by force, and otherwise is dropped with probability `ratio · (40 − working) / 40`.
//!
//! Consequences: nothing trips below a third of failures; the first over-ratio call of a new incident always passes when
//! one had passed over the ratio before; each bucket of successes alone takes a fortieth off the drop probability.
//! There is no open, half-open or closed state. A *trip* here is `ratio` going from at most 0 to above 0.
//!
//! Source: go-zero `core/breaker/googlebreaker.go` and `bucket.go`, after "Handling Overload" in *Site Reliability
//! Engineering*. Cost of a decision: one visit of 40 buckets under a lock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::window::{Bucket, RollingWindow};
use crate::{BreakerReport, Environment, lock};

const BUCKETS: usize = 40;
const BUCKET_INTERVAL: Duration = Duration::from_millis(250);
const K: f64 = 1.5;
const MIN_K: f64 = 1.1;
const PROTECTION: i64 = 5;
const FORCE_PASS_AFTER: Duration = Duration::from_secs(1);

/// What a breaker knows at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Snapshot {
    /// Successful calls in the window.
    pub accepts: i64,
    /// All calls in the window, rejections included.
    pub total: i64,
    /// Buckets with failures only, since the last with a success.
    pub failing: i64,
    /// Buckets with successes only, since the last with a failure.
    pub working: i64,
    /// The factor `w`, between 1.1 and 1.5.
    pub weight: f64,
    /// The drop ratio before the discount for working buckets; at most 0 when every call passes.
    pub ratio: f64,
}

/// Why a call was let through or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// The ratio was at most 0.
    BelowRatio,
    /// Over the ratio, but nothing had passed for over a second.
    Forced,
    /// Over the ratio, and chance let it pass.
    Lucky,
    /// Over the ratio, and chance did not.
    Dropped,
}

/// A decision and what it was made from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// Which way it went.
    pub path: Path,
    /// What the breaker knew before.
    pub snapshot: Snapshot,
    /// The drop probability that chance was asked about.
    pub asked: Option<f64>,
    /// Whether the ratio rose above 0 with this call.
    pub tripped: bool,
}

/// A call was refused.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("circuit breaker is open")]
pub struct Rejected {
    /// The decision.
    pub decision: Decision,
}

/// A breaker. Clones share state.
#[derive(Debug, Clone)]
pub struct Breaker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    place: &'static str,
    name: Arc<str>,
    environment: Environment,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    window: RollingWindow<Outcomes>,
    last_pass: Option<Duration>,
    over_ratio: bool,
    totals: Totals,
}

/// What a breaker counted since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Calls that ran and were accepted.
    pub accepted: u64,
    /// Calls that ran and failed.
    pub failed: u64,
    /// Calls that were refused.
    pub rejected: u64,
    /// Times that the ratio rose above 0.
    pub trips: u64,
}

#[derive(Debug, Clone, Copy)]
enum Mark {
    Success,
    Failure,
    Drop,
}

#[derive(Debug, Clone, Default)]
struct Outcomes {
    sum: i64,
    success: i64,
    failure: i64,
}

impl Bucket for Outcomes {
    type Value = Mark;

    fn add(&mut self, mark: Mark) {
        self.sum += 1;
        match mark {
            Mark::Success => self.success += 1,
            Mark::Failure => self.failure += 1,
            Mark::Drop => {}
        }
    }
}

/// The right to make one call. Say how it went with [`Permit::accept`] or [`Permit::reject`]; a permit that is dropped
/// counts nothing, like a call that was cancelled before it ran.
#[derive(Debug)]
#[must_use = "a permit that is dropped counts nothing"]
pub struct Permit {
    shared: Arc<Shared>,
    decision: Decision,
}

impl Breaker {
    /// A breaker at `place` (`client`, `server` or `route`) that guards `name`.
    pub fn new(place: &'static str, name: impl Into<Arc<str>>, environment: Environment) -> Self {
        let window = RollingWindow::new(BUCKETS, BUCKET_INTERVAL, false, environment.clock.now());
        let state = State { window, last_pass: None, over_ratio: false, totals: Totals::default() };
        Self { shared: Arc::new(Shared { place, name: name.into(), environment, state: Mutex::new(state) }) }
    }

    /// Asks for one call. A refusal is counted, and reported, here.
    pub fn allow(&self) -> Result<Permit, Rejected> {
        let decision = self.decide();
        let report =
            || BreakerReport { place: self.shared.place, name: self.shared.name.clone(), snapshot: decision.snapshot };
        if decision.tripped {
            self.shared.environment.observer.breaker_tripped(&report());
        }
        if decision.path == Path::Dropped {
            self.shared.environment.observer.breaker_rejected(&report());
            return Err(Rejected { decision });
        }
        Ok(Permit { shared: Arc::clone(&self.shared), decision })
    }

    /// What the breaker knows now.
    pub fn snapshot(&self) -> Snapshot {
        let now = self.shared.environment.clock.now();
        snapshot_of(&lock(&self.shared.state).window, now)
    }

    /// What it counted since it was made.
    pub fn totals(&self) -> Totals {
        lock(&self.shared.state).totals
    }

    /// `client`, `server` or `route`.
    pub fn place(&self) -> &'static str {
        self.shared.place
    }

    /// What it guards.
    pub fn name(&self) -> &Arc<str> {
        &self.shared.name
    }

    /// When a call last passed over the ratio.
    pub fn last_pass(&self) -> Option<Duration> {
        lock(&self.shared.state).last_pass
    }

    fn decide(&self) -> Decision {
        let now = self.shared.environment.clock.now();
        let mut state = lock(&self.shared.state);
        let snapshot = snapshot_of(&state.window, now);
        let over_ratio = snapshot.ratio > 0.0;
        let tripped = over_ratio && !state.over_ratio;
        state.over_ratio = over_ratio;
        state.totals.trips += u64::from(tripped);
        if !over_ratio {
            return Decision { path: Path::BelowRatio, snapshot, asked: None, tripped };
        }
        if state.last_pass.is_some_and(|last| now.saturating_sub(last) > FORCE_PASS_AFTER) {
            state.last_pass = Some(now);
            return Decision { path: Path::Forced, snapshot, asked: None, tripped };
        }
        let probability = snapshot.ratio * ((BUCKETS as i64 - snapshot.working) as f64 / BUCKETS as f64);
        let path = if self.shared.environment.random.uniform() < probability {
            state.window.add(now, Mark::Drop);
            state.totals.rejected += 1;
            Path::Dropped
        } else {
            state.last_pass = Some(now);
            Path::Lucky
        };
        Decision { path, snapshot, asked: Some(probability), tripped }
    }
}

impl Permit {
    /// The call was no failure of the callee.
    pub fn accept(self) {
        self.mark(Mark::Success);
    }

    /// The call failed.
    pub fn reject(self) {
        self.mark(Mark::Failure);
    }

    /// Resolves by a truth value: accepted or failed.
    pub fn resolve(self, accepted: bool) {
        self.mark(if accepted { Mark::Success } else { Mark::Failure });
    }

    /// The decision that let the call pass.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    fn mark(self, mark: Mark) {
        let now = self.shared.environment.clock.now();
        let mut state = lock(&self.shared.state);
        state.window.add(now, mark);
        match mark {
            Mark::Success => state.totals.accepted += 1,
            Mark::Failure => state.totals.failed += 1,
            Mark::Drop => {}
        }
    }
}

fn snapshot_of(window: &RollingWindow<Outcomes>, now: Duration) -> Snapshot {
    let (mut accepts, mut total, mut failing, mut working) = (0, 0, 0, 0);
    for bucket in window.visit(now) {
        accepts += bucket.success;
        total += bucket.sum;
        if bucket.failure > 0 {
            working = 0;
        } else if bucket.success > 0 {
            working += 1;
        }
        if bucket.success > 0 {
            failing = 0;
        } else if bucket.failure > 0 {
            failing += 1;
        }
    }
    let weight = (K - (K - MIN_K) * failing as f64 / BUCKETS as f64).max(MIN_K);
    let ratio = ((total - PROTECTION) as f64 - weight * accepts as f64) / (total + 1) as f64;
    Snapshot { accepts, total, failing, working, weight, ratio }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{ManualClock, SeededRandom, Silent};

    fn breaker_at(clock: &Arc<ManualClock>, seed: u64) -> Breaker {
        let environment = Environment {
            clock: Arc::clone(clock) as Arc<dyn crate::Clock>,
            random: Arc::new(SeededRandom::new(seed)),
            observer: Arc::new(Silent),
        };
        Breaker::new("client", "test", environment)
    }

    #[test]
    fn a_permit_that_is_dropped_counts_nothing() {
        let clock = Arc::new(ManualClock::new());
        let breaker = breaker_at(&clock, 1);
        drop(breaker.allow().expect("a fresh breaker lets everything pass"));
        assert_eq!(breaker.snapshot().total, 0);
    }

    #[test]
    fn a_trip_is_counted_once_while_the_ratio_stays_above_zero() {
        let clock = Arc::new(ManualClock::new());
        let breaker = breaker_at(&clock, 1);
        for _ in 0..100 {
            if let Ok(permit) = breaker.allow() {
                permit.reject();
            }
            clock.advance(Duration::from_millis(10));
        }
        assert_eq!(breaker.totals().trips, 1);
        assert!(breaker.totals().rejected > 0);
    }

    /// Share of calls dropped in the last ten of sixty seconds at a steady share of failures, 100 calls a second.
    fn steady_drop_share(failure_share: f64, seed: u64) -> f64 {
        let clock = Arc::new(ManualClock::new());
        let breaker = breaker_at(&clock, seed);
        let chance = SeededRandom::new(seed + 1_000);
        let mut before = Totals::default();
        for call in 0..6_000 {
            if call == 5_000 {
                before = breaker.totals();
            }
            if let Ok(permit) = breaker.allow() {
                permit.resolve(crate::Random::uniform(&chance) >= failure_share);
            }
            clock.advance(Duration::from_millis(10));
        }
        (breaker.totals().rejected - before.rejected) as f64 / 1_000.0
    }

    #[test]
    fn a_quarter_of_failures_never_trips_and_three_quarters_nearly_close_it() {
        for seed in 0..5 {
            assert!(steady_drop_share(0.25, seed) < 0.01);
            assert!(steady_drop_share(0.75, seed) > 0.90);
        }
    }

    proptest! {
        #[test]
        fn probabilities_stay_probabilities(outcomes in prop::collection::vec((any::<bool>(), 0_u64..600), 1..400), seed in any::<u64>()) {
            let clock = Arc::new(ManualClock::new());
            let breaker = breaker_at(&clock, seed);
            for (accepted, pause_ms) in outcomes {
                let decision = match breaker.allow() {
                    Ok(permit) => { let decision = *permit.decision(); permit.resolve(accepted); decision }
                    Err(rejected) => rejected.decision,
                };
                prop_assert!(decision.asked.is_none_or(|p| (0.0..1.0).contains(&p)));
                prop_assert!((MIN_K..=K).contains(&decision.snapshot.weight));
                clock.advance(Duration::from_millis(pause_ms));
            }
        }

        #[test]
        fn successes_alone_are_never_dropped(pauses in prop::collection::vec(0_u64..400, 1..500)) {
            let clock = Arc::new(ManualClock::new());
            let breaker = breaker_at(&clock, 7);
            for pause in pauses {
                let permit = breaker.allow();
                prop_assert!(permit.is_ok());
                if let Ok(permit) = permit { permit.accept(); }
                clock.advance(Duration::from_millis(pause));
            }
        }
    }
}
