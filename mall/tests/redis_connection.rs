//! The connection to Redis: it answers, it fails at once while the server is away, and it comes back by itself.

mod figures;
mod servers;

use figures::Figures;
use mall::config;
use mall::redis::{Redis, RedisError, Script};
use mall::telemetry::Meters;
use servers::redis::{PrivateRedis, shared};
use servers::{Server, test};
use std::time::Duration;

fn open(at: &config::Redis) -> Redis {
    Redis::open(at, &Meters::disabled())
}

async fn ping(redis: &Redis) -> Result<String, RedisError> {
    redis.query(&redis::cmd("PING")).await
}

fn main() {
    let redis = &[Server::Redis];
    servers::run(vec![
        test("a_nil_reply_is_an_answer", redis, || async {
            let figures = Figures::new();
            let redis = Redis::open(&shared(), &figures.meters());
            let missing: Option<String> =
                redis.query(redis::cmd("GET").arg("mall-test:never-set")).await.expect("answers");
            assert_eq!(missing, None);
            assert_eq!(figures.of("redis_client_requests_duration_ms_count", &[("command", "get")]), 1);
        }),
        test("an_error_reply_names_the_command_and_leaves_the_connection", redis, || async {
            let redis = open(&shared());
            let error = redis.query::<i64>(redis::cmd("GET").arg("two").arg("keys")).await.expect_err("refused");
            assert!(matches!(error, RedisError::Refused { command: "GET", .. }), "{error}");
            assert!(redis.is_connected());
            assert_eq!(ping(&redis).await.expect("answers"), "PONG");
        }),
        test("a_script_is_sent_when_the_server_does_not_know_it", redis, || async {
            let redis = open(&shared());
            let script = Script::new("return KEYS[1] .. ARGV[1]");
            for _ in 0..2 {
                let text: String = script.run(&redis, &["key-"], &["argument"]).await.expect("runs");
                assert_eq!(text, "key-argument");
            }
        }),
        test("many_at_once_share_a_connection", redis, || async {
            let redis = open(&shared());
            let calls = (0..1_000_i64).map(|number| {
                let redis = redis.clone();
                async move { redis.query::<i64>(redis::cmd("ECHO").arg(number)).await.expect("answers") }
            });
            assert_eq!(futures::future::join_all(calls).await, (0..1_000).collect::<Vec<_>>());
        }),
        test("a_server_that_is_not_there_fails_at_once_and_says_so", redis, || async {
            let free =
                std::net::TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a free port");
            let figures = Figures::new();
            let away = config::Redis { host: free.to_string(), ..config::Redis::default() };
            let redis = Redis::open(&away, &figures.meters());
            let error = ping(&redis).await.expect_err("nobody listens");
            assert!(matches!(error, RedisError::Away { .. }), "{error}");
            assert!(error.to_string().contains(&free.to_string()), "{error}");
            assert_eq!(figures.of("redis_client_requests_error_total", &[("command", "ping")]), 1);
        }),
        test("a_server_that_is_silent_costs_one_attempt_and_then_nothing", redis, || async {
            // It accepts and never says a word: the greeting runs out of time once, and whoever comes later is told at once.
            let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
            let host = silent.local_addr().expect("has an address").to_string();
            let redis = open(&config::Redis { host, ..config::Redis::default() });
            assert!(matches!(ping(&redis).await, Err(RedisError::Away { .. })));
            let at_once = futures::FutureExt::now_or_never(ping(&redis)).expect("nobody waits for the next attempt");
            assert!(matches!(at_once, Err(RedisError::Away { .. })));
        }),
        test("a_killed_server_fails_at_once_and_a_restarted_one_is_found_again", redis, || async {
            let mut server = PrivateRedis::start().await;
            let redis = open(&server.config());
            redis.connected().await;
            let _: () = redis.query(redis::cmd("SET").arg("kept").arg(1)).await.expect("answers");
            server.kill().await;
            // The first command may meet the end of the old connection; those after it find none.
            let _ = ping(&redis).await.expect_err("the server is dead");
            let error = ping(&redis).await.expect_err("the server is dead");
            assert!(matches!(error, RedisError::Away { .. }), "{error}");
            server.restart().await;
            redis.connected().await;
            assert_eq!(ping(&redis).await.expect("is back"), "PONG");
        }),
        test("a_frozen_server_costs_one_wait_and_not_one_each", redis, || async {
            let server = PrivateRedis::start().await;
            let redis = open(&server.config());
            redis.connected().await;
            server.freeze();
            let error = ping(&redis).await.expect_err("the server is frozen");
            assert!(matches!(error, RedisError::Late { .. }), "{error}");
            let error = ping(&redis).await.expect_err("the server is frozen");
            assert!(matches!(error, RedisError::Away { .. }), "{error}");
            let at_once = futures::FutureExt::now_or_never(ping(&redis)).expect("nobody waits for a frozen server");
            assert!(matches!(at_once, Err(RedisError::Away { .. })));
            server.thaw();
            redis.connected().await;
            assert_eq!(ping(&redis).await.expect("is back"), "PONG");
        }),
        test("a_blocking_read_holds_up_nobody", redis, || async {
            let redis = open(&shared());
            let mut reader = redis.dedicated().await.expect("connects");
            let key = format!("mall-test:{}", uuid::Uuid::new_v4());
            let blocked = tokio::spawn({
                let key = key.clone();
                async move {
                    reader
                        .query::<(String, String)>(redis::cmd("BLPOP").arg(key).arg(10), Duration::from_secs(11))
                        .await
                }
            });
            let _: i64 = redis.query(redis::cmd("LPUSH").arg(&key).arg("work")).await.expect("is not held up");
            assert_eq!(blocked.await.expect("ends").expect("was given work"), (key, "work".to_owned()));
        }),
        test("patience_of_a_blocking_read_ends", redis, || async {
            let redis = open(&shared());
            let mut reader = redis.dedicated().await.expect("connects");
            let cmd = redis::cmd("BLPOP").arg("mall-test:never-pushed").arg(0).clone();
            let error =
                reader.query::<Option<(String, String)>>(&cmd, Duration::from_millis(20)).await.expect_err("runs out");
            assert!(matches!(error, RedisError::Late { .. }), "{error}");
        }),
    ]);
}
