//! Where the databases are: files, or a server.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use mall::config::Secret;
use mall::store::DataSources;
use serde::{Deserialize, Serialize};

use super::place::{BadPlace, address};

/// Where the databases are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoreAt {
    /// SQLite files of the place.
    #[default]
    Sqlite,
    /// `mysql://user:pass@host:port/prefix`: the databases `prefix_user`, `prefix_order` and `prefix_pay`.
    Mysql(Secret),
}

impl FromStr for StoreAt {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Self, BadPlace> {
        match text {
            "sqlite" => Ok(Self::Sqlite),
            url => MysqlUrl::parse(url).map(|_| Self::Mysql(url.into())).ok_or_else(|| {
                // What was written may hold a password, so it is not repeated.
                BadPlace("this is no store: write `sqlite` or `mysql://user:pass@host:3306/mall`".to_owned())
            }),
        }
    }
}

/// The parts of `mysql://user:pass@host:port/prefix` that may be shown.
pub(super) struct MysqlUrl {
    address: String,
    pub(super) prefix: String,
}

impl MysqlUrl {
    pub(super) fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("mysql://")?;
        let (_, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (host, prefix) = place.split_once('/').unwrap_or((place, ""));
        let address = if host.contains(':') { address(host)? } else { address(&format!("{host}:3306"))? };
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        prefix.chars().all(allowed).then(|| Self { address, prefix: prefix.to_owned() })
    }
}

impl StoreAt {
    /// host:port of a server.
    pub fn address(&self) -> Option<String> {
        match self {
            Self::Sqlite => None,
            Self::Mysql(url) => MysqlUrl::parse(url.expose()).map(|url| url.address),
        }
    }

    /// The database of every service; files lie in `folder`.
    pub fn sources(&self, folder: &Path) -> DataSources {
        match self {
            Self::Sqlite => DataSources::in_folder(folder),
            Self::Mysql(url) => {
                let of = |service: &str| format!("{}_{service}", url.expose());
                DataSources { user: of("user"), order: of("order"), pay: of("pay") }
            }
        }
    }
}

impl fmt::Display for StoreAt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite => formatter.write_str("sqlite"),
            Self::Mysql(url) => match MysqlUrl::parse(url.expose()) {
                Some(MysqlUrl { address, prefix }) => write!(formatter, "mysql://{address}/{prefix}"),
                None => formatter.write_str("mysql"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::StoreAt;

    #[test]
    fn stores_read_as_they_are_documented() {
        assert_eq!("sqlite".parse(), Ok(StoreAt::Sqlite));
        assert!("postgres://x".parse::<StoreAt>().is_err());
        assert!("mysql://root@/mall".parse::<StoreAt>().is_err());
    }
}
