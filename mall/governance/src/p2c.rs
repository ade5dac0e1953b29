//! go-zero's balancer: the better of two random replicas, by latency and calls in flight.
//!
//! ```text
//! load = ⌊√(lag + 1)⌋ · (in flight + 1)
//! ```
//!
//! `lag` (nanoseconds) and `success` (0 to 1,000) are averages that decay with the time since the last completion:
//! `x ← x·β + sample·(1 − β)`, `β = e^(−Δt / 10 s)`, and `β = 0` for the first completion. With three or more replicas
//! up to three pairs are drawn until both are healthy (`success > 500`); the last pair drawn is used anyway. The lower
//! load wins, ties keep the first drawn, but a loser that nobody picked for over a second is taken by force.
//!
//! Consequences: health never excludes a replica; with two replicas it is not even asked. A replica that fails fast has
//! a low load and attracts traffic. When the set of replicas changes the picker is made anew and forgets.
//!
//! Source: go-zero `zrpc/internal/balancer/p2c/p2c.go`; Mitzenmacher, "The Power of Two Choices in Randomized Load
//! Balancing". Cost of a pick: constant, under one lock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::{Candidate, Environment, PickReport, lock};

const DECAY: Duration = Duration::from_secs(10);
const FORCE_PICK_AFTER: Duration = Duration::from_secs(1);
const INITIAL_SUCCESS: u64 = 1_000;
const HEALTHY_ABOVE: u64 = INITIAL_SUCCESS / 2;
const PENALTY: u64 = i32::MAX as u64;
const DRAWS: usize = 3;
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// A replica that can be picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Stable name, such as `pay-rpc/1`.
    pub instance: Arc<str>,
    /// Where it listens, host:port.
    pub address: Arc<str>,
}

/// What a picker knows of one replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Moving average of latency, nanoseconds; 0 before the first completion.
    pub lag_ns: u64,
    /// Calls in flight.
    pub inflight: u64,
    /// Moving average of success, 0 to 1,000.
    pub success: u64,
    /// Picks since go-zero would last have logged them (each minute, first at the first completion).
    pub requests: u64,
    /// Picks since the picker was made.
    pub picks: u64,
    /// Forced picks since the picker was made.
    pub forced: u64,
    /// Last completion.
    pub last_done: Option<Duration>,
    /// Last pick.
    pub last_pick: Option<Duration>,
}

impl Statistics {
    fn new() -> Self {
        Self { success: INITIAL_SUCCESS, ..Self::default() }
    }

    /// The replica's load: lower is better. A load of 0 counts as 2,147,483,647, as in go-zero.
    pub fn load(&self) -> u64 {
        let root = ((self.lag_ns + 1) as f64).sqrt() as u64;
        match root * (self.inflight + 1) {
            0 => PENALTY,
            load => load,
        }
    }

    /// Whether most of the recent calls went well.
    pub fn is_healthy(&self) -> bool {
        self.success > HEALTHY_ABOVE
    }

    fn complete(&mut self, now: Duration, latency: Duration, acceptable: bool) {
        self.inflight = self.inflight.saturating_sub(1);
        let keep = match self.last_done {
            Some(last) if self.lag_ns > 0 => {
                let passed = now.saturating_sub(last).as_nanos() as f64;
                (-passed / DECAY.as_nanos() as f64).exp()
            }
            _ => 0.0,
        };
        self.last_done = Some(now);
        let blend = |old: u64, sample: f64| (old as f64 * keep + sample * (1.0 - keep)) as u64;
        self.lag_ns = blend(self.lag_ns, latency.as_nanos() as f64);
        self.success = blend(self.success, if acceptable { INITIAL_SUCCESS as f64 } else { 0.0 });
    }
}

/// Balances calls over a fixed set of replicas. Clones share state.
#[derive(Debug, Clone)]
pub struct Picker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    service: Arc<str>,
    replicas: Vec<Replica>,
    environment: Environment,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    statistics: Vec<Statistics>,
    logged: Option<Duration>,
}

