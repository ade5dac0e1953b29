//! One database file: one connection that writes, a few that read.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Executor as _, SqlSafeStr as _, Sqlite};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Done, Query, Row, Statement, StoreError};

/// How long a caller waits for a connection; the library's 30 s would look like a hang.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
const READERS: u32 = 2;

/// Between attempts to get the write lock from another process. SQLite's own back-off grows to 100 ms and starves whoever
/// waits longest; a flat, short poll does not.
const LOCK_POLL: Duration = Duration::from_millis(1);

/// An open file. Cheap to clone.
///
/// SQLite lets one connection write at a time. Within a process writers queue, first come first served, for the one
/// connection that writes; only the head of the queue asks for the file's lock.
#[derive(Clone)]
pub(super) struct File {
    writer: SqlitePool,
    reader: SqlitePool,
    /// Held by whoever writes or waits for the file's lock.
    turn: Arc<Mutex<()>>,
}

/// A transaction that holds the write lock from its beginning. Dropped, it rolls back.
pub(super) struct Writing {
    // Before the turn: the connection must be back in its pool when the next one asks for it.
    inner: sqlx::Transaction<'static, Sqlite>,
    _turn: OwnedMutexGuard<()>,
}

/// How every connection to a file is opened. A small log of changes keeps checkpoints short (at 200 pages their p99 is
/// about 4 ms, at the default 1,000 it is 10); NORMAL survives a killed process, not a power cut.
pub(super) fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .pragma("wal_autocheckpoint", "200")
        .busy_timeout(Duration::from_secs(2))
        .foreign_keys(true)
        .create_if_missing(false)
        .statement_cache_capacity(64)
}

impl File {
    pub(super) async fn open(path: PathBuf) -> Result<Self, StoreError> {
        let pool =
            || SqlitePoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).test_before_acquire(false).idle_timeout(None);
        let writes = options(&path).busy_timeout(Duration::ZERO);
        // Opening may meet the lock of another process too: it takes part in the recovery of the log of changes.
        let connect = while_locked(|| pool().max_connections(1).connect_with(writes.clone()));
        let writer = within_patience(connect).await?;
        // `query_only` instead of read-only files: a reader of a write-ahead log must be able to make its shared memory.
        let readers = options(&path).pragma("query_only", "1");
        let reader = pool().max_connections(READERS).connect_lazy_with(readers);
        Ok(Self { writer, reader, turn: Arc::default() })
    }

    pub(super) async fn fetch_optional(&self, query: Query) -> Result<Option<Row>, StoreError> {
        Ok(query.into_sqlite().fetch_optional(&self.reader).await?.map(Row::Sqlite))
    }

    pub(super) async fn fetch_all(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        Ok(query.into_sqlite().fetch_all(&self.reader).await?.into_iter().map(Row::Sqlite).collect())
    }

    /// Takes the write lock, waiting for other writers of this process and of others.
    pub(super) async fn begin(&self) -> Result<Writing, StoreError> {
        let in_turn = async {
            let turn = self.turn.clone().lock_owned().await;
            let inner = while_locked(|| self.writer.begin_with("BEGIN IMMEDIATE")).await?;
            Ok(Writing { inner, _turn: turn })
        };
        within_patience(in_turn).await
    }

    /// Opens every reading connection and runs `reads` once on each, prepares `writes` on the writing one.
    pub(super) async fn warm(
        &self,
        reads: impl Fn() -> Vec<Query>,
        writes: &[&'static Statement],
    ) -> Result<(), StoreError> {
        futures::future::try_join(self.warm_readers(reads), self.warm_writer(writes)).await.map(|_| ())
    }

    async fn warm_readers(&self, reads: impl Fn() -> Vec<Query>) -> Result<(), StoreError> {
        // Held together: a connection that is given back would be handed out again.
        let opening = (0..READERS).map(|_| self.reader.acquire());
        for mut connection in futures::future::try_join_all(opening).await? {
            for query in reads() {
                query.into_sqlite().fetch_all(&mut *connection).await?;
            }
        }
        Ok(())
    }

    /// Takes the write lock once, as every writer will, and gives it back.
    async fn warm_writer(&self, writes: &[&'static Statement]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for statement in writes {
            tx.inner.prepare(statement.sqlite.into_sql_str()).await?;
        }
        Ok(tx.inner.rollback().await?)
    }

    /// Closes the connections, writing the log of changes back into the file.
    pub(super) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

impl Writing {
    pub(super) async fn execute(&mut self, query: Query) -> Result<Done, StoreError> {
        Ok(query.into_sqlite().execute(&mut *self.inner).await?.into())
    }

    pub(super) async fn fetch_optional(&mut self, query: Query) -> Result<Option<Row>, StoreError> {
        Ok(query.into_sqlite().fetch_optional(&mut *self.inner).await?.map(Row::Sqlite))
    }

    pub(super) async fn fetch_all(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        Ok(query.into_sqlite().fetch_all(&mut *self.inner).await?.into_iter().map(Row::Sqlite).collect())
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.inner.commit().await?)
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
