//! One database file: one connection that writes, a few that read, a span around each statement.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use sqlx::Sqlite;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions, SqliteQueryResult, SqliteRow};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use super::source::options;
use super::{Query, Statement, StoreError};
use crate::telemetry::{Meters, span};

/// How long a caller waits for a connection; the library's 30 s would look like a hang.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
pub(super) const READERS: u32 = 2;

/// Between attempts to get the write lock from another process. SQLite's own back-off grows to 100 ms and starves whoever
/// waits longest; a flat, short poll does not.
const LOCK_POLL: Duration = Duration::from_millis(1);

/// An open database. Cheap to clone.
///
/// SQLite lets one connection write at a time. Within a process writers queue, first come first served, for the one
/// connection that writes; only the head of the queue asks for the file's lock.
#[derive(Clone)]
pub struct Database {
    writer: SqlitePool,
    pub(super) reader: SqlitePool,
    /// Held by whoever writes or waits for the file's lock.
    turn: Arc<Mutex<()>>,
    scope: Scope,
}

/// What every statement's span and measurement need.
#[derive(Clone)]
struct Scope {
    namespace: &'static str,
    meters: Meters,
}

/// A transaction that holds the write lock from its beginning. Dropped, it rolls back.
pub struct Transaction {
    // Before the turn: the connection must be back in its pool when the next one asks for it.
    pub(super) inner: sqlx::Transaction<'static, Sqlite>,
    _turn: OwnedMutexGuard<()>,
    scope: Scope,
}

impl Database {
    /// Opens an existing, migrated database. `namespace` is its name on spans (`order`).
    pub async fn open(source: &str, namespace: &'static str, meters: Meters) -> Result<Self, StoreError> {
        let pool =
            || SqlitePoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).test_before_acquire(false).idle_timeout(None);
        let writes = options(source)?.busy_timeout(Duration::ZERO);
        // Opening may meet the lock of another process too: it takes part in the recovery of the log of changes.
        let connect = while_locked(|| pool().max_connections(1).connect_with(writes.clone()));
        let writer = within_patience(connect).await?;
        // `query_only` instead of read-only files: a reader of a write-ahead log must be able to make its shared memory.
        let readers = options(source)?.pragma("query_only", "1");
        let reader = pool().max_connections(READERS).connect_lazy_with(readers);
        Ok(Self { writer, reader, turn: Arc::default(), scope: Scope { namespace, meters } })
    }

    /// The first row, from a reading connection.
    pub async fn fetch_optional(&self, query: Query) -> Result<Option<SqliteRow>, StoreError> {
        self.scope.observed(query.statement, query.inner.fetch_optional(&self.reader)).await
    }

    /// Every row, from a reading connection.
    pub async fn fetch_all(&self, query: Query) -> Result<Vec<SqliteRow>, StoreError> {
        self.scope.observed(query.statement, query.inner.fetch_all(&self.reader)).await
    }

    /// Every row, outside every trace: for the polling of background work.
    pub async fn peek(&self, query: Query) -> Result<Vec<SqliteRow>, StoreError> {
        Ok(query.inner.fetch_all(&self.reader).await?)
    }

    /// Runs a single writing statement outside every trace: for the book-keeping of background work.
    pub async fn settle(&self, query: Query) -> Result<SqliteQueryResult, StoreError> {
        let mut tx = self.begin().await?;
        let result = query.inner.execute(&mut *tx.inner).await?;
        tx.commit().await?;
        Ok(result)
    }

    /// Runs a single writing statement in a transaction of its own.
    pub async fn execute(&self, query: Query) -> Result<SqliteQueryResult, StoreError> {
        let mut tx = self.begin().await?;
        let result = tx.execute(query).await?;
        tx.commit().await?;
        Ok(result)
    }

    /// Takes the write lock, waiting for other writers of this process and of others.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        let in_turn = async {
            let turn = self.turn.clone().lock_owned().await;
            let inner = while_locked(|| self.writer.begin_with("BEGIN IMMEDIATE")).await?;
            Ok(Transaction { inner, _turn: turn, scope: self.scope.clone() })
        };
        within_patience(in_turn).await
    }

    /// Runs `work`, which begins and commits a transaction, in a span: its self time is the wait for the lock and the commit.
    pub async fn transaction<T, E: From<StoreError>>(
        &self,
        summary: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let attributes = || {
            vec![
                KeyValue::new("db.system.name", "sqlite"),
                KeyValue::new("db.namespace", self.scope.namespace),
                KeyValue::new("db.operation.name", "TRANSACTION"),
                KeyValue::new("db.query.summary", summary),
            ]
        };
        // On the heap: a span's future holds its work by value, more than once.
        span::in_span(summary, SpanKind::Client, attributes, Box::pin(work)).await
    }

    /// Closes the connections, writing the log of changes back into the file.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// Tries again as long as another process holds the file's lock.
async fn while_locked<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    loop {
        match attempt().await.map_err(StoreError::from) {
            Err(StoreError::Busy(_)) => tokio::time::sleep(LOCK_POLL).await,
            outcome => return outcome,
        }
    }
}

async fn within_patience<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = |_| StoreError::Busy("other writers held the lock for too long".to_owned());
    tokio::time::timeout(ACQUIRE_TIMEOUT, work).await.map_err(late)?
}

impl Transaction {
    /// Runs a statement that answers no rows.
    pub async fn execute(&mut self, query: Query) -> Result<SqliteQueryResult, StoreError> {
        self.scope.observed(query.statement, query.inner.execute(&mut *self.inner)).await
    }

    /// The first row.
    pub async fn fetch_optional(&mut self, query: Query) -> Result<Option<SqliteRow>, StoreError> {
        self.scope.observed(query.statement, query.inner.fetch_optional(&mut *self.inner)).await
    }

    /// Every row.
    pub async fn fetch_all(&mut self, query: Query) -> Result<Vec<SqliteRow>, StoreError> {
        self.scope.observed(query.statement, query.inner.fetch_all(&mut *self.inner)).await
    }

    /// Makes the changes durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.inner.commit().await?)
    }
}

impl Scope {
    async fn observed<T>(
        &self,
        statement: &'static Statement,
        run: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let attributes = || statement.attributes(self.namespace);
        let outcome = async {
            let outcome = run.await;
            if let Err(error) = &outcome {
                span::fail(error.to_string());
            }
            outcome
        };
        let outcome = span::in_span(statement.summary, SpanKind::Client, attributes, outcome).await;
        self.meters.sql(statement.command(), statement.operation, statement.table, began.elapsed());
        Ok(outcome?)
    }
}
