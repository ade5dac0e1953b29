//! SQL databases, one per service: files of SQLite, or databases of a MySQL or MariaDB server.
//!
//! A [`Database`] runs [`Statement`]s, each in a CLIENT span that names the operation, the table and the text with
//! placeholders. Repositories (in `user`, `order`, `pay`) hold the statements, with a second text where the dialects
//! differ; they know no driver, and services know only the repositories' traits.
//!
//! What differs between the engines stays here: SQLite lets one connection write and makes the others queue; MySQL locks
//! rows, so a transaction may lose against another one and is tried again once ([`Database::transaction`]).
//!
//! The module refuses dynamic SQL: a statement's text is a constant.

mod connection;
mod database;
mod error;
mod migrate;
mod mysql;
mod remove;
mod row;
mod seeding;
mod source;
mod sqlite;
mod statement;

pub(crate) use self::connection::Connection;
pub use self::database::{Database, FromStore, Transaction};
pub(crate) use self::error::FORMS;
pub use self::error::StoreError;
pub use self::migrate::{data_id, migrate_and_seed, prepare};
pub use self::mysql::system_of;
pub use self::remove::remove;
pub use self::row::{Column, Done, Row};
pub use self::source::DataSources;
pub(crate) use self::source::check_source;
pub(crate) use self::statement::statement;
pub use self::statement::{Dialect, Query, Statement, Value};

use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock, milliseconds since the epoch: what rows are stamped with. Nothing is decided by differences of a row's
/// own stamps but which payments to ask about again and whether a relay's lease is over.
pub fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as i64)
}
