//! One connection out of the pool.

use std::time::Duration;

use sqlx::mysql::MySqlConnection;
use sqlx::{Connection as _, Executor as _, SqlSafeStr as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Pool;
use super::server::at;
use super::wait::answer;
use crate::store::{Done, Query, Row, Statement, StoreError};

/// How long one statement may take where no request's deadline is nearer. Longer than a lock is waited for.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that goes back to its pool when this is dropped: as it is, after a roll-back, or not at all when a
/// statement was cut off.
pub(in crate::store) struct Lease {
    held: Option<Held>,
    pool: Pool,
    /// A statement is on its way, or its answer was not read to the end.
    busy: bool,
    in_transaction: bool,
}

pub(super) struct Held {
    pub(super) connection: MySqlConnection,
    pub(super) made: Instant,
    pub(super) permit: OwnedSemaphorePermit,
}

impl Lease {
    pub(super) fn new(pool: Pool, held: Held) -> Self {
        Self { held: Some(held), pool, busy: false, in_transaction: false }
    }

    pub(super) async fn ping(&mut self) -> Result<(), StoreError> {
        let ping = answer(STATEMENT_TIMEOUT, self.enter().ping()).await;
        self.leave(ping)
    }

    pub(super) async fn begin(&mut self) -> Result<(), StoreError> {
        let begin = answer(STATEMENT_TIMEOUT, self.enter().execute("BEGIN")).await;
        self.leave(begin)?;
        self.in_transaction = true;
        Ok(())
    }

    pub(in crate::store) async fn execute(&mut self, query: Query) -> Result<Done, StoreError> {
        let run = query.into_mysql().execute(self.enter());
        let done = answer(STATEMENT_TIMEOUT, run).await;
        self.leave(done).map(Done::from)
    }

    pub(in crate::store) async fn fetch_optional(&mut self, query: Query) -> Result<Option<Row>, StoreError> {
        let run = query.into_mysql().fetch_optional(self.enter());
        let row = answer(STATEMENT_TIMEOUT, run).await;
        Ok(self.leave(row)?.map(Row::Mysql))
    }

    pub(in crate::store) async fn fetch_all(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        let run = query.into_mysql().fetch_all(self.enter());
        let rows = answer(STATEMENT_TIMEOUT, run).await;
        Ok(self.leave(rows)?.into_iter().map(Row::Mysql).collect())
    }

    pub(super) async fn prepare(&mut self, statement: &'static Statement) -> Result<(), StoreError> {
        let prepare = self.enter().prepare(statement.mysql.into_sql_str());
        let prepared = answer(STATEMENT_TIMEOUT, prepare).await.map(|_| ());
        self.leave(prepared)
    }

    pub(in crate::store) async fn commit(mut self) -> Result<(), StoreError> {
        let commit = answer(STATEMENT_TIMEOUT, self.enter().execute("COMMIT")).await;
        self.leave(commit)?;
        self.in_transaction = false;
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), StoreError> {
        let rollback = answer(STATEMENT_TIMEOUT, self.enter().execute("ROLLBACK")).await;
        self.leave(rollback)?;
        self.in_transaction = false;
        Ok(())
    }

    /// The connection, for one statement.
    fn enter(&mut self) -> &mut MySqlConnection {
        self.busy = true;
        &mut self.held.as_mut().expect("held until it is dropped").connection
    }

    /// After the statement: whether the connection can be used again.
    fn leave<T>(&mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        self.busy = outcome.as_ref().is_err_and(StoreError::is_cut);
        if matches!(outcome, Err(StoreError::Unreachable(_))) {
            // The others go to the same server.
            self.pool.forget_idle();
        }
        outcome.map_err(|error| at(self.pool.address(), error))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        if self.busy {
            // Dropped with its socket: the server ends what it was doing and rolls back.
            return;
        }
        let pool = self.pool.clone();
        if !self.in_transaction {
            pool.give_back(held);
            return;
        }
        // Without a runtime nothing can be sent; the closed socket rolls back as well.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let mut lease = Self { held: Some(held), pool, busy: false, in_transaction: true };
            if let Err(error) = lease.rollback().await {
                tracing::debug!(%error, "cannot roll back: the connection is closed instead");
                lease.busy = true;
            }
        });
    }
}