/// A call under way to a picked replica. Say how it went with [`Pick::done`]; dropping it counts as a cancelled call,
/// which is acceptable, as gRPC's CANCELLED is to go-zero.
#[derive(Debug)]
#[must_use = "dropping a pick ends its call"]
pub struct Pick {
    shared: Arc<Shared>,
    index: usize,
    began: Duration,
    report: PickReport,
    is_done: bool,
}

impl Picker {
    /// A picker over the replicas of a service.
    pub fn new(service: impl Into<Arc<str>>, replicas: Vec<Replica>, environment: Environment) -> Self {
        let statistics = vec![Statistics::new(); replicas.len()];
        let state = Mutex::new(State { statistics, logged: None });
        Self { shared: Arc::new(Shared { service: service.into(), replicas, environment, state }) }
    }

    /// Picks a replica and reports the choice; `None` when there is none.
    pub fn pick(&self) -> Option<Pick> {
        let now = self.shared.environment.clock.now();
        let choice = {
            let mut state = lock(&self.shared.state);
            let (first, second) = self.draw(&state.statistics)?;
            let choice = choose(&state.statistics, first, second, now)?;
            let report = self.report(&state.statistics, &choice)?;
            let chosen = state.statistics.get_mut(choice.index)?;
            chosen.last_pick = Some(now);
            chosen.inflight += 1;
            chosen.requests += 1;
            chosen.picks += 1;
            chosen.forced += u64::from(choice.forced);
            (choice, report)
        };
        let (choice, report) = choice;
        self.shared.environment.observer.picked(&report);
        Some(Pick { shared: Arc::clone(&self.shared), index: choice.index, began: now, report, is_done: false })
    }

    /// The replicas, in the order of their indices.
    pub fn replicas(&self) -> &[Replica] {
        &self.shared.replicas
    }

    /// What is known of each replica now.
    pub fn statistics(&self) -> Vec<Statistics> {
        lock(&self.shared.state).statistics.clone()
    }

    /// Two different candidates, or one when there is only one.
    fn draw(&self, statistics: &[Statistics]) -> Option<(usize, Option<usize>)> {
        match statistics.len() {
            0 => None,
            1 => Some((0, None)),
            2 => Some((0, Some(1))),
            count => {
                let random = &self.shared.environment.random;
                let mut pair = (0, 1);
                for _ in 0..DRAWS {
                    let first = random.below(count);
                    let mut second = random.below(count - 1);
                    second += usize::from(second >= first);
                    pair = (first, second);
                    let healthy = |index| statistics.get(index).is_some_and(Statistics::is_healthy);
                    if healthy(first) && healthy(second) {
                        break;
                    }
                }
                Some((pair.0, Some(pair.1)))
            }
        }
    }

    fn report(&self, statistics: &[Statistics], choice: &Choice) -> Option<PickReport> {
        let candidate = |index: usize| {
            let (replica, known) = (self.shared.replicas.get(index)?, statistics.get(index)?);
            let (address, instance) = (replica.address.clone(), replica.instance.clone());
            Some(Candidate { address, instance, load: known.load(), lag_ns: known.lag_ns })
        };
        Some(PickReport {
            service: self.shared.service.clone(),
            a: candidate(choice.first)?,
            b: choice.second.and_then(candidate),
            chose_a: choice.index == choice.first,
            forced: choice.forced,
        })
    }
}

struct Choice {
    first: usize,
    second: Option<usize>,
    index: usize,
    forced: bool,
}

/// The lower load, unless the other one has waited too long for a probe.
fn choose(statistics: &[Statistics], first: usize, second: Option<usize>, now: Duration) -> Option<Choice> {
    let Some(other) = second else {
        return Some(Choice { first, second, index: first, forced: false });
    };
    let (mut better, mut worse) = (first, other);
    if statistics.get(first)?.load() > statistics.get(other)?.load() {
        (better, worse) = (other, first);
    }
    let waited = statistics.get(worse)?.last_pick.is_none_or(|last| now.saturating_sub(last) > FORCE_PICK_AFTER);
    let index = if waited { worse } else { better };
    Some(Choice { first, second, index, forced: waited })
}

impl Pick {
    /// The picked replica.
    pub fn replica(&self) -> Option<&Replica> {
        self.shared.replicas.get(self.index)
    }

