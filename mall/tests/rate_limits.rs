//! Rate limits over Redis: go-zero's replies, one count for all replicas, and the rescue while Redis is away.

mod servers;

use governance::MonotonicClock;
use mall::config::{self, Per, ServiceConfig};
use mall::deadline;
use mall::limit::{Evictions, Limits, PeriodLimit, PeriodReply, RedisBuckets, Taken, TokenLimiter};
use mall::redis::Redis;
use mall::telemetry::Meters;
use serde::Deserialize;
use servers::redis::{PrivateRedis, shared};
use servers::{Server, test};
use std::sync::Arc;
use std::time::Duration;

#[derive(Deserialize)]
struct Vectors {
    period: Vec<PeriodVector>,
    token: Vec<TokenVector>,
}

#[derive(Deserialize)]
struct PeriodVector {
    quota: u64,
    window_s: u64,
    key: String,
    calls: Vec<PeriodCall>,
}

#[derive(Deserialize)]
struct PeriodCall {
    reply: i64,
    ttl_s: i64,
    value: u64,
}

#[derive(Deserialize)]
struct TokenVector {
    rate: u64,
    burst: u64,
    calls: Vec<TokenCall>,
}

#[derive(Deserialize)]
struct TokenCall {
    now_unix_s: u64,
    requested: u64,
    allowed: bool,
    tokens_after: String,
    ts_after: String,
    ttl_s: i64,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../governance/tests/vectors/redis_limit_lua.json")).expect("vectors")
}

/// Begins the keys of one test.
fn prefix() -> String {
    format!("mall-test:{}:", uuid::Uuid::new_v4())
}

fn open(at: &config::Redis) -> Redis {
    Redis::open(at, &Meters::disabled())
}

async fn remove(redis: &Redis, keys: &[&str]) {
    let _: () = redis.query(redis::cmd("DEL").arg(keys)).await.expect("answers");
}

/// The seconds may have begun to pass.
fn about(ttl: i64, expected: i64) -> bool {
    (expected - 1..=expected).contains(&ttl)
}

async fn replay_period(vector: &PeriodVector) {
    let redis = open(&shared());
    let prefix = prefix();
    let limit = PeriodLimit::shared(vector.quota, vector.window_s, &*prefix, redis.clone());
    let key = format!("{prefix}{}", vector.key);
    for (at, call) in vector.calls.iter().enumerate() {
        let reply = match limit.take(&vector.key).await.expect("answers") {
            PeriodReply::OverQuota => 0,
            PeriodReply::Allowed => 1,
            PeriodReply::HitQuota => 2,
        };
        let mut looks = redis::pipe();
        looks.get(&key).ttl(&key);
        let (value, ttl): (u64, i64) = redis.pipeline(&looks).await.expect("answers");
        assert_eq!((reply, value), (call.reply, call.value), "call {at} of {}", vector.key);
        assert!(about(ttl, call.ttl_s), "{ttl} s");
    }
    let _: () = redis.query(redis::cmd("EXPIRE").arg(&key).arg(7)).await.expect("answers");
    assert!(
        about(limit.ends_in_s(&vector.key).await as i64, vector.window_s.min(7) as i64),
        "what is left of the period"
    );
    remove(&redis, &[&key]).await;
}

async fn replay_tokens(vector: &TokenVector) {
    let redis = open(&shared());
    let prefix = prefix();
    let buckets = RedisBuckets::new(vector.rate, vector.burst, &*prefix, redis.clone());
    let (level, at) = (format!("{{{prefix}key}}.tokens"), format!("{{{prefix}key}}.ts"));
    for (number, call) in vector.calls.iter().enumerate() {
        let allowed = buckets.take("key", call.now_unix_s, call.requested).await.expect("answers");
        // The vectors' seconds do not pass here, so the keys' must not either.
        let mut looks = redis::pipe();
        looks.get(&level).get(&at).ttl(&level).ttl(&at).persist(&level).ignore().persist(&at).ignore();
        let (tokens, ts, level_ttl, at_ttl): (String, String, i64, i64) =
            redis.pipeline(&looks).await.expect("answers");
        let expected = (call.allowed, call.tokens_after.clone(), call.ts_after.clone());
        assert_eq!((allowed, tokens, ts), expected, "call {number} of rate {}, burst {}", vector.rate, vector.burst);
        assert!(about(level_ttl, call.ttl_s) && about(at_ttl, call.ttl_s), "{level_ttl} s, {at_ttl} s");
    }
    remove(&redis, &[&level, &at]).await;
}

fn limiter(rate: u64, burst: u64, redis: Redis) -> TokenLimiter {
    TokenLimiter::new(rate, burst, prefix(), Some(redis), Arc::new(MonotonicClock::new()), Evictions::default())
}

async fn count_allowed(limiter: &TokenLimiter, calls: usize) -> usize {
    let mut allowed = 0;
    for _ in 0..calls {
        allowed += usize::from(limiter.take("key").await.allowed);
    }
    allowed
}

