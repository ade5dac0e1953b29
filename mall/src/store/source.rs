//! Where the three databases are.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::mysql::{Server, with_database, without_password};
use super::{FORMS, StoreError};

const SCHEME: &str = "sqlite://";
/// Begins the names of a server's databases when the source names none.
const PREFIX: &str = "mall";
const SERVICES: [&str; 3] = ["user", "order", "pay"];

/// The data source of every service: what `migrate` prepares, and what `verify` reads.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSources {
    /// Of `user-rpc`.
    pub user: String,
    /// Of `order-rpc`.
    pub order: String,
    /// Of `pay-rpc`.
    pub pay: String,
}

/// One database.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// Of SQLite.
    File(PathBuf),
    /// Of MySQL or MariaDB.
    Server(Box<Server>),
}

impl Source {
    pub(super) fn parse(source: &str) -> Result<Self, StoreError> {
        if source.starts_with(SCHEME) {
            return file_of(source).map(Self::File);
        }
        Ok(Self::Server(Box::new(Server::parse(source)?)))
    }
}

/// Whether a data source is understood; the error repeats nothing of it but a parameter that cannot be had.
pub(crate) fn check_source(source: &str) -> Result<(), String> {
    match Source::parse(source) {
        Ok(_) => Ok(()),
        Err(StoreError::Source(_)) => Err(format!("is not understood: write {FORMS}")),
        Err(error) => Err(format!("cannot be had: {error}")),
    }
}

impl DataSources {
    /// One file per service in a folder.
    pub fn in_folder(folder: &Path) -> Self {
        let file = |name: &str| format!("{SCHEME}{}", folder.join(name).display());
        Self { user: file("user.db"), order: file("order.db"), pay: file("pay.db") }
    }

    /// From the `DataSource` of a configuration: a folder (`sqlite:///data`) or one database of it
    /// (`sqlite:///data/order.db`); a server with the beginning of the names (`mysql://user:pass@host:3306/mall`, `mall`
    /// when there is none) or one database of it (`…/mall_order`).
    pub fn around(source: &str) -> Result<Self, StoreError> {
        match Source::parse(source)? {
            Source::File(path) => {
                let is_file = path.extension().is_some_and(|extension| extension == "db");
                let folder = if is_file { path.parent().unwrap_or(Path::new("")) } else { &path };
                Ok(Self::in_folder(folder))
            }
            Source::Server(server) => {
                let prefix = prefix_of(&server.database);
                let database = |service: &str| with_database(source, &format!("{prefix}_{service}"));
                let [user, order, pay] = SERVICES.map(database);
                Ok(Self { user, order, pay })
            }
        }
    }
}

impl fmt::Debug for DataSources {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, order, pay } = self;
        formatter
            .debug_struct("DataSources")
            .field("user", &without_password(user))
            .field("order", &without_password(order))
            .field("pay", &without_password(pay))
            .finish()
    }
}

/// What the names of a server's databases begin with, from one of them or from itself.
fn prefix_of(database: &str) -> &str {
    let of_service = |service: &str| database.strip_suffix(service)?.strip_suffix('_');
    let prefix = SERVICES.into_iter().find_map(of_service).unwrap_or(database);
    if prefix.is_empty() { PREFIX } else { prefix }
}

fn file_of(source: &str) -> Result<PathBuf, StoreError> {
    let unknown = || StoreError::Source(source.to_owned());
    let path = source.strip_prefix(SCHEME).ok_or_else(unknown)?;
    if path.is_empty() || path.contains('?') { Err(unknown()) } else { Ok(PathBuf::from(path)) }
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
    fn a_server_and_a_database_of_it_name_the_same_sources() {
        let prefix = DataSources::around("mysql://a:b@db:3306/shop").expect("prefix");
        assert_eq!(prefix, DataSources::around("mysql://a:b@db:3306/shop_pay").expect("database"));
        assert_eq!(prefix.order, "mysql://a:b@db:3306/shop_order");
        let go = DataSources::around("a:b@tcp(db:3306)/?parseTime=true").expect("go-zero's form");
        assert_eq!(go.user, "a:b@tcp(db:3306)/mall_user?parseTime=true");
        assert_eq!(DataSources::around(&go.user).expect("one of them"), go);
    }

    #[test]
    fn a_password_stays_out_of_debug() {
        let sources = DataSources::around("mysql://root:hunter2@db:3306/shop").expect("prefix");
        let shown = format!("{sources:?}");
        assert!(shown.contains("db:3306/shop_pay") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn other_schemes_are_refused_with_the_mend() {
        let error = DataSources::around("postgres://root@db/shop").expect_err("not known");
        assert!(error.to_string().contains("sqlite:///"), "{error}");
        assert!(DataSources::around("sqlite://").is_err());
    }
}
