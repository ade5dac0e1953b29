//! The faults in force in this process.

use super::parse::{Effect, FaultError, parse};
use crate::telemetry::span;
use collector_api::vocabulary as word;
use governance::{Clock, Random};
use mall_api::control::{self, FaultSet};
use opentelemetry::KeyValue;
use std::f64::consts::TAU;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tonic::{Code, Status};

/// Standard deviations between the median and the 99th percentile of a normal distribution.
const Z99: f64 = 2.326_347_874;
/// No drawn delay is longer, however long the tail is.
const LONGEST: Duration = Duration::from_mins(1);
/// Faults of one process at most.
const LARGEST: usize = 64;

/// What is in force in this process. Clones share it. Each fault ends by its own clock.
#[derive(Clone)]
pub struct Faults {
    shared: Arc<Shared>,
}

struct Shared {
    instance: String,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    is_any: AtomicBool,
    in_force: RwLock<Arc<[InForce]>>,
}

#[derive(Clone)]
struct InForce {
    words: control::Fault,
    id: Arc<str>,
    effect: Effect,
    ends: Duration,
}

/// An injected error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fault {id} was injected here")]
pub struct Injected {
    /// The fault.
    pub id: Arc<str>,
    /// What the request is answered with.
    pub code: Code,
}

impl From<Injected> for Status {
    fn from(injected: Injected) -> Self {
        Self::new(injected.code, injected.to_string())
    }
}

impl Faults {
    /// Nothing in force on `instance`.
    pub fn new(instance: &str, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let shared = Shared {
            instance: instance.to_owned(),
            clock,
            random,
            is_any: AtomicBool::new(false),
            in_force: RwLock::new(Arc::from([])),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Replaces what is in force, keeping what touches this instance and has not ended at `now` (wall clock). Nothing
    /// changes when one of them makes no sense.
    pub fn apply(&self, set: &FaultSet, now: SystemTime) -> Result<(), FaultError> {
        let now = u64::try_from(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()).unwrap_or(u64::MAX);
        if set.faults.len() > LARGEST {
            return Err(FaultError::TooMany { given: set.faults.len(), most: LARGEST });
        }
        let mut in_force = Vec::new();
        for words in &set.faults {
            let fault = parse(&words.kind, &words.target, &words.params)?;
            // A fault without an end by the wall clock begins now.
            let left = match words.ends_unix_ns {
                0 => Duration::from_millis(words.for_ms),
                ends => Duration::from_nanos(ends.saturating_sub(now)),
            };
            if fault.touches(&self.shared.instance) && fault.effect != Effect::Kill && !left.is_zero() {
                let ends = self.shared.clock.now() + left;
                in_force.push(InForce {
                    words: words.clone(),
                    id: words.id.as_str().into(),
                    effect: fault.effect,
                    ends,
                });
            }
        }
        let is_any = !in_force.is_empty();
        *self.shared.in_force.write().unwrap_or_else(PoisonError::into_inner) = in_force.into();
        self.shared.is_any.store(is_any, Ordering::Relaxed);
        Ok(())
    }

    /// What is in force now.
    pub fn in_force(&self) -> FaultSet {
        let now = self.shared.clock.now();
        let faults = self.shared.in_force.read().unwrap_or_else(PoisonError::into_inner);
        FaultSet { faults: faults.iter().filter(|one| one.ends > now).map(|one| one.words.clone()).collect() }
    }

    /// Lets the faults in force touch the current request: fails at once, or waits. Each one that does is an event of the
    /// current span.
    pub async fn inject(&self) -> Result<(), Injected> {
        self.fail()?;
        self.delay().await;
        Ok(())
    }

    /// Fails the current request when one of the error faults says so; the first wins.
    pub fn fail(&self) -> Result<(), Injected> {
        for one in self.now_in_force().as_deref().unwrap_or_default() {
            if let Effect::Error { rate, code } = one.effect
                && self.shared.random.uniform() < rate
            {
                report(one, None);
                return Err(Injected { id: Arc::clone(&one.id), code });
            }
        }
        Ok(())
    }

    /// Keeps the current request waiting for as long as the latency faults say together.
    pub async fn delay(&self) {
        let mut delay = Duration::ZERO;
        for one in self.now_in_force().as_deref().unwrap_or_default() {
            if let Effect::Latency { p50, p99 } = one.effect {
                let added = self.draw_delay(p50, p99);
                delay += added;
                report(one, Some(added));
            }
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay.min(LONGEST)).await;
        }
    }

    /// The faults that have not ended; `None`, at the cost of one relaxed load, when there are none. What has ended is
    /// forgotten on the way.
    fn now_in_force(&self) -> Option<Arc<[InForce]>> {
        if !self.shared.is_any.load(Ordering::Relaxed) {
            return None;
        }
        let now = self.shared.clock.now();
        let faults = Arc::clone(&self.shared.in_force.read().unwrap_or_else(PoisonError::into_inner));
        if faults.iter().all(|one| one.ends > now) {
            return Some(faults);
        }
        let left: Arc<[InForce]> = faults.iter().filter(|one| one.ends > now).cloned().collect();
        *self.shared.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&left);
        self.shared.is_any.store(!left.is_empty(), Ordering::Relaxed);
        Some(left)
    }

