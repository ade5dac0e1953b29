//! The limits of a configuration, asked for each request.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use collector_api::vocabulary as word;
use governance::Clock;
use mall_api::control::LimiterState;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

use super::{Evictions, PeriodLimit, PeriodReply, TokenLimiter};
use crate::config::{self, Per, ServiceConfig};
use crate::error::{AppError, ErrorCode};
use crate::redis::Redis;
use crate::telemetry::{Meters, span};

/// Every route, each for itself.
const EVERY_ROUTE: &str = "*";
/// Longest part of a caller's name that counts; what a stranger sends must not fill the memory.
const CALLER: usize = 64;

/// Why a limit cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("limit of `{route}`: {mend}")]
pub struct LimitError {
    /// `Route` of the limit.
    pub route: String,
    /// What is wrong, and what to write instead.
    pub mend: Cow<'static, str>,
}

/// A limit refused the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rate limit of {limiter} per {per} is reached: retry later")]
pub struct Rejected {
    /// `Route` of the limit.
    pub limiter: Arc<str>,
    /// What it counts by: `route` or `user`.
    pub per: &'static str,
    /// Seconds after which asking again is worth it: one, or what is left of a quota's period.
    pub retry_after_s: u64,
}

impl From<Rejected> for AppError {
    fn from(rejected: Rejected) -> Self {
        Self::new(ErrorCode::RateLimited, rejected.to_string())
    }
}

/// The rate limits of a process. Cheap to clone.
#[derive(Clone)]
pub struct Limits {
    limits: Arc<[Limit]>,
}

struct Limit {
    route: Arc<str>,
    per: Per,
    limiter: Limiter,
    attributes: [KeyValue; 2],
    counters: Counters,
    allowed: AtomicU64,
    rejected: AtomicU64,
    rescued: AtomicU64,
}

enum Limiter {
    Period(PeriodLimit),
    Token(Box<TokenLimiter>),
}

#[derive(Clone)]
struct Counters {
    passes: Counter<u64>,
    rejections: Counter<u64>,
    rescues: Counter<u64>,
}

/// What one limit says.
struct Verdict {
    allowed: bool,
    rescued: bool,
    retry_after_s: u64,
}

impl Limits {
    /// The limits of `Mall.Limits`, counted in `redis` when there is one, each metric at zero from the start.
    pub fn of(
        config: &ServiceConfig,
        redis: Option<&Redis>,
        meters: &Meters,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, LimitError> {
        let counter = |name: &'static str| meters.meter().u64_counter(name).build();
        let (passes, rejections) = meters.limiter();
        let counters = Counters { passes, rejections, rescues: counter(word::LIMITER_RESCUES) };
        let evictions = counter(word::LIMITER_EVICTIONS);
        let limits = config.mall.limits.iter().enumerate().map(|(at, limit)| {
            validate(limit)?;
            // The place in the list tells two limits of one route apart; replicas have the same list.
            let prefix = format!("limit:{}:{at}:", config.mall.namespace);
            let attributes = [
                KeyValue::new(word::LIMITER_NAME, limit.route.clone()),
                KeyValue::new(word::LIMITER_KEY, name_of(limit.per)),
            ];
            let evictions = Evictions::on(evictions.clone(), attributes.clone());
            let limiter = match (limit.rate, redis) {
                (0, Some(redis)) => {
                    Limiter::Period(PeriodLimit::shared(limit.quota, limit.period, prefix, redis.clone()))
                }
                (0, None) => {
                    Limiter::Period(PeriodLimit::local(limit.quota, limit.period, Arc::clone(clock), evictions))
                }
                (rate, redis) => {
                    let clock = Arc::clone(clock);
                    let limiter = TokenLimiter::new(rate, limit.burst, prefix, redis.cloned(), clock, evictions);
                    Limiter::Token(Box::new(limiter))
                }
            };
            Ok(Limit::new(limit, limiter, attributes, counters.clone()))
        });
        Ok(Self { limits: limits.collect::<Result<_, LimitError>>()? })
    }

    /// Whether there are none: then nothing needs to be asked.
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// Counts a request of `route` (`POST /api/order/create`: the pattern, never the path) by `caller`: the user's id, or
    /// the client's address where nobody is logged in. Every limit of the route must let it pass; the first that does not
    /// is told, counted, and an event of the current span.
    pub async fn check(&self, route: &str, caller: &str) -> Result<(), Rejected> {
        for limit in self.limits.iter().filter(|limit| limit.applies_to(route)) {
            let verdict = limit.ask(route, caller).await;
            limit.count(&verdict)?;
        }
        Ok(())
    }

    /// Every limit as it stands, for the Admin service.
    pub fn states(&self) -> Vec<LimiterState> {
        let state = |limit: &Limit| LimiterState {
            name: limit.route.to_string(),
            per: name_of(limit.per).to_owned(),
            allowed: limit.allowed.load(Ordering::Relaxed),
            rejected: limit.rejected.load(Ordering::Relaxed),
            rescued: limit.rescued.load(Ordering::Relaxed),
        };
        self.limits.iter().map(state).collect()
    }
}

impl Limit {
    fn new(limit: &config::Limit, limiter: Limiter, attributes: [KeyValue; 2], counters: Counters) -> Self {
        for counter in [&counters.passes, &counters.rejections, &counters.rescues] {
            counter.add(0, &attributes);
        }
        let zero = || AtomicU64::new(0);
        Self {
            route: limit.route.as_str().into(),
            per: limit.per,
            limiter,
            attributes,
            counters,
            allowed: zero(),
            rejected: zero(),
            rescued: zero(),
        }
    }

