//! One SQL statement with the names that its span carries.

use std::borrow::Cow;

use opentelemetry::KeyValue;
use sqlx::mysql::MySqlArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{MySql, Sqlite};

use super::database::Scope;

/// A statement as a constant: text with placeholders, and what it does to which table.
///
/// Placeholders are `?`, in the order of the values, in both texts: numbered ones are SQLite's alone.
#[derive(Debug)]
pub struct Statement {
    /// `SELECT`, `INSERT`, `UPDATE`, `DELETE`.
    pub operation: &'static str,
    /// The table that it is about.
    pub table: &'static str,
    /// Operation and table: the span's name and summary.
    pub summary: &'static str,
    /// The text for SQLite.
    pub sqlite: &'static str,
    /// The text for MySQL and MariaDB.
    pub mysql: &'static str,
}

/// Which text of a statement a database understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// MySQL 8 and MariaDB from 10.6.
    Mysql,
}

/// A statement with its values.
#[derive(Debug)]
pub struct Query {
    pub(super) statement: &'static Statement,
    values: Vec<Value>,
}

/// The value of a placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(Cow<'static, str>),
}

/// Builds a [`Statement`], joining its summary at compile time: one text when both dialects understand it, else one each.
macro_rules! statement {
    ($operation:literal, $table:literal, sqlite: $sqlite:expr, mysql: $mysql:expr $(,)?) => {
        $crate::store::Statement {
            operation: $operation,
            table: $table,
            summary: concat!($operation, " ", $table),
            sqlite: $sqlite,
            mysql: $mysql,
        }
    };
    ($operation:literal, $table:literal, $sql:expr $(,)?) => {
        $crate::store::statement!($operation, $table, sqlite: $sql, mysql: $sql)
    };
}
pub(crate) use statement;

impl Statement {
    /// The statement, ready for its values.
    pub fn query(&'static self) -> Query {
        Query { statement: self, values: Vec::new() }
    }

    /// go-zero's name of the command: whether rows come back.
    pub(super) fn command(&self) -> &'static str {
        if self.operation == "SELECT" { "query" } else { "exec" }
    }

    /// Attributes of the span that runs it.
    pub(super) fn attributes(&'static self, scope: &Scope) -> Vec<KeyValue> {
        let text = match scope.dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::Mysql => self.mysql,
        };
        vec![
            KeyValue::new("db.system.name", scope.system),
            KeyValue::new("db.namespace", scope.namespace),
            KeyValue::new("db.operation.name", self.operation),
            KeyValue::new("db.collection.name", self.table),
            KeyValue::new("db.query.summary", self.summary),
            KeyValue::new("db.query.text", text),
        ]
    }
}

impl Query {
    /// Gives the next placeholder its value.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    pub(super) fn into_sqlite(self) -> sqlx::query::Query<'static, Sqlite, SqliteArguments> {
        let query = sqlx::query(self.statement.sqlite);
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Integer(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
        })
    }

    pub(super) fn into_mysql(self) -> sqlx::query::Query<'static, MySql, MySqlArguments> {
        let query = sqlx::query(self.statement.mysql);
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Integer(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
        })
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}
