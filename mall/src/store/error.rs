//! What a database can answer instead of rows.

use crate::error::{AppError, ErrorCode};

/// A statement or a connection that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data source names no database of a kind that this build knows.
    #[error("data source `{0}` is not understood: write `sqlite:///path/to/file.db`")]
    Source(String),
    /// A row with the same unique key exists.
    #[error("a row with the same key exists: {0}")]
    Unique(String),
    /// No connection became free, or the file stayed locked.
    #[error("database is busy: {0}")]
    Busy(String),
    /// A migration did not apply.
    #[error("migration failed: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The seed's password could not be hashed.
    #[error("cannot hash the seed's password: {0}")]
    Hash(String),
    /// Anything else.
    #[error("database error: {0}")]
    Sql(sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut => Self::Busy("no connection became free in time".to_owned()),
            sqlx::Error::Database(inner) if inner.is_unique_violation() => Self::Unique(inner.message().to_owned()),
            // SQLITE_BUSY, its variants, SQLITE_LOCKED: the low byte of the extended code.
            sqlx::Error::Database(inner)
                if inner
                    .code()
                    .and_then(|code| code.parse::<i64>().ok())
                    .is_some_and(|code| matches!(code & 0xff, 5 | 6)) =>
            {
                Self::Busy(inner.message().to_owned())
            }
            _ => Self::Sql(error),
        }
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy(_) => Self::new(ErrorCode::Downstream, "the database is busy: retry later"),
            other => {
                tracing::error!(error = %other, "statement failed");
                Self::internal()
            }
        }
    }
}
