//! Look up, write down, delete.

use std::sync::Arc;
use std::time::Duration;

use governance::Random;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::deletes::{Deletes, Due, PutOff};
use super::error::CacheError;
use super::flight::Flights;
use super::node::{ABSENT, Node};
use super::ring::Ring;
use super::statistics::Statistics;
use super::ttl::jittered;
use crate::context::ServiceContext;
use crate::store::StoreError;

/// How often the statistics are logged.
const MINUTE: Duration = Duration::from_mins(1);

/// Rows of one kind, beside their database. Cheap to clone.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

struct Inner {
    /// `cache:mall:user`.
    prefix: String,
    ring: Ring,
    flights: Flights<Outcome>,
    expiry_s: u64,
    absent_expiry_s: u64,
    random: Arc<dyn Random>,
    statistics: Statistics,
    deletes: Deletes,
}

/// What a look-up found, as all who waited for it share it.
#[derive(Clone)]
enum Outcome {
    Found(Arc<str>),
    Absent,
    Failed(CacheError),
}

impl Outcome {
    /// Whether it says something about the one who asked, and nothing about the row.
    fn is_private(&self) -> bool {
        matches!(self, Self::Failed(CacheError::Query(error)) if matches!(**error, StoreError::OutOfTime))
    }
}

/// Keys of rows that are being changed. Dropped before the change is known to have failed (by a request that ran out of
/// time, say) it deletes them later: the change may have been made.
struct Changing<'a> {
    cache: &'a Inner,
    keys: Vec<String>,
}

impl Cache {
    /// Over nodes with their names and weights, at least one. Must be called within a tokio runtime: deletions that come
    /// later are background work of the process, which makes up for all of them once the last request is answered.
    pub fn new(context: &ServiceContext, name: &'static str, nodes: Vec<(Arc<dyn Node>, String, u32)>) -> Self {
        let config = context.config();
        let inner = Arc::new(Inner {
            prefix: format!("cache:{}:{name}", config.mall.namespace),
            ring: Ring::new(nodes),
            flights: Flights::new(),
            expiry_s: config.mall.cache.expiry,
            absent_expiry_s: config.mall.cache.not_found_expiry,
            random: Arc::clone(context.random()),
            statistics: Statistics::new(name, context.meters()),
            deletes: Deletes::default(),
        });
        context.background().spawn(look_after(Arc::clone(&inner), context.answered().clone()));
        Self { inner }
    }

    /// `cache:mall:user:id:1`.
    pub fn key(&self, field: &str, value: impl std::fmt::Display) -> String {
        format!("{}:{field}:{value}", self.inner.prefix)
    }

    /// The row of a key: from the cache, or by `query`, which is then written down. `None` says that it does not exist.
    pub async fn take<T: Serialize + DeserializeOwned>(
        &self,
        key: &str,
        query: impl Future<Output = Result<Option<T>, StoreError>>,
    ) -> Result<Option<T>, CacheError> {
        let (outcome, is_own) = self.inner.flights.run(key, Outcome::is_private, self.inner.look_up(key, query)).await;
        match outcome {
            Outcome::Found(json) => {
                if !is_own {
                    self.inner.statistics.hit();
                }
                serde_json::from_str(&json).map(Some).map_err(|error| CacheError::Form(error.to_string()))
            }
            Outcome::Absent => Ok(None),
            Outcome::Failed(error) => Err(error),
        }
    }

    /// Writes down a row that was just made: over a remembered absence, and before anybody asks. Never fails the call.
    pub async fn put<T: Serialize>(&self, key: &str, row: &T) {
        let Ok(json) = serde_json::to_string(row) else { return };
        if !self.inner.write_down(key, &json).await {
            // What stands there now, perhaps that the row does not exist, must not stay.
            self.inner.delete_soon(key.to_owned());
        }
    }

    /// Runs `change` and then deletes the keys of what it changed, unless its outcome says that nothing was. The deletion
    /// never fails the call.
    pub async fn exec<T>(
        &self,
        keys: Vec<String>,
        change: impl Future<Output = T>,
        is_changed: impl FnOnce(&T) -> bool,
    ) -> T {
        let mut changing = Changing { cache: &self.inner, keys };
        let outcome = change.await;
        if is_changed(&outcome) {
            self.inner.delete(&changing.keys).await;
        } else {
            changing.keys.clear();
        }
        outcome
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        for key in self.keys.drain(..) {
            self.cache.delete_soon(key);
        }
    }
}