    fn applies_to(&self, route: &str) -> bool {
        &*self.route == EVERY_ROUTE || &*self.route == route
    }

    async fn ask(&self, route: &str, caller: &str) -> Verdict {
        let key = match self.per {
            Per::Route => Cow::Borrowed(route),
            Per::User => {
                let end = caller.char_indices().nth(CALLER).map_or(caller.len(), |(at, _)| at);
                Cow::Owned(format!("{route}:{}", &caller[..end]))
            }
        };
        match &self.limiter {
            Limiter::Token(limiter) => {
                let taken = limiter.take(&key).await;
                // A token flows in every second.
                Verdict { allowed: taken.allowed, rescued: taken.rescued, retry_after_s: 1 }
            }
            Limiter::Period(limiter) => match limiter.take(&key).await {
                Ok(PeriodReply::OverQuota) => {
                    Verdict { allowed: false, rescued: false, retry_after_s: limiter.ends_in_s(&key).await }
                }
                Ok(_) => Verdict { allowed: true, rescued: false, retry_after_s: 0 },
                // The span of the failed command tells the rest; a limit must not be what takes the shop down.
                Err(_away) => Verdict { allowed: true, rescued: true, retry_after_s: 0 },
            },
        }
    }

    fn count(&self, verdict: &Verdict) -> Result<(), Rejected> {
        if verdict.rescued {
            self.rescued.fetch_add(1, Ordering::Relaxed);
            self.counters.rescues.add(1, &self.attributes);
        }
        if verdict.allowed {
            self.allowed.fetch_add(1, Ordering::Relaxed);
            self.counters.passes.add(1, &self.attributes);
            return Ok(());
        }
        self.rejected.fetch_add(1, Ordering::Relaxed);
        self.counters.rejections.add(1, &self.attributes);
        span::event(word::LIMITER_REJECT, || self.attributes.to_vec());
        let retry_after_s = verdict.retry_after_s;
        Err(Rejected { limiter: Arc::clone(&self.route), per: name_of(self.per), retry_after_s })
    }
}

fn name_of(per: Per) -> &'static str {
    match per {
        Per::Route => "route",
        Per::User => "user",
    }
}

