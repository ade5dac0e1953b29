//! Where keys are kept.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::redis::{Redis, RedisError};

/// One place for keys. Lifetimes are in seconds.
pub trait Node: Send + Sync + 'static {
    /// What a key holds.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, RedisError>>;

    /// Writes a key.
    fn set<'a>(&'a self, key: &'a str, value: &'a str, ttl_s: u64) -> BoxFuture<'a, Result<(), RedisError>>;

    /// Remembers that a row does not exist, unless the key holds something. A node may decline to remember that.
    fn set_absent<'a>(&'a self, key: &'a str, ttl_s: u64) -> BoxFuture<'a, Result<(), RedisError>>;

    /// Deletes keys on behalf of a request.
    fn delete<'a>(&'a self, keys: &'a [&'a str]) -> BoxFuture<'a, Result<(), RedisError>>;

    /// Deletes a key on behalf of nobody: outside of every trace.
    fn delete_later<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), RedisError>>;

    /// The node as caches share it.
    fn shared(self) -> Arc<dyn Node>
    where
        Self: Sized,
    {
        Arc::new(self)
    }
}

/// What stands for a row that does not exist.
pub(super) const ABSENT: &str = "*";

/// A Redis server.
pub struct RedisNode {
    redis: Redis,
}

impl RedisNode {
    /// Over a connection.
    pub fn new(redis: Redis) -> Self {
        Self { redis }
    }
}

impl Node for RedisNode {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, RedisError>> {
        Box::pin(async move { self.redis.query(::redis::cmd("GET").arg(key)).await })
    }

    fn set<'a>(&'a self, key: &'a str, value: &'a str, ttl_s: u64) -> BoxFuture<'a, Result<(), RedisError>> {
        Box::pin(async move { self.redis.query(::redis::cmd("SETEX").arg(key).arg(ttl_s).arg(value)).await })
    }

    fn set_absent<'a>(&'a self, key: &'a str, ttl_s: u64) -> BoxFuture<'a, Result<(), RedisError>> {
        Box::pin(async move {
            let mut cmd = ::redis::cmd("SET");
            cmd.arg(key).arg(ABSENT).arg("EX").arg(ttl_s).arg("NX");
            // Nil says that the key holds something already.
            self.redis.query::<Option<String>>(&cmd).await.map(|_| ())
        })
    }

    fn delete<'a>(&'a self, keys: &'a [&'a str]) -> BoxFuture<'a, Result<(), RedisError>> {
        Box::pin(async move { self.redis.query(::redis::cmd("DEL").arg(keys)).await })
    }

    fn delete_later<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), RedisError>> {
        Box::pin(async move { self.redis.quiet(::redis::cmd("DEL").arg(key)).await })
    }
}