impl Inner {
    async fn look_up<T: Serialize + DeserializeOwned>(
        &self,
        key: &str,
        query: impl Future<Output = Result<Option<T>, StoreError>>,
    ) -> Outcome {
        match self.ring.of(key).get(key).await {
            Err(error) => {
                self.statistics.miss();
                return Outcome::Failed(error.into());
            }
            Ok(Some(value)) if value == ABSENT => {
                self.statistics.hit();
                return Outcome::Absent;
            }
            Ok(Some(value)) if !value.is_empty() => {
                self.statistics.hit();
                match serde_json::from_str::<T>(&value) {
                    Ok(_) => return Outcome::Found(value.into()),
                    Err(error) => self.throw_out(key, &error).await,
                }
            }
            Ok(_) => self.statistics.miss(),
        }
        match query.await {
            Ok(Some(row)) => match serde_json::to_string(&row) {
                Ok(json) => {
                    self.write_down(key, &json).await;
                    Outcome::Found(json.into())
                }
                Err(error) => Outcome::Failed(CacheError::Form(error.to_string())),
            },
            Ok(None) => {
                self.write_down_absence(key).await;
                Outcome::Absent
            }
            Err(error) => {
                self.statistics.db_failed();
                Outcome::Failed(CacheError::Query(Arc::new(error)))
            }
        }
    }

    /// What stands at the key is no row of this kind: an older version's, or another program's.
    async fn throw_out(&self, key: &str, error: &serde_json::Error) {
        tracing::error!(key, %error, "the cache holds something else than a row; deleting it");
        if let Err(error) = self.ring.of(key).delete(&[key]).await {
            tracing::error!(key, %error, "cannot delete what the cache should not hold");
        }
    }

    /// Whether the row is written down. A failure is only logged: the next look-up asks the database again.
    async fn write_down(&self, key: &str, json: &str) -> bool {
        let ttl = jittered(self.expiry_s, &*self.random);
        let written = self.ring.of(key).set(key, json, ttl).await;
        if let Err(error) = &written {
            tracing::warn!(key, %error, "cannot write a row to the cache");
        }
        written.is_ok()
    }

    async fn write_down_absence(&self, key: &str) {
        let ttl = jittered(self.absent_expiry_s, &*self.random);
        if let Err(error) = self.ring.of(key).set_absent(key, ttl).await {
            tracing::warn!(key, %error, "cannot write the absence of a row to the cache");
        }
    }

    async fn delete(&self, keys: &[String]) {
        for (node, keys) in self.ring.groups(keys) {
            if let Err(error) = node.delete(&keys).await {
                self.statistics.delete_put_off();
                tracing::warn!(?keys, %error, "cannot delete keys of the cache; trying again later");
            }
        }
    }

    fn delete_soon(&self, key: String) {
        if self.deletes.soon(key) == PutOff::Lost {
            self.statistics.delete_lost();
            tracing::error!("too many keys wait to be deleted; one may hold an old row until it expires");
        }
    }

    /// Tries a deletion that came later; whether the key is gone.
    async fn retry(&self, due: &Due) -> bool {
        self.ring.of(&due.key).delete_later(&due.key).await.is_ok()
    }

    async fn retry_or_put_off(&self, due: Due) {
        if self.retry(&due).await {
            return;
        }
        let key = due.key.clone();
        match self.deletes.again(due) {
            PutOff::Waits => self.statistics.delete_put_off(),
            PutOff::Lost => {
                self.statistics.delete_lost();
                tracing::error!(key, "gave up deleting a key of the cache; it may hold an old row until it expires");
            }
        }
    }

    /// The last attempt: what fails now stays.
    async fn drain(&self) {
        for due in self.deletes.all() {
            if !self.retry(&due).await {
                self.statistics.delete_lost();
                tracing::error!(key = due.key, "cannot delete a key of the cache at the end; it may hold an old row");
            }
        }
    }
}

/// Deletes later what must be deleted later, and logs the statistics, until nobody changes rows any more; then deletes the
/// rest at once.
async fn look_after(cache: Arc<Inner>, answered: CancellationToken) {
    let mut minutes = tokio::time::interval(MINUTE);
    minutes.reset();
    loop {
        tokio::select! {
            due = cache.deletes.due() => {
                for due in due {
                    cache.retry_or_put_off(due).await;
                }
            }
            _ = minutes.tick() => cache.statistics.log(),
            () = answered.cancelled() => return cache.drain().await,
        }
    }
}
