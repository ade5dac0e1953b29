//! Rows beside their database: go-zero's cache-aside, in Redis and in the process's memory.

mod figures;
mod servers;

use figures::Figures;
use futures::future::join_all;
use mall::cache::{Cache, CacheError, LocalNode, Node, RedisNode};
use mall::config::{self, ServiceConfig};
use mall::context::ServiceContext;
use mall::discovery::Static;
use mall::redis::Redis;
use mall::store::StoreError;
use mall::telemetry::Meters;
use mall::user::{CachedUsers, NewUser, Profile, UserRepository, UserRow};
use serde::{Deserialize, Serialize};
use servers::redis::{PrivateRedis, shared};
use servers::{Server, test};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longest wait for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    name: String,
}

fn row(name: &str) -> Row {
    Row { name: name.to_owned() }
}

/// A process with keys of its own.
fn context() -> ServiceContext {
    counted(Meters::disabled())
}

fn counted(meters: Meters) -> ServiceContext {
    let mut config = ServiceConfig::new("test");
    config.mall.namespace = format!("test-{}", uuid::Uuid::new_v4());
    ServiceContext::new(config, meters, Arc::new(Static::new()))
}

fn in_memory() -> Cache {
    Cache::new(&context(), "row", vec![(LocalNode::new().shared(), "memory".to_owned(), 100)])
}

fn on(context: &ServiceContext, at: &config::Redis) -> (Cache, Redis) {
    let redis = context.redis(at);
    let nodes = vec![(RedisNode::new(redis.clone()).shared(), at.host.clone(), 100)];
    (Cache::new(context, "row", nodes), redis)
}

fn on_redis() -> (Cache, Redis) {
    on(&context(), &shared())
}

/// A database of one row that counts how often it is asked.
#[derive(Default)]
struct Database {
    asked: AtomicUsize,
    row: Mutex<Option<Row>>,
}

impl Database {
    fn holding(name: &str) -> Self {
        Self { row: Mutex::new(Some(row(name))), ..Self::default() }
    }