/// Refuses what cannot work, and what would work otherwise than it reads.
fn validate(limit: &config::Limit) -> Result<(), LimitError> {
    let quota = (limit.quota, limit.period);
    let rate = (limit.rate, limit.burst);
    let refused = |mend| Err(LimitError { route: limit.route.clone(), mend });
    match (quota, rate) {
        _ if limit.route.is_empty() => {
            refused("Route is missing; write a method and a pattern such as `POST /api/order/create`, or `*`".into())
        }
        // Redis refuses an expiry of 0 s, which is floor(2 * burst / rate) here; go-zero then counts within each process
        // for ever and does not say so.
        ((0, 0), (rate @ 1.., burst @ 1..)) if burst.saturating_mul(2) < rate => {
            let least = rate.div_ceil(2);
            refused(format!("Burst {burst} is below half of Rate {rate}; write a Burst of at least {least}").into())
        }
        ((1.., 1..), (0, 0)) | ((0, 0), (1.., 1..)) => Ok(()),
        _ => refused("write either Quota and Period, or Rate and Burst, each at least 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governance::ManualClock;

    fn quota(route: &str, per: Per, quota: u64) -> config::Limit {
        config::Limit { route: route.to_owned(), per, quota, period: 60, ..config::Limit::default() }
    }

    fn limits(limits: Vec<config::Limit>) -> Result<Limits, LimitError> {
        let mut config = ServiceConfig::new("gateway");
        config.mall.limits = limits;
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
        Limits::of(&config, None, &Meters::disabled(), &clock)
    }

    #[tokio::test]
    async fn users_are_counted_apart_and_routes_together() {
        let per_user = limits(vec![quota("POST /a", Per::User, 1)]).expect("valid");
        assert_eq!(per_user.check("POST /a", "1").await, Ok(()));
        assert_eq!(per_user.check("POST /a", "2").await, Ok(()));
        let rejected = per_user.check("POST /a", "1").await.expect_err("over the quota");
        assert_eq!((&*rejected.limiter, rejected.per, rejected.retry_after_s), ("POST /a", "user", 60));
        assert_eq!(per_user.check("POST /b", "1").await, Ok(()), "another route");

        let per_route = limits(vec![quota("*", Per::Route, 1)]).expect("valid");
        assert_eq!(per_route.check("POST /a", "1").await, Ok(()));
        assert_eq!(per_route.check("POST /b", "1").await, Ok(()), "each route for itself");
        assert!(per_route.check("POST /a", "2").await.is_err());
    }

    #[tokio::test]
    async fn what_was_decided_is_told() {
        let limits = limits(vec![quota("POST /a", Per::Route, 2), quota("*", Per::User, 1)]).expect("valid");
        for caller in ["1", "1", "2"] {
            let _ = limits.check("POST /a", caller).await;
        }
        let told: Vec<_> =
            limits.states().into_iter().map(|state| (state.name, state.per, state.allowed, state.rejected)).collect();
        // The second call passed the first limit and not the second; the third did not come to the second.
        assert_eq!(told, [("POST /a".into(), "route".into(), 2, 1), ("*".into(), "user".into(), 1, 1)]);
    }

    #[test]
    fn a_limit_that_cannot_work_is_refused_with_its_mend() {
        let token = |rate, burst| config::Limit { route: "*".into(), rate, burst, ..config::Limit::default() };
        assert!(limits(vec![token(100, 50)]).is_ok());
        let error = limits(vec![token(100, 49)]).err().expect("its expiry would be 0 s");
        assert!(error.to_string().contains("at least 50"), "{error}");
        let both = config::Limit { quota: 1, period: 1, ..token(1, 1) };
        let neither = config::Limit { route: "*".into(), ..config::Limit::default() };
        let nowhere = quota("", Per::Route, 1);
        for wrong in [both, neither, nowhere, token(1, 0), quota("*", Per::User, 0)] {
            assert!(limits(vec![wrong.clone()]).is_err(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn a_callers_name_counts_as_far_as_it_is_reasonable() {
        let limits = limits(vec![quota("*", Per::User, 1)]).expect("valid");
        let name = "ü".repeat(CALLER);
        assert_eq!(limits.check("GET /", &name).await, Ok(()));
        assert!(limits.check("GET /", &format!("{name}and more")).await.is_err());
    }
}
