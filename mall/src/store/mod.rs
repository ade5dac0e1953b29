//! SQL databases, one per service.
//!
//! A [`Database`] is one file: one connection that writes, a few that read. Every [`Statement`] runs in a CLIENT span that
//! names the operation, the table and the text with placeholders. Repositories (in `user`, `order`, `pay`) hold the
//! statements; services know only the repositories' traits, so that another engine needs other repositories and nothing else.
//!
//! The module refuses dynamic SQL: a statement's text is a constant.

mod database;
mod error;
mod migrate;
mod source;
mod statement;
mod warm;

pub use self::database::{Database, Transaction};
pub use self::error::StoreError;
pub use self::migrate::{data_id, migrate_and_seed, prepare};
pub(crate) use self::migrate::{identity, read_only};
pub use self::source::DataSources;
pub(crate) use self::statement::statement;
pub use self::statement::{Query, Statement};

use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock, milliseconds since the epoch: what rows are stamped with. Nothing is decided by differences of a row's
/// own stamps but which payments to ask about again and whether a relay's lease is over.
pub fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as i64)
}