    /// Its index in [`Picker::replicas`].
    pub fn index(&self) -> usize {
        self.index
    }

    /// Candidates and choice.
    pub fn report(&self) -> &PickReport {
        &self.report
    }

    /// Ends the call. `acceptable` as by [`crate::grpc_acceptable`].
    pub fn done(mut self, acceptable: bool) {
        self.complete(acceptable);
    }

    fn complete(&mut self, acceptable: bool) {
        if std::mem::replace(&mut self.is_done, true) {
            return;
        }
        let now = self.shared.environment.clock.now();
        let mut state = lock(&self.shared.state);
        if let Some(statistics) = state.statistics.get_mut(self.index) {
            statistics.complete(now, now.saturating_sub(self.began), acceptable);
        }
        // go-zero writes its per-minute log line here and starts counting requests again; the reset is visible.
        if state.logged.is_none_or(|last| now.saturating_sub(last) >= LOG_INTERVAL) {
            state.logged = Some(now);
            state.statistics.iter_mut().for_each(|statistics| statistics.requests = 0);
        }
    }
}

impl Drop for Pick {
    fn drop(&mut self) {
        self.complete(true);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{Clock, ManualClock, SeededRandom, Silent};

    fn picker_of(count: usize, clock: &Arc<ManualClock>, seed: u64) -> Picker {
        let environment = Environment {
            clock: Arc::clone(clock) as Arc<dyn Clock>,
            random: Arc::new(SeededRandom::new(seed)),
            observer: Arc::new(Silent),
        };
        let replica = |n| Replica { instance: format!("r/{n}").into(), address: format!("127.0.0.1:{n}").into() };
        Picker::new("r", (1..=count).map(replica).collect(), environment)
    }

    /// Share of each of three replicas in 20 s of 200 calls a second, by their latencies; the first may fail every second call.
    fn shares(latency_ms: [u64; 3], first_half_fails: bool) -> [f64; 3] {
        let clock = Arc::new(ManualClock::new());
        let picker = picker_of(3, &clock, 11);
        let mut under_way: Vec<(Duration, Pick)> = Vec::new();
        for step in 0..4_000_u64 {
            let now = Duration::from_millis(step * 5);
            clock.set(now);
            let (due, rest): (Vec<_>, Vec<_>) = under_way.into_iter().partition(|(end, _)| *end <= now);
            under_way = rest;
            for (_, pick) in due {
                let acceptable = !(first_half_fails && pick.index() == 0 && step % 2 == 0);
                pick.done(acceptable);
            }
            let pick = picker.pick().expect("three replicas");
            under_way.push((now + Duration::from_millis(latency_ms[pick.index()]), pick));
        }
        let picks: Vec<f64> = picker.statistics().iter().map(|known| known.picks as f64 / 4_000.0).collect();
        [picks[0], picks[1], picks[2]]
    }

    #[test]
    fn a_slow_replica_gets_less_than_a_tenth() {
        let [slow, ..] = shares([300, 10, 10], false);
        assert!(slow < 0.10, "{slow}");
    }

    #[test]
    fn a_replica_that_fails_fast_attracts_traffic() {
        let [failing, ..] = shares([1, 20, 20], true);
        assert!(failing > 0.40, "{failing}");
    }

    #[test]
    fn nothing_is_picked_from_nothing() {
        assert!(picker_of(0, &Arc::new(ManualClock::new()), 1).pick().is_none());
    }

    proptest! {
        #[test]
        fn calls_in_flight_return_to_zero(count in 1_usize..6, ends in prop::collection::vec(any::<Option<bool>>(), 1..80), seed in any::<u64>()) {
            let clock = Arc::new(ManualClock::new());
            let picker = picker_of(count, &clock, seed);
            let picks: Vec<Pick> = ends.iter().filter_map(|_| { clock.advance(Duration::from_millis(3)); picker.pick() }).collect();
            prop_assert_eq!(picks.len(), ends.len());
            for (pick, end) in picks.into_iter().zip(ends) {
                match end { Some(acceptable) => pick.done(acceptable), None => drop(pick) }
            }
            prop_assert!(picker.statistics().iter().all(|known| known.inflight == 0 && known.success <= INITIAL_SUCCESS));
        }
    }
}