    /// Fixed, or log-normal: the logarithm of the delay is normal with its median at `p50` and its 99th percentile at `p99`.
    fn draw_delay(&self, p50: Duration, p99: Duration) -> Duration {
        if p99 <= p50 || p50.is_zero() {
            return p50;
        }
        let sigma = (p99.as_secs_f64() / p50.as_secs_f64()).ln() / Z99;
        // Box-Muller; 1 - u keeps the logarithm away from zero.
        let (u, v) = (self.shared.random.uniform(), self.shared.random.uniform());
        let normal = (-2.0 * (1.0 - u).ln()).sqrt() * (TAU * v).cos();
        Duration::try_from_secs_f64(p50.as_secs_f64() * (sigma * normal).exp()).unwrap_or(LONGEST)
    }
}

fn report(fault: &InForce, delay: Option<Duration>) {
    span::event(word::FAULT_INJECTED, || {
        let mut attributes = vec![
            KeyValue::new(word::FAULT_ID, Arc::clone(&fault.id)),
            KeyValue::new(word::FAULT_KIND, fault.words.kind.clone()),
        ];
        if let Some(delay) = delay {
            let nanos = i64::try_from(delay.as_nanos()).unwrap_or(i64::MAX);
            attributes.push(KeyValue::new(word::FAULT_DELAY_NS, nanos));
        }
        attributes
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use governance::{ManualClock, SeededRandom};
    use std::collections::HashMap;

    fn faults(clock: &Arc<ManualClock>) -> Faults {
        Faults::new("pay-rpc/1", Arc::clone(clock) as Arc<dyn Clock>, Arc::new(SeededRandom::new(7)))
    }

    fn words(kind: &str, target: &str, pairs: &[(&str, &str)], for_ms: u64) -> control::Fault {
        let params: HashMap<_, _> = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        control::Fault {
            id: "f1".to_owned(),
            kind: kind.to_owned(),
            target: target.to_owned(),
            params,
            for_ms,
            ..control::Fault::default()
        }
    }

    fn set(fault: control::Fault) -> FaultSet {
        FaultSet { faults: vec![fault] }
    }

    #[tokio::test]
    async fn a_fault_ends_by_its_own_clock() {
        let clock = Arc::new(ManualClock::new());
        let faults = faults(&clock);
        assert_eq!(faults.inject().await, Ok(()));
        let failing = words("error", "pay-rpc", &[("code", "INTERNAL")], 10_000);
        faults.apply(&set(failing), SystemTime::now()).expect("makes sense");
        assert_eq!(faults.inject().await, Err(Injected { id: "f1".into(), code: Code::Internal }));
        assert_eq!(faults.in_force().faults.len(), 1);
        clock.advance(Duration::from_secs(10));
        assert_eq!(faults.inject().await, Ok(()));
        assert!(faults.in_force().faults.is_empty());
        assert!(!faults.shared.is_any.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn an_empty_set_ends_everything() {
        let clock = Arc::new(ManualClock::new());
        let faults = faults(&clock);
        faults.apply(&set(words("error", "pay-rpc/1", &[], 1_000)), SystemTime::now()).expect("makes sense");
        faults.apply(&FaultSet::default(), SystemTime::now()).expect("nothing to refuse");
        assert_eq!(faults.inject().await, Ok(()));
    }

    #[test]
    fn other_replicas_and_past_faults_are_left_out() {
        let clock = Arc::new(ManualClock::new());
        let faults = faults(&clock);
        let now = SystemTime::now();
        faults.apply(&set(words("error", "pay-rpc/2", &[], 1_000)), now).expect("makes sense");
        assert!(faults.in_force().faults.is_empty());
        let past = control::Fault { ends_unix_ns: 1, ..words("error", "pay-rpc/1", &[], 1_000) };
        faults.apply(&set(past), now).expect("makes sense");
        assert!(faults.in_force().faults.is_empty());
    }

    #[test]
    fn nonsense_changes_nothing() {
        let clock = Arc::new(ManualClock::new());
        let faults = faults(&clock);
        faults.apply(&set(words("error", "pay-rpc/1", &[], 1_000)), SystemTime::now()).expect("makes sense");
        assert!(faults.apply(&set(words("flood", "pay-rpc/1", &[], 1_000)), SystemTime::now()).is_err());
        assert_eq!(faults.in_force().faults.len(), 1);
    }

    #[test]
    fn delays_have_the_stated_median_and_tail() {
        let faults = faults(&Arc::new(ManualClock::new()));
        let (p50, p99) = (Duration::from_millis(200), Duration::from_secs(2));
        let mut delays: Vec<_> = (0..20_000).map(|_| faults.draw_delay(p50, p99)).collect();
        delays.sort();
        let median = delays[10_000].as_secs_f64();
        let tail = delays[19_800].as_secs_f64();
        assert!((0.19..0.21).contains(&median), "{median}");
        assert!((1.75..2.25).contains(&tail), "{tail}");
        assert_eq!(faults.draw_delay(p50, p50), p50);
    }

    #[test]
    fn a_share_fails_its_share() {
        let faults = faults(&Arc::new(ManualClock::new()));
        faults.apply(&set(words("error", "pay-rpc", &[("rate", "0.6")], 60_000)), SystemTime::now()).expect("valid");
        let failed = (0..10_000).filter(|_| faults.fail().is_err()).count();
        assert!((5_800..6_200).contains(&failed), "{failed}");
    }
}
