//! A database, whichever it is: statements in spans, transactions that are tried again when that is safe.

use std::future::Future;

use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use tokio::time::Instant;

use super::connection::IDENTITY;
use super::source::Source;
use super::{Dialect, Done, Query, Row, Statement, StoreError, mysql, sqlite};
use crate::config::{self, ServiceConfig};
use crate::telemetry::{Meters, span};

/// An open database. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    engine: Engine,
    scope: Scope,
}

#[derive(Clone)]
enum Engine {
    Sqlite(sqlite::File),
    Mysql(mysql::Pool),
}

/// What every statement's span and measurement need.
#[derive(Clone)]
pub(super) struct Scope {
    pub(super) dialect: Dialect,
    /// `sqlite`, `mysql` or `mariadb`.
    pub(super) system: &'static str,
    pub(super) namespace: &'static str,
    meters: Meters,
}

/// A transaction. Dropped, it rolls back.
pub struct Transaction {
    engine: Open,
    scope: Scope,
}

enum Open {
    Sqlite(sqlite::Writing),
    Mysql(mysql::Lease),
}

/// An error that may have come from the database.
pub trait FromStore: From<StoreError> {
    /// The database's own error; `None` when the refusal is the repository's.
    fn store_error(&self) -> Option<&StoreError>;
}

impl FromStore for StoreError {
    fn store_error(&self) -> Option<&StoreError> {
        Some(self)
    }
}

impl Database {
    /// Opens the database of a service's configuration. `namespace` is its name on spans (`order`).
    pub async fn of(config: &ServiceConfig, namespace: &'static str, meters: Meters) -> Result<Self, StoreError> {
        Self::open_with(config.source(), &config.database, namespace, meters).await
    }

    /// [`Database::of`] with a pool of the default size.
    pub async fn open(source: &str, namespace: &'static str, meters: Meters) -> Result<Self, StoreError> {
        Self::open_with(source, &config::Database::default(), namespace, meters).await
    }

    /// Opens an existing, migrated database. A server is waited for: it may start beside the service.
    pub async fn open_with(
        source: &str,
        pool: &config::Database,
        namespace: &'static str,
        meters: Meters,
    ) -> Result<Self, StoreError> {
        match Source::parse(source)? {
            Source::File(path) => {
                let scope = Scope { dialect: Dialect::Sqlite, system: "sqlite", namespace, meters };
                Ok(Self { engine: Engine::Sqlite(sqlite::File::open(path).await?), scope })
            }
            Source::Server(server) => {
                let pool = mysql::Pool::new(*server, pool);
                let system = pool.system().await?;
                pool.observe(meters.meter(), namespace);
                let scope = Scope { dialect: Dialect::Mysql, system, namespace, meters };
                Ok(Self { engine: Engine::Mysql(pool), scope })
            }
        }
    }

    /// Which SQL it understands.
    pub fn dialect(&self) -> Dialect {
        self.scope.dialect
    }

    /// The first row, outside of any transaction.
    pub async fn fetch_optional(&self, query: Query) -> Result<Option<Row>, StoreError> {
        let statement = query.statement;
        let run = async {
            match &self.engine {
                Engine::Sqlite(file) => file.fetch_optional(query).await,
                Engine::Mysql(pool) => pool.fetch_optional(query).await,
            }
        };
        self.scope.observed(statement, run).await
    }

    /// Every row, outside of any transaction.
    pub async fn fetch_all(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        let statement = query.statement;
        self.scope.observed(statement, self.peek(query)).await
    }

    /// The identity of the data, made when it was seeded: the same in every service's database.
    pub async fn data_id(&self) -> Result<String, StoreError> {
        let rows = self.peek(IDENTITY.query()).await?;
        rows.first().ok_or(StoreError::Sql(sqlx::Error::RowNotFound))?.at(0)
    }

    /// Every row, outside every trace: for the polling of background work.
    pub async fn peek(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        match &self.engine {
            Engine::Sqlite(file) => file.fetch_all(query).await,
            Engine::Mysql(pool) => pool.fetch_all(query).await,
        }
    }

    /// Runs a single writing statement outside every trace: for the book-keeping of background work.
    pub async fn settle(&self, query: Query) -> Result<Done, StoreError> {
        match &self.engine {
            Engine::Sqlite(file) => {
                let mut tx = file.begin().await?;
                let done = tx.execute(query).await?;
                tx.commit().await?;
                Ok(done)
            }
            Engine::Mysql(pool) => pool.execute(query).await,
        }
    }

