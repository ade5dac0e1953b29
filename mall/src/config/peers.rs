//! Where this process is announced, and where it finds the services that it calls.

use serde::{Deserialize, Serialize};

use super::Secret;

/// A place in etcd.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Etcd {
    /// host:port of every member.
    pub hosts: Vec<String>,
    /// Key under which the replicas of a service stand: `<Key>/<lease>`.
    pub key: String,
    /// Stands in the key instead of the lease when it is not 0.
    #[serde(rename = "ID", skip_serializing_if = "is_zero")]
    pub id: i64,
    /// Name of a user, where etcd asks for one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The user's password.
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub pass: Secret,
}

/// A place in Consul.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Consul {
    /// host:port of the agent.
    pub host: String,
    /// Name of the service.
    pub key: String,
    /// ACL token, where Consul asks for one.
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub token: Secret,
}

/// How a service that is called is found. At most one of the first four is given; without any, the supervisor's registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct RpcClient {
    /// In etcd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etcd: Option<Etcd>,
    /// In Consul.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consul: Option<Consul>,
    /// host:port of every replica.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
    /// `etcd://hosts/key`, `consul://host/key`, `direct:///host:port,host:port` or `dns:///name:port`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// Longest time of one call in milliseconds; 0 means no limit.
    pub timeout: u64,
    /// Whether the process starts before a replica is connected.
    pub non_block: bool,
}

impl Default for RpcClient {
    fn default() -> Self {
        Self { etcd: None, consul: None, endpoints: Vec::new(), target: String::new(), timeout: 2_000, non_block: true }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}
