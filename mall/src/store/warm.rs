//! Connections and statements made ready before anyone waits for them.
//!
//! A balancer that weighs replicas by latency takes the first measurement entirely: a replica whose first call also pays
//! for opening a connection, reading the schema and preparing statements looks slow for many seconds.

use sqlx::{Executor as _, SqlSafeStr as _};

use super::database::READERS;
use super::{Database, Query, Statement, StoreError};

impl Database {
    /// Opens every reading connection and runs `reads` once on each, prepares `writes` on the writing one; no row changes
    /// and no span is made. A busy file costs only the first calls their speed; a table that is missing is an error.
    pub async fn warm(&self, reads: impl Fn() -> Vec<Query>, writes: &[&'static Statement]) -> Result<(), StoreError> {
        match futures::future::try_join(self.warm_readers(reads), self.warm_writer(writes)).await {
            Err(error @ StoreError::Busy(_)) => {
                tracing::warn!(%error, "cannot prepare statements before the first call; it will be slower than others");
                Ok(())
            }
            outcome => outcome.map(|_| ()),
        }
    }

    async fn warm_readers(&self, reads: impl Fn() -> Vec<Query>) -> Result<(), StoreError> {
        // Held together: a connection that is given back would be handed out again.
        let opening = (0..READERS).map(|_| self.reader.acquire());
        for mut connection in futures::future::try_join_all(opening).await? {
            for query in reads() {
                query.inner.fetch_all(&mut *connection).await?;
            }
        }
        Ok(())
    }

    /// Takes the write lock once, as every writer will, and gives it back.
    async fn warm_writer(&self, writes: &[&'static Statement]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for statement in writes {
            tx.inner.prepare(statement.sql.into_sql_str()).await?;
        }
        Ok(tx.inner.rollback().await?)
    }
}