    /// Runs a single writing statement in a transaction of its own.
    pub async fn execute(&self, query: Query) -> Result<Done, StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => {
                let mut tx = self.begin().await?;
                let done = tx.execute(query).await?;
                tx.commit().await?;
                Ok(done)
            }
            Engine::Mysql(pool) => {
                let statement = query.statement;
                self.scope.observed(statement, pool.execute(query)).await
            }
        }
    }

    /// Begins a transaction. On SQLite it holds the write lock from here on, having waited for other writers; on MySQL it
    /// reads what is committed and locks the rows that it writes.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        let engine = match &self.engine {
            Engine::Sqlite(file) => Open::Sqlite(file.begin().await?),
            Engine::Mysql(pool) => Open::Mysql(pool.begin().await?),
        };
        Ok(Transaction { engine, scope: self.scope.clone() })
    }

    /// Runs `work`, which begins and commits a transaction, in a span: its self time is the wait for the lock and the commit.
    ///
    /// Where other transactions of the server got in its way it runs once more: after a deadlock, which rolled it back, or
    /// after a row with its key that was written meanwhile.
    pub async fn transaction<T, E, F>(&self, summary: &'static str, work: impl Fn() -> F) -> Result<T, E>
    where
        E: FromStore,
        F: Future<Output = Result<T, E>>,
    {
        let attributes = || {
            vec![
                KeyValue::new("db.system.name", self.scope.system),
                KeyValue::new("db.namespace", self.scope.namespace),
                KeyValue::new("db.operation.name", "TRANSACTION"),
                KeyValue::new("db.query.summary", summary),
            ]
        };
        let attempts = async {
            let outcome = work().await;
            let met = outcome.as_ref().err().and_then(FromStore::store_error).and_then(StoreError::interference);
            let Some(cause) = met else { return outcome };
            self.scope.meters.store_retry(summary, cause);
            work().await
        };
        // On the heap: a span's future holds its work by value, more than once.
        span::in_span(summary, SpanKind::Client, attributes, Box::pin(attempts)).await
    }

    /// Makes the first calls as fast as any other: opens connections, runs `reads` once on each, prepares `writes`; no row
    /// changes and no span is made. A busy database costs only the first calls their speed; a table that is missing is an
    /// error.
    ///
    /// A balancer that weighs replicas by latency takes the first measurement entirely: a replica whose first call also
    /// pays for opening a connection, reading the schema and preparing statements looks slow for many seconds.
    pub async fn warm(&self, reads: impl Fn() -> Vec<Query>, writes: &[&'static Statement]) -> Result<(), StoreError> {
        let outcome = match &self.engine {
            Engine::Sqlite(file) => file.warm(reads, writes).await,
            Engine::Mysql(pool) => pool.warm(reads, writes).await,
        };
        match outcome {
            Err(error @ StoreError::Busy(_)) => {
                tracing::warn!(%error, "cannot prepare statements before the first call; it will be slower than others");
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Closes the connections; SQLite writes the log of changes back into its file.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(file) => file.close().await,
            Engine::Mysql(pool) => pool.close().await,
        }
    }
}

impl Transaction {
    /// Runs a statement that answers no rows.
    pub async fn execute(&mut self, query: Query) -> Result<Done, StoreError> {
        let statement = query.statement;
        let run = async {
            match &mut self.engine {
                Open::Sqlite(tx) => tx.execute(query).await,
                Open::Mysql(tx) => tx.execute(query).await,
            }
        };
        self.scope.observed(statement, run).await
    }

    /// The first row.
    pub async fn fetch_optional(&mut self, query: Query) -> Result<Option<Row>, StoreError> {
        let statement = query.statement;
        let run = async {
            match &mut self.engine {
                Open::Sqlite(tx) => tx.fetch_optional(query).await,
                Open::Mysql(tx) => tx.fetch_optional(query).await,
            }
        };
        self.scope.observed(statement, run).await
    }

    /// Every row.
    pub async fn fetch_all(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        let statement = query.statement;
        let run = async {
            match &mut self.engine {
                Open::Sqlite(tx) => tx.fetch_all(query).await,
                Open::Mysql(tx) => tx.fetch_all(query).await,
            }
        };
        self.scope.observed(statement, run).await
    }

    /// Updates one row and answers it as it is then; `None` when the condition held for none.
    ///
    /// SQLite answers with the update itself; MySQL has no `UPDATE … RETURNING`, so there `read_back` reads the row, which
    /// nobody else can change before this transaction ends.
    pub async fn update_returning(
        &mut self,
        update: Query,
        read_back: impl FnOnce() -> Query,
    ) -> Result<Option<Row>, StoreError> {
        if self.scope.dialect == Dialect::Sqlite {
            return self.fetch_optional(update).await;
        }
        if self.execute(update).await?.rows_affected == 0 {
            return Ok(None);
        }
        self.fetch_optional(read_back()).await
    }

    /// Makes the changes durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self.engine {
            Open::Sqlite(tx) => tx.commit().await,
            Open::Mysql(tx) => tx.commit().await,
        }
    }
}

impl Scope {
    async fn observed<T>(
        &self,
        statement: &'static Statement,
        run: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let attributes = || statement.attributes(self);
        let outcome = async {
            let outcome = run.await;
            if let Err(error) = &outcome {
                span::fail(error.to_string());
            }
            outcome
        };
        let outcome = span::in_span(statement.summary, SpanKind::Client, attributes, outcome).await;
        self.meters.sql(self.system, statement.command(), statement.operation, statement.table, began.elapsed());
        outcome
    }
}