fn limits(redis: &Redis, namespace: &str) -> Limits {
    let mut config = ServiceConfig::new("gateway");
    namespace.clone_into(&mut config.mall.namespace);
    let route = "POST /api/order/create".to_owned();
    config.mall.limits =
        vec![config::Limit { route, per: Per::User, quota: 3, period: 600, ..config::Limit::default() }];
    let clock: Arc<dyn governance::Clock> = Arc::new(MonotonicClock::new());
    Limits::of(&config, Some(redis), &Meters::disabled(), &clock).expect("valid")
}

fn main() {
    let redis = &[Server::Redis];
    servers::run(vec![
        test("period_replies_equal_the_vectors", redis, || async {
            for vector in &vectors().period {
                replay_period(vector).await;
            }
        }),
        test("token_replies_equal_the_vectors", redis, || async {
            for vector in &vectors().token {
                replay_tokens(vector).await;
            }
        }),
        test("an_expiry_of_nothing_is_what_redis_refuses", redis, || async {
            // Why such a limit is refused as a configuration: go-zero would count within the process for ever.
            let buckets = RedisBuckets::new(100, 49, prefix(), open(&shared()));
            let error = buckets.take("key", 1_800_000_000, 1).await.expect_err("no key can live for 0 s");
            assert!(error.to_string().contains("invalid expire time"), "{error}");
        }),
        test("an_aligned_period_ends_with_the_others", redis, || async {
            let redis = open(&shared());
            let prefix = prefix();
            let day = 86_400;
            let limit = PeriodLimit::shared(5, day, &*prefix, redis.clone()).aligned(0);
            let _ = limit.take("key").await.expect("answers");
            let key = format!("{prefix}key");
            let ttl: i64 = redis.query(redis::cmd("TTL").arg(&key)).await.expect("answers");
            let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs() as i64;
            let left = day as i64 - now % day as i64;
            assert!((left - 2..=left + 2).contains(&ttl), "{ttl} s, {left} s are left of the day");
            remove(&redis, &[&key]).await;
        }),
        test("replicas_count_together", redis, || async {
            let namespace = prefix();
            let replicas = [limits(&open(&shared()), &namespace), limits(&open(&shared()), &namespace)];
            let mut passed = 0;
            for at in 0..10 {
                passed += usize::from(replicas[at % 2].check("POST /api/order/create", "7").await.is_ok());
            }
            assert_eq!(passed, 3, "a quota of 3 is one of all replicas");
            assert!(replicas[0].check("POST /api/order/create", "8").await.is_ok(), "another user");
            let states: Vec<_> = replicas.iter().flat_map(Limits::states).collect();
            assert_eq!(states.iter().map(|state| state.allowed).sum::<u64>(), 4);
            assert_eq!(
                states.iter().map(|state| (state.rejected, state.rescued)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)),
                (7, 0)
            );
            let redis = open(&shared());
            let keys = ["7", "8"].map(|user| format!("limit:{namespace}:0:POST /api/order/create:{user}"));
            let there: i64 = redis.query(redis::cmd("EXISTS").arg(&keys)).await.expect("answers");
            assert_eq!(there, 2);
            remove(&redis, &[&keys[0], &keys[1]]).await;
        }),
        test("a_quota_lets_pass_while_redis_is_away_and_counts_it", redis, || async {
            let mut server = PrivateRedis::start().await;
            let redis = open(&server.config());
            redis.connected().await;
            let limits = limits(&redis, "mall");
            server.kill().await;
            for _ in 0..5 {
                assert!(limits.check("POST /api/order/create", "7").await.is_ok());
            }
            let state = limits.states().pop().expect("one limit");
            assert_eq!((state.allowed, state.rejected, state.rescued), (5, 0, 5));
        }),
        test("tokens_are_counted_in_the_process_while_redis_is_away_and_then_there_again", redis, || async {
            let mut server = PrivateRedis::start().await;
            let redis = open(&server.config());
            redis.connected().await;
            let limiter = limiter(1, 4, redis.clone());
            assert_eq!(limiter.take("key").await, Taken { allowed: true, rescued: false });
            server.kill().await;
            assert_eq!(limiter.take("key").await, Taken { allowed: true, rescued: true });
            let allowed = count_allowed(&limiter, 20).await;
            assert!((3..20).contains(&allowed), "the rescue has the burst and the rate too: {allowed} of 20");
            server.restart().await;
            let back = async {
                while limiter.take("other").await.rescued {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), back).await.expect("a ping is answered");
        }),
        test("a_request_out_of_time_is_denied", redis, || async {
            let server = PrivateRedis::start().await;
            let redis = open(&server.config());
            redis.connected().await;
            let limiter = limiter(1, 4, redis.clone());
            server.freeze();
            let taken = deadline::within(Some(Duration::from_millis(50)), limiter.take("key")).await;
            assert_eq!(taken, Ok(Taken { allowed: false, rescued: false }));
            server.thaw();
        }),
    ]);
}
