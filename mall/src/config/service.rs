//! Everything that a process is told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Auth, CacheNode, Consul, Database, DevServer, Etcd, Log, Mall, Prometheus, Redis, Role, RpcClient, Secret,
    Telemetry,
};

/// Configuration of one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ServiceConfig {
    /// Service name: its name in the registry, and `service.name` of its telemetry unless `Telemetry.Name` says otherwise.
    pub name: String,
    /// `dev`, `test`, `rt`, `pre` or `pro`; nothing is shed in the first four, as in go-zero.
    #[serde(default = "pro")]
    pub mode: String,
    /// Where an RPC service listens, host:port; port 0 takes a free one.
    #[serde(default = "any_loopback_port")]
    pub listen_on: String,
    /// Host that a gateway listens on.
    #[serde(default = "loopback")]
    pub host: String,
    /// Port that a gateway listens on; 0 takes a free one.
    #[serde(default)]
    pub port: u16,
    /// Longest time of one request in milliseconds: 2,000 unless told, 3,000 for a gateway; 0 means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Largest request body that a gateway accepts, in bytes, before and after decompression.
    #[serde(default = "one_mebibyte")]
    pub max_bytes: u64,
    /// Requests that a gateway serves at once on each route; 0 sets no limit.
    #[serde(default = "ten_thousand")]
    pub max_conns: usize,
    /// Thousandths of the processor share from which requests may be shed; 0 sheds nothing.
    #[serde(default = "nine_hundred")]
    pub cpu_threshold: u32,
    /// Access tokens of a gateway.
    #[serde(default)]
    pub auth: Auth,
    /// Database of the service: `sqlite:///data/pay.db`, `mysql://user:pass@host:3306/mall_pay` or go-zero's
    /// `user:pass@tcp(host:3306)/mall_pay`; for the role that migrates, any one of them. Empty for roles without one.
    #[serde(default, skip_serializing_if = "Secret::is_empty")]
    pub data_source: Secret,
    /// Pool of the database.
    #[serde(default)]
    pub database: Database,
    /// Nodes of the cache; the process's own memory when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cache_redis: Vec<CacheNode>,
    /// Redis of rate limits and order events; both stay within the shop's own means when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
    /// Where an RPC service is announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd: Option<Etcd>,
    /// Where an RPC service is announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consul: Option<Consul>,
    /// How user-rpc is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_rpc: Option<RpcClient>,
    /// How order-rpc is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_rpc: Option<RpcClient>,
    /// How pay-rpc is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay_rpc: Option<RpcClient>,
    /// Where spans, metrics and logs go.
    #[serde(default)]
    pub telemetry: Telemetry,
    /// The process's own log lines.
    #[serde(default)]
    pub log: Log,
    /// Metrics for a scraper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Prometheus>,
    /// A port for people who look after the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev_server: Option<DevServer>,
    /// What go-zero has no key for.
    #[serde(default)]
    pub mall: Mall,
}

impl ServiceConfig {
    /// A configuration with every default, for the service called `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            mode: pro(),
            listen_on: any_loopback_port(),
            host: loopback(),
            port: 0,
            timeout: None,
            max_bytes: one_mebibyte(),
            max_conns: ten_thousand(),
            cpu_threshold: nine_hundred(),
            auth: Auth::default(),
            data_source: Secret::default(),
            database: Database::default(),
            cache_redis: Vec::new(),
            redis: None,
            etcd: None,
            consul: None,
            user_rpc: None,
            order_rpc: None,
            pay_rpc: None,
            telemetry: Telemetry::default(),
            log: Log::default(),
            prometheus: None,
            dev_server: None,
            mall: Mall::default(),
        }
    }

    /// The instance's identity: `Mall.Instance`, or the name when that is empty.
    pub fn instance(&self) -> &str {
        if self.mall.instance.is_empty() { &self.name } else { &self.mall.instance }
    }

    /// `service.name` of the process's telemetry.
    pub fn service_name(&self) -> &str {
        if self.telemetry.name.is_empty() { &self.name } else { &self.telemetry.name }
    }

    /// The data source of the service, by whichever of its two keys it was given; empty when there is none.
    pub fn source(&self) -> &str {
        if self.data_source.is_empty() { self.database.data_source.expose() } else { self.data_source.expose() }
    }

    /// How a service that this process calls is found, when the configuration says so.
    pub fn rpc_client(&self, service: &str) -> Option<&RpcClient> {
        match service {
            "user-rpc" => self.user_rpc.as_ref(),
            "order-rpc" => self.order_rpc.as_ref(),
            "pay-rpc" => self.pay_rpc.as_ref(),
            _ => None,
        }
    }

    /// Whether requests may be shed: there is a threshold, and the mode is not one in which go-zero sheds nothing.
    pub fn sheds(&self) -> bool {
        self.cpu_threshold > 0 && self.mode == "pro"
    }

    /// Longest time of one request in this role; `None` when it is unlimited.
    pub fn request_timeout(&self, role: Role) -> Option<Duration> {
        let default = if role.is_http() { 3_000 } else { 2_000 };
        match self.timeout.unwrap_or(default) {
            0 => None,
            milliseconds => Some(Duration::from_millis(milliseconds)),
        }
    }
}

fn pro() -> String {
    "pro".to_owned()
}

fn any_loopback_port() -> String {
    "127.0.0.1:0".to_owned()
}

fn loopback() -> String {
    "127.0.0.1".to_owned()
}

fn one_mebibyte() -> u64 {
    1 << 20
}

fn ten_thousand() -> usize {
    10_000
}

fn nine_hundred() -> u32 {
    900
}
