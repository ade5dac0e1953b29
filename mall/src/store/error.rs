//! What a database can answer instead of rows.

use sqlx::mysql::MySqlDatabaseError;

use crate::cache::CacheError;
use crate::error::{AppError, ErrorCode};

/// Every form of a data source.
pub(crate) const FORMS: &str = "`sqlite:///path/to/file.db`, `mysql://user:pass@host:3306/name` or \
                                `user:pass@tcp(host:3306)/name`";

/// A statement or a connection that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data source names no database of a kind that this build knows. The text carries no password.
    #[error("data source `{0}` is not understood: write {FORMS}")]
    Source(String),
    /// A data source is understood but cannot be had.
    #[error("{0}")]
    Unsupported(String),
    /// A row with the same unique key exists.
    #[error("a row with the same key exists: {0}")]
    Unique(String),
    /// No connection became free, or the file stayed locked.
    #[error("database is busy: {0}")]
    Busy(String),
    /// The server is not there, or does not answer in time.
    #[error("database does not answer: {0}")]
    Unreachable(String),
    /// The request that needed an answer had no more time to wait for it; the server may be well.
    #[error("the request ran out of time while it waited for the database")]
    OutOfTime,
    /// The server chose this transaction to end a deadlock, and rolled it back.
    #[error("deadlock with another transaction: {0}")]
    Deadlock(String),
    /// Another transaction held a row for too long.
    #[error("another transaction held a lock for too long: {0}")]
    LockTimeout(String),
    /// The server does not let us in.
    #[error("database refuses the login: {0}; check user, password and rights of the data source")]
    Refused(String),
    /// The database or a table of it is not there.
    #[error("database is not prepared: {0}; run `mallctl serve migrate` first")]
    Unprepared(String),
    /// A migration did not apply.
    #[error("migration failed: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The seed's password could not be hashed.
    #[error("cannot hash the seed's password: {0}")]
    Hash(String),
    /// The cache in front of the database.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Anything else.
    #[error("database error: {0}")]
    Sql(sqlx::Error),
}

impl StoreError {
    /// What other transactions did to this one, as a word; `None` when that is not why it failed. Run again at once, a
    /// transaction that met this may well succeed; one that met a row with its key will find it. Not a lock that was not
    /// to be had: waiting for it took the time that a second wait would need.
    pub(super) fn interference(&self) -> Option<&'static str> {
        match self {
            Self::Deadlock(_) => Some("deadlock"),
            Self::Unique(_) => Some("unique"),
            _ => None,
        }
    }

    /// Whether the connection can be used no more: it is closed, or an answer is still to come on it.
    pub(super) fn is_cut(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::OutOfTime)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut => Self::Busy("no connection became free in time".to_owned()),
            // In the system's own words: the library's add nothing.
            sqlx::Error::Io(system) => Self::Unreachable(system.to_string()),
            sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => Self::Unreachable(error.to_string()),
            sqlx::Error::Database(inner) => match inner.try_downcast_ref::<MySqlDatabaseError>() {
                Some(answer) => of_mysql(answer).unwrap_or(Self::Sql(error)),
                None => of_sqlite(inner.as_ref()).unwrap_or(Self::Sql(error)),
            },
            _ => Self::Sql(error),
        }
    }
}

fn of_sqlite(answer: &dyn sqlx::error::DatabaseError) -> Option<StoreError> {
    let message = answer.message().to_owned();
    if answer.is_unique_violation() {
        return Some(StoreError::Unique(message));
    }
    // SQLITE_BUSY, its variants, SQLITE_LOCKED: the low byte of the extended code.
    let code = answer.code().and_then(|code| code.parse::<i64>().ok())?;
    matches!(code & 0xff, 5 | 6).then_some(StoreError::Busy(message))
}

fn of_mysql(answer: &MySqlDatabaseError) -> Option<StoreError> {
    let message = answer.message().to_owned();
    match answer.number() {
        1022 | 1062 | 1169 | 1586 => Some(StoreError::Unique(message)),
        1205 => Some(StoreError::LockTimeout(message)),
        1213 => Some(StoreError::Deadlock(message)),
        1044 | 1045 | 1142 | 1698 => Some(StoreError::Refused(message)),
        1049 | 1146 => Some(StoreError::Unprepared(message)),
        // Too many connections, of all users or of this one: others hold them.
        1040 | 1203 | 1226 => Some(StoreError::Busy(message)),
        // Shutting down, shut down, connection killed (MySQL, MariaDB), idle for too long.
        1053 | 1077 | 1079 | 1927 | 3169 | 4031 => Some(StoreError::Unreachable(message)),
        _ => None,
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

impl From<&StoreError> for AppError {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Unreachable(_) => Self::new(ErrorCode::Downstream, "the database does not answer: retry later"),
            StoreError::OutOfTime => Self::new(ErrorCode::Timeout, "the request ran out of time: retry later"),
            StoreError::Busy(_) | StoreError::Deadlock(_) | StoreError::LockTimeout(_) => {
                Self::new(ErrorCode::Downstream, "the database is busy: retry later")
            }
            StoreError::Cache(CacheError::Query(shared)) => Self::from(&**shared),
            StoreError::Cache(CacheError::Node(_)) => {
                Self::new(ErrorCode::Downstream, "the cache does not answer: retry later")
            }
            other => {
                tracing::error!(error = %other, "statement failed");
                Self::internal()
            }
        }
    }
}
