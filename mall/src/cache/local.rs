//! Keys in the process's memory.

use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use moka::future::Cache;

use super::node::Node;
use crate::redis::RedisError;

/// Keys at most; a user takes about 300 bytes.
const KEYS: u64 = 10_000;

/// The process's memory, for 10,000 keys; the least used ones go first. Nobody outside the process can delete a key of
/// it, so it declines to remember that a row does not exist.
pub struct LocalNode {
    keys: Cache<String, Entry>,
}

#[derive(Clone)]
struct Entry {
    value: String,
    life: Duration,
}

struct ByEntry;

impl moka::Expiry<String, Entry> for ByEntry {
    fn expire_after_create(&self, _key: &String, entry: &Entry, _at: Instant) -> Option<Duration> {
        Some(entry.life)
    }

    fn expire_after_update(
        &self,
        _key: &String,
        entry: &Entry,
        _at: Instant,
        _left: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.life)
    }
}

impl LocalNode {
    /// Empty.
    pub fn new() -> Self {
        Self { keys: Cache::builder().max_capacity(KEYS).expire_after(ByEntry).build() }
    }
}

impl Default for LocalNode {
    fn default() -> Self {
        Self::new()
    }
}

impl Node for LocalNode {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, RedisError>> {
        self.keys.get(key).map(|entry| Ok(entry.map(|entry| entry.value))).boxed()
    }

    fn set<'a>(&'a self, key: &'a str, value: &'a str, ttl_s: u64) -> BoxFuture<'a, Result<(), RedisError>> {
        let entry = Entry { value: value.to_owned(), life: Duration::from_secs(ttl_s) };
        self.keys.insert(key.to_owned(), entry).map(Ok).boxed()
    }

    fn set_absent<'a>(&'a self, _key: &'a str, _ttl_s: u64) -> BoxFuture<'a, Result<(), RedisError>> {
        ready(Ok(())).boxed()
    }

    fn delete<'a>(&'a self, keys: &'a [&'a str]) -> BoxFuture<'a, Result<(), RedisError>> {
        let deleting = async move {
            for key in keys {
                self.keys.invalidate(*key).await;
            }
            Ok(())
        };
        deleting.boxed()
    }

    fn delete_later<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), RedisError>> {
        self.keys.invalidate(key).map(Ok).boxed()
    }
}
