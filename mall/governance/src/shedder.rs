//! go-zero's adaptive shedder: refuses work when the processor is busy and more is in flight than the service can finish.
//!
//! Over a window of 5 s (50 buckets of 100 ms, the one that is filling left out):
//!
//! ```text
//! max_flight = max(1, max_pass · min_rt · 10 / 1000)            passes per bucket, milliseconds
//! limit      = max_flight · clamp((1000 − cpu) / (1000 − threshold), 0.1, 1)
//! drop       ⇔ (cpu ≥ threshold or dropped within the last second of an overload) and avg_flying > limit and flying > limit
//! ```
//!
//! Source: go-zero `core/load/adaptiveshedder.go`, after BBR. `cpu` is given in thousandths by an injected reader.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::window::{RollingWindow, Tally};
use crate::{Environment, ShedReport, lock};

const COOL_OFF: Duration = Duration::from_secs(1);
const FLYING_KEEP: f64 = 0.9;
/// Not `1.0 - FLYING_KEEP`, which is not 0.1 in binary: go-zero's compiler folds its constants exactly.
const FLYING_TAKE: f64 = 0.1;
const CPU_MAX: f64 = 1_000.0;
const LOWEST_FACTOR: f64 = 0.1;
const DEFAULT_MIN_RT_MS: f64 = 1_000.0;

/// Reads the processor share in use, in thousandths.
pub type CpuReader = Arc<dyn Fn() -> u32 + Send + Sync>;

/// Parameters of a shedder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Length of the window.
    pub window: Duration,
    /// Buckets of the window, at least 1.
    pub buckets: u32,
    /// Thousandths of the processor share from which a service counts as overloaded, below 1,000.
    pub cpu_threshold: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { window: Duration::from_secs(5), buckets: 50, cpu_threshold: 900 }
    }
}

/// A shedder. Clones share state.
#[derive(Clone)]
pub struct Shedder {
    shared: Arc<Shared>,
}

struct Shared {
    threshold: u32,
    /// Buckets a second over milliseconds a second: turns passes per bucket times milliseconds into calls in flight.
    scale: f64,
    cpu: CpuReader,
    environment: Environment,
    state: Mutex<State>,
}

struct State {
    flying: i64,
    avg_flying: f64,
    overloaded_at: Option<Duration>,
    dropped_recently: bool,
    passes: RollingWindow<Tally>,
    times: RollingWindow<Tally>,
}

/// What a shedder knows at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Snapshot {
    /// Requests in flight.
    pub flying: i64,
    /// Its moving average, updated by completions.
    pub avg_flying: f64,
    /// Most passes in one bucket, at least 1.
    pub max_pass: i64,
    /// Smallest mean response time of a bucket, milliseconds, at most 1,000.
    pub min_rt_ms: f64,
    /// Requests that the service can have in flight.
    pub max_flight: f64,
    /// What remains of that at the current processor share, 0.1 to 1.
    pub factor: f64,
    /// Whether something was dropped since the service last cooled off.
    pub dropped_recently: bool,
    /// When it was last overloaded.
    pub overloaded_at: Option<Duration>,
}

/// A request was refused.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("service overloaded")]
pub struct Overloaded {
    /// What it was refused on.
    pub report: ShedReport,
}

/// The right to handle one request; dropping it counts as a failure.
#[must_use = "dropping a permit counts the request as failed"]
pub struct Permit {
    shared: Arc<Shared>,
    began: Duration,
    is_done: bool,
}

impl Shedder {
    /// A shedder that reads the processor share from `cpu`.
    pub fn new(settings: Settings, cpu: CpuReader, environment: Environment) -> Self {
        let buckets = settings.buckets.max(1);
        let interval = settings.window / buckets;
        let now = environment.clock.now();
        let window = || RollingWindow::new(buckets as usize, interval, true, now);
        let state = State {
            flying: 0,
            avg_flying: 0.0,
            overloaded_at: None,
            dropped_recently: false,
            passes: window(),
            times: window(),
        };
        let per_second = (Duration::from_secs(1).as_nanos() / interval.as_nanos().max(1)) as f64;
        let scale = per_second / 1_000.0;
        let state = Mutex::new(state);
        Self { shared: Arc::new(Shared { threshold: settings.cpu_threshold.min(999), scale, cpu, environment, state }) }
    }

