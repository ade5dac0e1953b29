//! One SQL statement with the names that its span carries.

use opentelemetry::KeyValue;
use sqlx::Sqlite;
use sqlx::sqlite::SqliteArguments;

/// A statement as a constant: text with placeholders, and what it does to which table.
#[derive(Debug)]
pub struct Statement {
    /// `SELECT`, `INSERT`, `UPDATE`, `DELETE`.
    pub operation: &'static str,
    /// The table that it is about.
    pub table: &'static str,
    /// Operation and table: the span's name and summary.
    pub summary: &'static str,
    /// The text.
    pub sql: &'static str,
}

/// A statement with its values.
pub struct Query {
    pub(super) statement: &'static Statement,
    pub(super) inner: sqlx::query::Query<'static, Sqlite, SqliteArguments>,
}

/// Builds a [`Statement`], joining its summary at compile time.
macro_rules! statement {
    ($operation:literal, $table:literal, $sql:expr) => {
        $crate::store::Statement {
            operation: $operation,
            table: $table,
            summary: concat!($operation, " ", $table),
            sql: $sql,
        }
    };
}
pub(crate) use statement;

impl Statement {
    /// The statement, ready for its values.
    pub fn query(&'static self) -> Query {
        Query { statement: self, inner: sqlx::query(self.sql) }
    }

    /// go-zero's name of the command: whether rows come back.
    pub(super) fn command(&self) -> &'static str {
        if self.operation == "SELECT" { "query" } else { "exec" }
    }

    /// Attributes of the span that runs it.
    pub(super) fn attributes(&'static self, namespace: &'static str) -> Vec<KeyValue> {
        vec![
            KeyValue::new("db.system.name", "sqlite"),
            KeyValue::new("db.namespace", namespace),
            KeyValue::new("db.operation.name", self.operation),
            KeyValue::new("db.collection.name", self.table),
            KeyValue::new("db.query.summary", self.summary),
            KeyValue::new("db.query.text", self.sql),
        ]
    }
}

impl Query {
    /// Gives the next placeholder its value.
    pub fn bind<T>(mut self, value: T) -> Self
    where
        T: sqlx::Encode<'static, Sqlite> + sqlx::Type<Sqlite> + Send + 'static,
    {
        self.inner = self.inner.bind(value);
        self
    }
}