    async fn query(&self) -> Result<Option<Row>, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        // Others get their turn before the answer is there.
        tokio::task::yield_now().await;
        Ok(self.row.lock().expect("not poisoned").clone())
    }

    fn write(&self, name: &str) {
        *self.row.lock().expect("not poisoned") = Some(row(name));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn raw(redis: &Redis, key: &str) -> Option<String> {
    redis.query(redis::cmd("GET").arg(key)).await.expect("answers")
}

async fn set_raw(redis: &Redis, key: &str, value: &str) {
    let _: () = redis.query(redis::cmd("SETEX").arg(key).arg(600).arg(value)).await.expect("answers");
}

async fn ttl(redis: &Redis, key: &str) -> u64 {
    redis.query(redis::cmd("TTL").arg(key)).await.expect("answers")
}

async fn remove(redis: &Redis, key: &str) {
    let _: () = redis.query(redis::cmd("DEL").arg(key)).await.expect("answers");
}

async fn until_gone(redis: &Redis, key: &str) {
    let gone = async {
        while !matches!(redis.query::<Option<String>>(redis::cmd("GET").arg(key)).await, Ok(None)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the key is deleted");
}

async fn reads_once_and_forgets_what_changes(cache: Cache) {
    let database = Database::holding("old");
    let key = cache.key("id", 1);
    for _ in 0..3 {
        assert_eq!(cache.take(&key, database.query()).await.expect("found"), Some(row("old")));
    }
    assert_eq!(database.asked(), 1);
    cache.exec(vec![key.clone()], async { database.write("refused") }, |()| false).await;
    assert_eq!(cache.take(&key, database.query()).await.expect("found"), Some(row("old")), "nothing was changed");
    cache.exec(vec![key.clone()], async { database.write("new") }, |()| true).await;
    assert_eq!(cache.take(&key, database.query()).await.expect("found"), Some(row("new")));
    assert_eq!(database.asked(), 2);
    cache.exec(vec![key], async {}, |()| true).await;
}

async fn one_asks_for_all(cache: Cache) {
    let database = Database::holding("wanted");
    let key = cache.key("id", 1);
    let rows = join_all((0..50).map(|_| cache.take(&key, database.query()))).await;
    assert!(rows.into_iter().all(|found| found.expect("found") == Some(row("wanted"))));
    assert_eq!(database.asked(), 1);
    cache.exec(vec![key], async {}, |()| true).await;
}

async fn every_look_up_is_counted() {
    let figures = Figures::new();
    let nodes = vec![(LocalNode::new().shared(), "memory".to_owned(), 100)];
    let cache = Cache::new(&counted(figures.meters()), "row", nodes);
    let asked = |outcome| figures.of("cache_requests_total", &[("cache_name", "row"), ("cache_outcome", outcome)]);
    let failed = || figures.of("cache_db_fails_total", &[("cache_name", "row")]);
    assert_eq!((asked("hit"), asked("miss"), failed()), (0, 0, 0), "counted from zero on");
    let database = Database::holding("kept");
    let key = cache.key("id", 1);
    join_all((0..10).map(|_| cache.take(&key, database.query()))).await;
    assert_eq!((asked("hit"), asked("miss")), (9, 1), "who waits for another's look-up hits");
    let fails = async { Err::<Option<Row>, _>(StoreError::Busy("on purpose".to_owned())) };
    let _ = cache.take(&cache.key("id", 2), fails).await.expect_err("fails");
    assert_eq!((asked("miss"), failed()), (2, 1));
}

async fn a_failed_query_is_shared_and_not_kept(cache: Cache) {
    let key = cache.key("id", 1);
    let fails = || async { Err::<Option<Row>, _>(StoreError::Busy("on purpose".to_owned())) };
    let outcomes = join_all((0..3).map(|_| cache.take(&key, fails()))).await;
    for outcome in outcomes {
        assert!(matches!(outcome, Err(CacheError::Query(_))), "{outcome:?}");
    }
    let database = Database::holding("there");
    assert_eq!(cache.take(&key, database.query()).await.expect("found"), Some(row("there")));
    cache.exec(vec![key], async {}, |()| true).await;
}

/// A user database of one replica among others: all share the rows.
#[derive(Clone, Default)]
struct Users(Arc<Mutex<Vec<UserRow>>>);

impl UserRepository for Users {
    async fn find(&self, id: i64) -> Result<Option<UserRow>, StoreError> {
        Ok(self.0.lock().expect("not poisoned").iter().find(|user| user.id == id).cloned())
    }

    async fn find_by_mobile(&self, mobile: &str) -> Result<Option<UserRow>, StoreError> {
        Ok(self.0.lock().expect("not poisoned").iter().find(|user| user.mobile == mobile).cloned())
    }

    async fn insert(&self, user: NewUser) -> Result<i64, StoreError> {
        let mut users = self.0.lock().expect("not poisoned");
        let id = users.len() as i64 + 1;
        let NewUser { name, mobile, password_hash } = user;
        users.push(UserRow { id, name, mobile, password_hash, vip: false });
        Ok(id)
    }
}

/// Two replicas over one database: what one is told to store, the other must know at once, also when somebody asked for
/// it before it was there.
async fn who_has_registered_is_known_everywhere(caches: [Cache; 2]) {
    let database = Users::default();
    let replicas = caches.map(|cache| CachedUsers::new(database.clone(), cache));
    for replica in &replicas {
        assert_eq!(replica.profile(1).await.expect("answers"), None);
    }
    let user = NewUser { name: "Bo".into(), mobile: "13800000001".into(), password_hash: "$argon2id$".into() };
    let id = replicas[0].insert(user).await.expect("stored");
    for replica in &replicas {
        let found = replica.profile(id).await.expect("answers").expect("is known");
        assert_eq!(found, Profile { id, name: "Bo".into(), mobile: "13800000001".into(), vip: false });
    }
    let row = replicas[1].find_by_mobile("13800000001").await.expect("answers").expect("is known");
    assert_eq!(row.password_hash, "$argon2id$", "a login reads the hash");
}

fn main() {
    let redis = &[Server::Redis];
    servers::run(vec![
        test("memory_reads_once_and_forgets_what_changes", &[], || async {
            reads_once_and_forgets_what_changes(in_memory()).await;
        }),
        test("redis_reads_once_and_forgets_what_changes", redis, || async {
            reads_once_and_forgets_what_changes(on_redis().0).await;
        }),
        test("memory_has_one_ask_for_all", &[], || async { one_asks_for_all(in_memory()).await }),
        test("redis_has_one_ask_for_all", redis, || async { one_asks_for_all(on_redis().0).await }),
        test("memory_shares_a_failure_and_keeps_it_not", &[], || async {
            a_failed_query_is_shared_and_not_kept(in_memory()).await;
        }),
        test("redis_shares_a_failure_and_keeps_it_not", redis, || async {
            a_failed_query_is_shared_and_not_kept(on_redis().0).await;
        }),
        test("every_look_up_is_counted", &[], every_look_up_is_counted),
        test("memory_knows_who_has_registered", &[], || async {
            who_has_registered_is_known_everywhere([in_memory(), in_memory()]).await;
        }),
        test("redis_knows_who_has_registered_and_no_hash", redis, || async {
            let process = context();
            let (first, redis) = on(&process, &shared());
            let (second, _) = on(&process, &shared());
            let key = first.key("id", 1);
            who_has_registered_is_known_everywhere([first, second]).await;
            let json = raw(&redis, &key).await.expect("is cached");
            assert!(json.contains("13800000001") && !json.contains("argon2"), "{json}");
            remove(&redis, &key).await;
        }),
        test("keys_and_lifetimes_are_go_zeros", redis, || async {
            let process = context();
            let (cache, redis) = on(&process, &shared());
            let key = cache.key("id", 7);
            assert_eq!(key, format!("cache:{}:row:id:7", process.config().mall.namespace));
            let database = Database::holding("kept");
            let _ = cache.take(&key, database.query()).await.expect("found");
            assert_eq!(raw(&redis, &key).await.as_deref(), Some(r#"{"name":"kept"}"#));
            let week = 7.0 * 86_400.0;
            let life = ttl(&redis, &key).await as f64;
            assert!((week * 0.95 - 60.0..=week * 1.05 + 1.0).contains(&life), "{life} s");
            remove(&redis, &key).await;
        }),
        test("absence_is_a_placeholder_that_never_covers_a_row", redis, || async {
            let (cache, redis) = on_redis();
            let key = cache.key("id", 1);
            let database = Database::default();
            for _ in 0..2 {
                assert_eq!(cache.take(&key, database.query()).await.expect("answers"), None);
            }
            assert_eq!(database.asked(), 1, "the placeholder answers");
            assert_eq!(raw(&redis, &key).await.as_deref(), Some("*"));
            assert!((1..=63).contains(&ttl(&redis, &key).await));
            cache.put(&key, &row("made")).await;
            assert_eq!(cache.take(&key, database.query()).await.expect("found"), Some(row("made")));
            // A reader that found nothing, and says so after the row was made.
            remove(&redis, &key).await;
            let late = cache.take(&key, async {
                cache.put(&key, &row("made meanwhile")).await;
                Ok::<Option<Row>, StoreError>(None)
            });
            assert_eq!(late.await.expect("answers"), None);
            assert_eq!(raw(&redis, &key).await.as_deref(), Some(r#"{"name":"made meanwhile"}"#));
            remove(&redis, &key).await;
        }),
        test("what_is_no_row_is_thrown_out", redis, || async {
            let (cache, redis) = on_redis();
            let key = cache.key("id", 1);
            set_raw(&redis, &key, "{broken").await;
            let database = Database::holding("true");
            assert_eq!(cache.take(&key, database.query()).await.expect("found"), Some(row("true")));
            assert_eq!(raw(&redis, &key).await.as_deref(), Some(r#"{"name":"true"}"#));
            remove(&redis, &key).await;
        }),
        test("a_late_reader_cannot_leave_an_old_row", redis, || async {
            let (cache, redis) = on_redis();
            let key = cache.key("id", 1);
            cache.exec(vec![key.clone()], async {}, |()| true).await;
            set_raw(&redis, &key, r#"{"name":"read before the change"}"#).await;
            until_gone(&redis, &key).await;
        }),
        test("a_change_that_was_cut_short_deletes_too", redis, || async {
            let (cache, redis) = on_redis();
            let key = cache.key("id", 1);
            set_raw(&redis, &key, r#"{"name":"old"}"#).await;
            let changing = cache.exec(vec![key.clone()], std::future::pending::<()>(), |()| true);
            assert!(futures::FutureExt::now_or_never(changing).is_none(), "it is dropped in the middle of the change");
            until_gone(&redis, &key).await;
        }),
        test("without_redis_nobody_asks_the_database", redis, || async {
            let mut server = PrivateRedis::start().await;
            let (cache, redis) = on(&context(), &server.config());
            redis.connected().await;
            server.kill().await;
            let database = Database::holding("kept from the storm");
            let key = cache.key("id", 1);
            for outcome in join_all((0..20).map(|_| cache.take(&key, database.query()))).await {
                assert!(matches!(outcome, Err(CacheError::Node(_))), "{outcome:?}");
            }
            assert_eq!(database.asked(), 0);
        }),
        test("what_cannot_be_deleted_now_is_deleted_later", redis, || async {
            let mut server = PrivateRedis::start().await;
            let figures = Figures::new();
            let (cache, redis) = on(&counted(figures.meters()), &server.config());
            redis.connected().await;
            server.kill().await;
            let key = cache.key("id", 1);
            let put_off = || figures.of("cache_deletes_put_off_total", &[("cache_name", "row")]);
            assert_eq!(put_off(), 0);
            let changed = cache.exec(vec![key.clone()], async { 7 }, |_| true).await;
            assert_eq!(changed, 7, "the call does not fail");
            assert!(put_off() >= 1, "{}", put_off());
            server.restart().await;
            redis.connected().await;
            set_raw(&redis, &key, r#"{"name":"old"}"#).await;
            until_gone(&redis, &key).await;
        }),
        test("who_ends_deletes_what_was_put_off", redis, || async {
            let process = context();
            let (cache, redis) = on(&process, &shared());
            let key = cache.key("id", 1);
            // Its repetition is a second away.
            cache.exec(vec![key.clone()], async {}, |()| true).await;
            set_raw(&redis, &key, r#"{"name":"read before the change"}"#).await;
            process.answered().cancel();
            process.background().close();
            process.background().wait().await;
            assert_eq!(raw(&redis, &key).await, None);
        }),
        test("several_nodes_share_the_keys", redis, || async {
            let process = context();
            let servers = [PrivateRedis::start().await, PrivateRedis::start().await];
            let [one, two] = servers.each_ref().map(|server| process.redis(&server.config()));
            let nodes = vec![
                (RedisNode::new(one.clone()).shared(), "one".to_owned(), 100),
                (RedisNode::new(two.clone()).shared(), "two".to_owned(), 300),
            ];
            let cache = Cache::new(&process, "row", nodes);
            for id in 0..200 {
                cache.put(&cache.key("id", id), &row("shared")).await;
            }
            let count = async |redis: &Redis| redis.query::<i64>(&redis::cmd("DBSIZE")).await.expect("answers");
            let (first, second) = (count(&one).await, count(&two).await);
            assert!(first + second == 200 && first > 0 && second > first, "{first} and {second}");
            let keys = (0..200).map(|id| cache.key("id", id)).collect();
            cache.exec(keys, async {}, |()| true).await;
            assert_eq!((count(&one).await, count(&two).await), (0, 0));
        }),
    ]);
}
