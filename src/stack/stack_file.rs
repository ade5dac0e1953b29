//! `stack.json`: how to reach a stack, what it consists of, and where its data is.

use std::collections::BTreeMap;

use mall::store::DataSources;
use serde::{Deserialize, Serialize};

use super::process::Mark;
use super::stand::Stand;
use crate::topology::Topology;

/// Version of `stack.json`.
pub const SCHEMA: u32 = 1;

/// `stack.json`: how to reach a stack, and what it consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StackFile {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of `mallctl` that wrote it.
    pub version: String,
    /// The stack's name.
    pub stack: String,
    /// Whether a shop belongs to it, or only the collector.
    pub shop: bool,
    /// The boot that the process ids belong to.
    pub boot_id: String,
    /// The supervisor.
    pub supervisor: Mark,
    /// When it started, nanoseconds since the epoch.
    pub started_unix_ns: u64,
    /// Time from start to ready, once it is.
    pub ready_ms: Option<u64>,
    /// Where it listens.
    pub addresses: Addresses,
    /// Where the shop's databases are; `verify` reads them, stack up or down.
    pub data_sources: Option<DataSources>,
    /// The data behind them, once it was migrated.
    #[serde(default)]
    pub data: Option<Data>,
    /// Which servers the shop stands on.
    #[serde(default)]
    pub places: Option<Topology>,
    /// Data that the stack left on servers which it is not started with now.
    #[serde(default)]
    pub earlier: Vec<Stand>,
    /// Secret of the two control protocols.
    pub token: String,
    /// Governance policy.
    pub policy: String,
    /// Seed of picks and of restart jitter.
    pub seed: u64,
    /// Replicas by role.
    pub topology: BTreeMap<String, u32>,
    /// The processes, last time one changed.
    pub replicas: Vec<ReplicaMark>,
}

#[cfg(test)]
impl StackFile {
    /// A stack of nothing, for tests to fill in.
    pub fn blank(stack: &str) -> Self {
        Self {
            schema: SCHEMA,
            version: "0.1.0".into(),
            stack: stack.into(),
            shop: true,
            boot_id: "b".into(),
            supervisor: Mark { pid: 1, start_ticks: 2 },
            started_unix_ns: 3,
            ready_ms: None,
            addresses: Addresses::default(),
            data_sources: None,
            data: None,
            places: None,
            earlier: Vec::new(),
            token: "secret".into(),
            policy: "go-zero".into(),
            seed: 7,
            topology: BTreeMap::new(),
            replicas: Vec::new(),
        }
    }
}

/// The data that a shop works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// Its identity, made when it was seeded.
    pub id: String,
    /// Whether this stack made it; data that was found on a server is not this stack's to remove.
    pub made_here: bool,
}

/// Where a stack listens, `host:port`; empty where it does not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// HTTP of the shop.
    pub gateway: String,
    /// OTLP over gRPC.
    pub otlp_grpc: String,
    /// OTLP over HTTP.
    pub otlp_http: String,
    /// The console protocol, and control.
    pub console: String,
}

/// A process of the stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaMark {
    /// `order-rpc`.
    pub role: String,
    /// Counted from 1.
    pub replica: u32,
    /// Process id and start time.
    #[serde(flatten)]
    pub mark: Mark,
}
