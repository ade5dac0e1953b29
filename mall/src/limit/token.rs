//! A bucket of tokens that flow in at a rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use governance::Clock;

use super::bounded::Bounded;
use super::{Evictions, KEYS};
use crate::deadline;
use crate::redis::{Redis, RedisError, Script};
use crate::store::unix_ms;

/// How often Redis is asked whether it is back, while it is away and only then.
const PING: Duration = Duration::from_millis(100);

/// go-zero's TokenLimiter: `rate` tokens flow into a key's bucket each second, which holds at most `burst`.
///
/// Source: go-zero `core/limit/tokenlimit.go`. Across processes the buckets are in Redis and counted in whole seconds.
/// When Redis fails, this process goes on with buckets of its own (the rescue: one token each `1/rate` s, the same
/// burst, full when first used) until a ping, tried every 100 ms, is answered. A request whose deadline passes meanwhile
/// is denied. Without Redis the rescue is all there is.
pub struct TokenLimiter {
    rate: u64,
    burst: u64,
    shared: Option<Shared>,
    rescue: Rescue,
}

struct Shared {
    buckets: RedisBuckets,
    away: Arc<AtomicBool>,
}

/// The buckets of a limit as Redis keeps them.
pub struct RedisBuckets {
    rate: u64,
    burst: u64,
    prefix: String,
    redis: Redis,
    script: Script,
}

struct Rescue {
    clock: Arc<dyn Clock>,
    buckets: Bounded<Bucket>,
    evictions: Evictions,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Duration,
}

/// Whether the tokens were there, and who said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// They were.
    pub allowed: bool,
    /// The process's own bucket decided because Redis did not answer.
    pub rescued: bool,
}

impl TokenLimiter {
    /// Over buckets in Redis when there is one, under `prefix` and the key.
    pub fn new(
        rate: u64,
        burst: u64,
        prefix: impl Into<String>,
        redis: Option<Redis>,
        clock: Arc<dyn Clock>,
        evictions: Evictions,
    ) -> Self {
        let shared = redis.map(|redis| Shared {
            buckets: RedisBuckets::new(rate, burst, prefix, redis),
            away: Arc::new(AtomicBool::new(false)),
        });
        let rescue = Rescue { clock, buckets: Bounded::new(KEYS), evictions };
        Self { rate, burst, shared, rescue }
    }

    /// Takes one token of a key.
    pub async fn take(&self, key: &str) -> Taken {
        let Some(shared) = &self.shared else { return Taken { allowed: self.take_locally(key), rescued: false } };
        if !shared.away.load(Ordering::Relaxed) {
            let now = (unix_ms() / 1_000) as u64;
            match deadline::within(None, shared.buckets.take(key, now, 1)).await {
                Ok(Ok(allowed)) => return Taken { allowed, rescued: false },
                Err(deadline::Expired) => return Taken { allowed: false, rescued: false },
                Ok(Err(error)) => shared.watch(&error),
            }
        }
        Taken { allowed: self.take_locally(key), rescued: true }
    }

    fn take_locally(&self, key: &str) -> bool {
        let (rate, burst) = (self.rate as f64, self.burst as f64);
        let now = self.rescue.clock.now();
        let level = |bucket: &Bucket| (bucket.tokens + now.saturating_sub(bucket.at).as_secs_f64() * rate).min(burst);
        let (allowed, evicted) = self.rescue.buckets.with(
            key,
            || Bucket { tokens: burst, at: now },
            // A full bucket is what a forgotten key has anyway.
            |bucket| level(bucket) < burst,
            |bucket| {
                let filled = level(bucket);
                let allowed = filled >= 1.0;
                *bucket = Bucket { tokens: if allowed { filled - 1.0 } else { filled }, at: now };
                allowed
            },
        );
        self.rescue.evictions.add(evicted);
        allowed
    }
}

impl RedisBuckets {
    /// Under `prefix` and the key. `burst` must be at least half of `rate`: Redis refuses the expiry otherwise.
    pub fn new(rate: u64, burst: u64, prefix: impl Into<String>, redis: Redis) -> Self {
        Self { rate, burst, prefix: prefix.into(), redis, script: Script::new(include_str!("token.lua")) }
    }

    /// Takes tokens of a key at a unix second, all or none; whether they were there.
    pub async fn take(&self, key: &str, now_unix_s: u64, wanted: u64) -> Result<bool, RedisError> {
        // The braces make a cluster keep both keys on one node.
        let (level, at) = (format!("{{{}{key}}}.tokens", self.prefix), format!("{{{}{key}}}.ts", self.prefix));
        let arguments = [self.rate, self.burst, now_unix_s, wanted];
        let reply: Option<i64> = self.script.run(&self.redis, &[&level, &at], &arguments).await?;
        Ok(reply == Some(1))
    }
}

impl Shared {
    /// Leaves Redis alone until it answers a ping.
    fn watch(&self, error: &RedisError) {
        if self.away.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(%error, "rate limit counts within the process until redis answers");
        let (redis, away) = (self.buckets.redis.clone(), Arc::downgrade(&self.away));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(PING).await;
                let Some(away) = away.upgrade() else { return };
                if redis.quiet::<()>(&::redis::cmd("PING")).await.is_ok() {
                    away.store(false, Ordering::Relaxed);
                    tracing::info!("rate limit counts in redis again");
                    return;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governance::ManualClock;

    fn bucket(rate: u64, burst: u64) -> (Arc<ManualClock>, TokenLimiter) {
        let clock = Arc::new(ManualClock::new());
        let limiter = TokenLimiter::new(rate, burst, "", None, clock.clone(), Evictions::default());
        (clock, limiter)
    }

    async fn taken(limiter: &TokenLimiter, key: &str, times: usize) -> usize {
        let mut allowed = 0;
        for _ in 0..times {
            allowed += usize::from(limiter.take(key).await.allowed);
        }
        allowed
    }

    #[tokio::test]
    async fn a_bucket_begins_full_and_fills_at_its_rate() {
        let (clock, limiter) = bucket(10, 5);
        assert_eq!(taken(&limiter, "a", 8).await, 5);
        clock.advance(Duration::from_millis(99));
        assert_eq!(taken(&limiter, "a", 1).await, 0);
        clock.advance(Duration::from_millis(1));
        assert_eq!(taken(&limiter, "a", 2).await, 1);
        clock.advance(Duration::from_hours(1));
        assert_eq!(taken(&limiter, "a", 8).await, 5, "it holds no more than its burst");
        assert_eq!(taken(&limiter, "b", 8).await, 5, "each key has its own");
    }
}
