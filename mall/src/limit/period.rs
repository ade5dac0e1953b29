//! At most so many calls in a period.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use governance::Clock;
use governance::limit::{PeriodReply, period_reply};

use super::bounded::Bounded;
use super::{Evictions, KEYS};
use crate::redis::{Redis, RedisError, Script};

/// go-zero's PeriodLimit: at most `quota` calls of a key in a period that begins with its first call.
///
/// Source: go-zero `core/limit/periodlimit.go`. Across processes it counts in Redis; when Redis fails the error is the
/// caller's, who decides whether the call passes. Without Redis the period is counted in this process alone.
pub struct PeriodLimit {
    quota: u64,
    seconds: u64,
    alignment: Option<i64>,
    prefix: String,
    counts: Counts,
}

enum Counts {
    Shared { redis: Redis, script: Script },
    Local(Box<Local>),
}

struct Local {
    clock: Arc<dyn Clock>,
    periods: Bounded<Period>,
    evictions: Evictions,
}

#[derive(Clone, Copy)]
struct Period {
    count: u64,
    ends: Duration,
}

impl PeriodLimit {
    /// Counted in Redis, under `prefix` and the key.
    pub fn shared(quota: u64, seconds: u64, prefix: impl Into<String>, redis: Redis) -> Self {
        let counts = Counts::Shared { redis, script: Script::new(include_str!("period.lua")) };
        Self { quota, seconds, alignment: None, prefix: prefix.into(), counts }
    }

    /// Counted in this process, for at most 20,000 keys at a time; `evictions` counts the periods that were forgotten
    /// before their end.
    pub fn local(quota: u64, seconds: u64, clock: Arc<dyn Clock>, evictions: Evictions) -> Self {
        let counts = Counts::Local(Box::new(Local { clock, periods: Bounded::new(KEYS), evictions }));
        Self { quota, seconds, alignment: None, prefix: String::new(), counts }
    }

    /// Periods that end together, at multiples of their length in the local time `offset_s` seconds east of UTC: a limit
    /// per day ends at midnight. go-zero's option Align.
    #[must_use]
    pub fn aligned(mut self, offset_s: i64) -> Self {
        self.alignment = Some(offset_s);
        self
    }

    /// Counts one call of a key.
    pub async fn take(&self, key: &str) -> Result<PeriodReply, RedisError> {
        let window = self.window(SystemTime::now());
        match &self.counts {
            Counts::Shared { redis, script } => {
                let key = format!("{}{key}", self.prefix);
                let reply: i64 = script.run(redis, &[&key], &[self.quota, window]).await?;
                Ok(match reply {
                    1 => PeriodReply::Allowed,
                    2 => PeriodReply::HitQuota,
                    _ => PeriodReply::OverQuota,
                })
            }
            Counts::Local(local) => Ok(period_reply(local.count(key, window), self.quota)),
        }
    }

    /// Seconds until the period of a key ends, at least one: when a refused caller may ask again. One more question to
    /// Redis, where that counts; when it does not answer, the length of a whole period.
    pub async fn ends_in_s(&self, key: &str) -> u64 {
        let left = match &self.counts {
            Counts::Shared { redis, .. } => {
                let left = redis.query::<i64>(::redis::cmd("TTL").arg(format!("{}{key}", self.prefix))).await;
                // Negative: the key has gone meanwhile, or lives for ever.
                left.ok().map(|left| u64::try_from(left).unwrap_or(0))
            }
            Counts::Local(local) => Some(local.ends_in(key).as_secs_f64().ceil() as u64),
        };
        left.unwrap_or(self.seconds).clamp(1, self.seconds.max(1))
    }

    /// Seconds of a period that begins now.
    fn window(&self, now: SystemTime) -> u64 {
        let Some(offset) = self.alignment else { return self.seconds };
        let unix = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        let length = (self.seconds as i64).max(1);
        (length - (unix + offset).rem_euclid(length)) as u64
    }
}

impl Local {
    /// Which call of its period this one is, from 1; a period that begins now is `window` seconds long.
    fn count(&self, key: &str, window: u64) -> u64 {
        let now = self.clock.now();
        let fresh = || Period { count: 0, ends: now + Duration::from_secs(window) };
        let (count, evicted) = self.periods.with(
            key,
            fresh,
            |period| period.ends > now,
            |period| {
                if period.ends <= now {
                    *period = fresh();
                }
                period.count += 1;
                period.count
            },
        );
        self.evictions.add(evicted);
        count
    }
}

impl Local {
    /// What is left of a key's period; nothing where none is known.
    fn ends_in(&self, key: &str) -> Duration {
        let now = self.clock.now();
        let known =
            self.periods.with(key, || Period { count: 0, ends: now }, |period| period.ends > now, |period| period.ends);
        self.evictions.add(known.1);
        known.0.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governance::ManualClock;

    #[tokio::test]
    async fn a_period_ends_and_the_next_one_counts_anew() {
        let clock = Arc::new(ManualClock::new());
        let limit = PeriodLimit::local(2, 10, clock.clone(), Evictions::default());
        let replies = [limit.take("a").await, limit.take("a").await, limit.take("a").await, limit.take("b").await];
        let replies = replies.map(|reply| reply.expect("needs no server"));
        let expected = [PeriodReply::Allowed, PeriodReply::HitQuota, PeriodReply::OverQuota, PeriodReply::Allowed];
        assert_eq!(replies, expected);
        assert_eq!(limit.ends_in_s("a").await, 10);
        clock.advance(Duration::from_millis(8_500));
        assert_eq!((limit.ends_in_s("a").await, limit.ends_in_s("unknown").await), (2, 1));
        clock.advance(Duration::from_millis(500));
        assert_eq!(limit.take("a").await.expect("needs no server"), PeriodReply::OverQuota);
        clock.advance(Duration::from_secs(1));
        assert_eq!(limit.take("a").await.expect("needs no server"), PeriodReply::Allowed);
    }

    #[test]
    fn an_aligned_period_ends_at_the_next_multiple_of_its_length() {
        let day = 86_400;
        let limit = PeriodLimit::local(1, day, Arc::new(ManualClock::new()), Evictions::default());
        let noon = UNIX_EPOCH + Duration::from_secs(day * 20_000 + day / 2);
        assert_eq!(limit.window(noon), day);
        let limit = limit.aligned(0);
        assert_eq!(limit.window(noon), day / 2);
        assert_eq!(limit.aligned(3_600).window(noon), day / 2 - 3_600);
    }
}
