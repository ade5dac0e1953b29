//! What comes back from a database, whichever it is.

use sqlx::mysql::{MySqlQueryResult, MySqlRow};
use sqlx::sqlite::{SqliteQueryResult, SqliteRow};
use sqlx::{Decode, MySql, Row as _, Sqlite, Type};

use super::StoreError;

/// A row.
pub enum Row {
    /// Of SQLite.
    Sqlite(SqliteRow),
    /// Of MySQL or MariaDB.
    Mysql(MySqlRow),
}

/// What a column can be read as: `i64`, `bool`, `String`.
pub trait Column: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, MySql> + Type<MySql> {}

impl<T> Column for T where T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, MySql> + Type<MySql> {}

impl Row {
    /// The column of this name; an error when there is none, or when it is of another type.
    pub fn get<T: Column>(&self, name: &str) -> Result<T, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(name)?,
            Self::Mysql(row) => row.try_get(name)?,
        })
    }

    /// The column at this place, from 0.
    pub fn at<T: Column>(&self, index: usize) -> Result<T, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(index)?,
            Self::Mysql(row) => row.try_get(index)?,
        })
    }
}

/// What a statement without rows did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Rows that it inserted, deleted, or found to update.
    pub rows_affected: u64,
    /// The number that the inserted row was given; meaningless otherwise.
    pub last_id: i64,
}

impl From<SqliteQueryResult> for Done {
    fn from(result: SqliteQueryResult) -> Self {
        Self { rows_affected: result.rows_affected(), last_id: result.last_insert_rowid() }
    }
}

impl From<MySqlQueryResult> for Done {
    fn from(result: MySqlQueryResult) -> Self {
        Self { rows_affected: result.rows_affected(), last_id: result.last_insert_id().cast_signed() }
    }
}
