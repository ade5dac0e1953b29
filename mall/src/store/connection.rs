//! One connection without a pool or spans: for whoever prepares or reads the data as a whole.

use sqlx::mysql::MySqlConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, SqliteConnection as Sqlite};

use super::source::Source;
use super::{Query, Row, Statement, StoreError, mysql, sqlite, statement};

pub(super) static IDENTITY: Statement = statement!("SELECT", "meta", "SELECT value FROM meta WHERE `key` = 'data_id'");

/// A connection to one database.
pub(crate) enum Connection {
    /// To a file.
    Sqlite(SqliteConnection),
    /// To a server.
    Mysql(MySqlConnection),
}

impl Connection {
    /// A connection that changes nothing and sees one moment of the database until it is closed.
    pub(crate) async fn snapshot(source: &str) -> Result<Self, StoreError> {
        match Source::parse(source)? {
            Source::File(path) => {
                // `query_only` instead of a read-only file: a reader of a write-ahead log must be able to make its shared memory.
                let options = sqlite::options(&path).pragma("query_only", "1");
                let mut connection = Sqlite::connect_with(&options).await?;
                sqlx::raw_sql("BEGIN").execute(&mut connection).await?;
                Ok(Self::Sqlite(connection))
            }
            Source::Server(server) => {
                let mut connection = mysql::connect(&server).await?;
                // A snapshot is of the next transaction alone: the session's own level is READ COMMITTED.
                let begin = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; \
                             START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
                sqlx::raw_sql(begin).execute(&mut connection).await?;
                Ok(Self::Mysql(connection))
            }
        }
    }

    /// Every row.
    pub(crate) async fn fetch_all(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite(connection) => {
                query.into_sqlite().fetch_all(connection).await?.into_iter().map(Row::Sqlite).collect()
            }
            Self::Mysql(connection) => {
                query.into_mysql().fetch_all(connection).await?.into_iter().map(Row::Mysql).collect()
            }
        })
    }

    /// Runs a statement that answers no rows.
    pub(super) async fn execute(&mut self, query: Query) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => query.into_sqlite().execute(connection).await.map(|_| ())?,
            Self::Mysql(connection) => query.into_mysql().execute(connection).await.map(|_| ())?,
        }
        Ok(())
    }

    /// Runs text that both dialects understand as it is, such as `COMMIT`.
    pub(super) async fn run(&mut self, text: &'static str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => sqlx::raw_sql(text).execute(connection).await.map(|_| ())?,
            Self::Mysql(connection) => sqlx::raw_sql(text).execute(connection).await.map(|_| ())?,
        }
        Ok(())
    }

    /// The identity that a database remembers.
    pub(crate) async fn identity(&mut self) -> Result<Option<String>, StoreError> {
        let rows = self.fetch_all(IDENTITY.query()).await?;
        rows.first().map(|row| row.at(0)).transpose()
    }

    /// Ends it, and what it read or did not commit.
    pub(crate) async fn close(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => connection.close().await?,
            Self::Mysql(connection) => connection.close().await?,
        }
        Ok(())
    }
}
