//! Databases, caches and Redis.

use serde::{Deserialize, Serialize};

use super::Secret;

/// A pool of connections to a database. Of no effect on SQLite, which has one writer and a few readers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Database {
    /// As `DataSource` of the service; one of the two is enough.
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub data_source: Secret,
    /// Connections at most, at least 1.
    pub max_open_conns: u32,
    /// Idle connections that are kept, at most as many as may be open.
    pub max_idle_conns: u32,
    /// Seconds after which a connection is replaced; 0 never.
    pub max_lifetime: u64,
}

impl Default for Database {
    fn default() -> Self {
        Self { data_source: Secret::default(), max_open_conns: 64, max_idle_conns: 64, max_lifetime: 60 }
    }
}

/// A Redis server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Redis {
    /// host:port; empty means none.
    pub host: String,
    /// Name of a user, where Redis asks for one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The user's password.
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub pass: Secret,
}

/// One node of a cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct CacheNode {
    /// host:port.
    pub host: String,
    /// Name of a user, where Redis asks for one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The user's password.
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub pass: Secret,
    /// Share of the keys, beside those of the other nodes.
    pub weight: u32,
}

impl Default for CacheNode {
    fn default() -> Self {
        Self { host: String::new(), user: String::new(), pass: Secret::default(), weight: 100 }
    }
}

/// How long a cache keeps what it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Cache {
    /// Seconds that a row is kept: seven days.
    pub expiry: u64,
    /// Seconds that the absence of a row is kept: a minute.
    pub not_found_expiry: u64,
}

impl Default for Cache {
    fn default() -> Self {
        Self { expiry: 7 * 86_400, not_found_expiry: 60 }
    }
}