    /// Asks to handle one request.
    pub fn allow(&self) -> Result<Permit, Overloaded> {
        let shared = &self.shared;
        let now = shared.environment.clock.now();
        let cpu = (shared.cpu)();
        let refused = {
            let mut state = lock(&shared.state);
            let hot = state.is_overloaded(cpu, shared.threshold, now) || state.is_still_hot(now);
            let refused = if hot { shared.over_limit(&state, cpu, now) } else { None };
            match refused {
                Some(_) => state.dropped_recently = true,
                None => state.flying += 1,
            }
            refused
        };
        match refused {
            Some(report) => {
                shared.environment.observer.shed(&report);
                Err(Overloaded { report })
            }
            None => Ok(Permit { shared: Arc::clone(shared), began: now, is_done: false }),
        }
    }

    /// What the shedder knows now.
    pub fn snapshot(&self) -> Snapshot {
        let now = self.shared.environment.clock.now();
        let cpu = (self.shared.cpu)();
        let state = lock(&self.shared.state);
        let (max_pass, min_rt_ms) = (state.max_pass(now), state.min_rt_ms(now));
        Snapshot {
            flying: state.flying,
            avg_flying: state.avg_flying,
            max_pass,
            min_rt_ms,
            max_flight: self.shared.max_flight(&state, now),
            factor: self.shared.factor(cpu),
            dropped_recently: state.dropped_recently,
            overloaded_at: state.overloaded_at,
        }
    }
}

impl std::fmt::Debug for Shedder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Shedder").field("threshold", &self.shared.threshold).finish_non_exhaustive()
    }
}

impl Shared {
    fn over_limit(&self, state: &State, cpu: u32, now: Duration) -> Option<ShedReport> {
        let limit = self.max_flight(state, now) * self.factor(cpu);
        let over = state.avg_flying > limit && state.flying as f64 > limit;
        over.then_some(ShedReport { cpu, limit, flying: state.flying, avg_flying: state.avg_flying })
    }

    fn max_flight(&self, state: &State, now: Duration) -> f64 {
        (state.max_pass(now) as f64 * state.min_rt_ms(now) * self.scale).max(1.0)
    }

    fn factor(&self, cpu: u32) -> f64 {
        ((CPU_MAX - f64::from(cpu)) / (CPU_MAX - f64::from(self.threshold))).clamp(LOWEST_FACTOR, 1.0)
    }
}

impl State {
    fn is_overloaded(&mut self, cpu: u32, threshold: u32, now: Duration) -> bool {
        if cpu < threshold {
            return false;
        }
        self.overloaded_at = Some(now);
        true
    }

    fn is_still_hot(&mut self, now: Duration) -> bool {
        let (true, Some(at)) = (self.dropped_recently, self.overloaded_at) else {
            return false;
        };
        let hot = now.saturating_sub(at) < COOL_OFF;
        self.dropped_recently = hot;
        hot
    }

    fn max_pass(&self, now: Duration) -> i64 {
        self.passes.visit(now).map(|bucket| bucket.sum).fold(1, i64::max)
    }

    fn min_rt_ms(&self, now: Duration) -> f64 {
        let filled = self.times.visit(now).filter(|bucket| bucket.count > 0);
        filled.map(|bucket| (bucket.sum as f64 / bucket.count as f64).round()).fold(DEFAULT_MIN_RT_MS, f64::min)
    }

    fn complete(&mut self) {
        self.flying -= 1;
        // Only completions move the average: it is meant to lag behind a burst of arrivals.
        self.avg_flying = self.avg_flying * FLYING_KEEP + self.flying as f64 * FLYING_TAKE;
    }
}

impl Permit {
    /// The request was answered.
    pub fn pass(mut self) {
        self.is_done = true;
        let now = self.shared.environment.clock.now();
        let elapsed = now.saturating_sub(self.began);
        let millis = elapsed.as_nanos().div_ceil(1_000_000) as i64;
        let mut state = lock(&self.shared.state);
        state.complete();
        state.times.add(now, millis);
        state.passes.add(now, 1);
    }

    /// The request failed: it says nothing about how fast the service is.
    pub fn fail(self) {
        drop(self);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_done {
            lock(&self.shared.state).complete();
        }
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Permit").field("began", &self.began).finish_non_exhaustive()
    }
}
