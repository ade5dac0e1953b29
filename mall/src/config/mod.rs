//! What a process is told at start: one YAML (or JSON) file, with go-zero's key names where go-zero has the key.
//!
//! Unknown keys are refused with the nearest valid one. Secrets never appear in `Debug`.

mod address;
mod check;
mod document;
mod edge;
mod environment;
mod error;
mod header;
mod level;
mod needs;
mod peers;
mod role;
mod schema;
mod secret;
mod stores;
mod telemetry;
mod tree;

pub(crate) use address::can_connect;
pub use document::document;
pub use edge::{Auth, Cors, Limit, Per};
pub use error::ConfigError;
pub(crate) use level::filter as log_filter;
pub use peers::{Consul, Etcd, RpcClient};
pub use role::{Role, UnknownRole};
pub use secret::Secret;
pub use stores::{Cache, CacheNode, Database, Redis};
pub use telemetry::{DevServer, Log, Prometheus, Sampling, Telemetry};
pub use tree::Mistake;

use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

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

/// A configuration, and which keys of its file are accepted and have no effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The configuration.
    pub config: ServiceConfig,
    /// One for each key without effect, in the order of the file.
    pub notes: Vec<Mistake>,
}

/// What go-zero has no key for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Mall {
    /// `pay-rpc/1`: `service.instance.id`, stable over restarts. The service name when empty.
    pub instance: String,
    /// The supervisor's control service.
    pub control: Control,
    /// Policy of breakers and balancers.
    pub policy: String,
    /// Begins every key in Redis, so that several shops can share a server: `cache:<Namespace>:user:id:1`.
    pub namespace: String,
    /// Seed of every random decision of the process.
    pub seed: u64,
    /// Which pages of other origins may call a gateway.
    pub cors: Cors,
    /// Rate limits of a gateway.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// How long the cache keeps rows.
    pub cache: Cache,
    /// Which processor share the shedder looks at: of the `process`, or of the whole `cgroup` as go-zero does.
    pub shed_by: String,
}

/// The supervisor's control service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Control {
    /// host:port; empty runs without a supervisor.
    pub endpoint: String,
    /// Token of the stack.
    pub token: Secret,
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

    /// Reads a configuration file. Without a supervisor the OTEL_* variables of the environment win over it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::interpret(&file(path)?, path, &|name| std::env::var(name).ok()).map(|reading| reading.config)
    }

    /// As [`ServiceConfig::load`], with what the file says in vain. The file must say all that `role` cannot start without.
    pub fn read(role: Role, path: &Path) -> Result<Reading, ConfigError> {
        Self::interpret_as(role, &file(path)?, path, &|name| std::env::var(name).ok())
    }

    /// Reads a configuration from text, without an environment; `path` is only named in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        Self::interpret(text, path, &|_| None).map(|reading| reading.config)
    }

    /// Reads a configuration from text and the variables that `lookup` finds.
    pub fn interpret(text: &str, path: &Path, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Reading, ConfigError> {
        Self::judge(None, text, path, lookup)
    }

    /// As [`ServiceConfig::interpret`]; the text must say all that `role` cannot start without.
    pub fn interpret_as(
        role: Role,
        text: &str,
        path: &Path,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Reading, ConfigError> {
        Self::judge(Some(role), text, path, lookup)
    }

    fn judge(
        role: Option<Role>,
        text: &str,
        path: &Path,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Reading, ConfigError> {
        let refuse = |mistakes| ConfigError::Mistakes { path: path.to_owned(), mistakes };
        let root = tree::read(text).map_err(|mistake| refuse(vec![mistake]))?;
        let mut checked = check::check(&root, &schema::ROOT, lookup);
        let mut missing = role.map(|role| needs::missing(role, &checked)).unwrap_or_default();
        if !checked.says("Name") {
            missing.push("missing field `Name`".to_owned());
        }
        checked.mistakes.extend(missing.into_iter().map(|what| Mistake::new(root.at, what)));
        checked.mistakes.sort();
        if !checked.mistakes.is_empty() {
            return Err(refuse(checked.mistakes));
        }
        let mut config: Self = serde_json::from_value(checked.values.into()).map_err(|error| {
            refuse(vec![Mistake { line: root.at.line, column: root.at.column, what: error.to_string() }])
        })?;
        if config.mall.control.endpoint.is_empty() {
            environment::apply(&mut config, lookup)?;
        }
        Ok(Reading { config, notes: checked.notes })
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

impl Default for Mall {
    fn default() -> Self {
        Self {
            instance: String::new(),
            control: Control::default(),
            policy: "go-zero".to_owned(),
            namespace: "mall".to_owned(),
            seed: 0,
            cors: Cors::default(),
            limits: Vec::new(),
            cache: Cache::default(),
            shed_by: "process".to_owned(),
        }
    }
}

fn file(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        ServiceConfig::parse(text, Path::new("pay.json")).expect_err("must be refused").to_string()
    }

    #[test]
    fn only_the_name_is_required() {
        let config = ServiceConfig::parse(r#"{"Name":"pay-rpc"}"#, Path::new("pay.json")).expect("valid");
        assert_eq!(config, ServiceConfig::new("pay-rpc"));
        assert_eq!(config.instance(), "pay-rpc");
        assert_eq!(config.request_timeout(Role::PayRpc), Some(Duration::from_secs(2)));
        assert_eq!(config.request_timeout(Role::Gateway), Some(Duration::from_secs(3)));
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut config = ServiceConfig::new("order-rpc");
        config.timeout = Some(0);
        config.mall.instance = "order-rpc/2".to_owned();
        config.mall.control.token = Secret::new("t0ken");
        config.data_source = "sqlite:///tmp/order.db".into();
        config.telemetry.sampler = 0.1;
        config.telemetry.otlp_headers.insert("a".to_owned(), "b".into());
        config.etcd =
            Some(Etcd { hosts: vec!["e:1".to_owned()], key: "order-rpc".to_owned(), id: 7, ..Etcd::default() });
        config.user_rpc = Some(RpcClient { endpoints: vec!["u:1".to_owned()], ..RpcClient::default() });
        config.cache_redis = vec![CacheNode { host: "r:1".to_owned(), ..CacheNode::default() }];
        config.redis = Some(Redis { host: "r:1".to_owned(), ..Redis::default() });
        config.prometheus = Some(Prometheus { host: "p".to_owned(), ..Prometheus::default() });
        config.dev_server = Some(DevServer::default());
        config.mall.limits = vec![Limit { route: "*".to_owned(), quota: 5, period: 1, ..Limit::default() }];
        config.mall.seed = u64::MAX;
        let text = serde_json::to_string_pretty(&config).expect("serialises");
        assert_eq!(ServiceConfig::parse(&text, Path::new("order.json")).expect("valid"), config);
        assert_eq!(config.request_timeout(Role::OrderRpc), None);
    }

    #[test]
    fn a_typo_names_file_place_key_and_neighbour() {
        let message = refusal("{\"Name\":\"pay-rpc\",\n\"ListenOm\":\"127.0.0.1:0\"}");
        assert_eq!(message, "pay.json:2:1: unknown key `ListenOm`; did you mean `ListenOn`?");
    }

    #[test]
    fn a_missing_name_is_named() {
        assert_eq!(refusal("Port: 1"), "pay.json:1:1: missing field `Name`");
    }

    #[test]
    fn every_mistake_is_told_at_once_in_the_order_of_the_file() {
        let text = "Name: pay-rpc\nMall:\n  Policy: lenient\nLog:\n  Encoding: xml\nPort: 99999\nPort: 1\nCpuThreshold: \"900\"\n";
        let message = refusal(text);
        let lines: Vec<&str> = message.lines().collect();
        assert_eq!(
            lines,
            [
                "pay.json:3:11: `Mall.Policy` is `lenient`: must be `go-zero`; did you mean `go-zero`?",
                "pay.json:5:13: `Log.Encoding` is `xml`: must be `json` or `plain`; did you mean `json`?",
                "pay.json:6:7: `Port` is `99999`: must be a whole number from 0 to 65535",
                "pay.json:8:15: `CpuThreshold` is `900`: must be a whole number from 0 to 999",
            ]
        );
    }

    #[test]
    fn a_rule_is_told_beside_mistakes_of_other_groups() {
        let place = "{ Hosts: ['h:0'], Key: a }";
        let message = refusal(&format!("Name: a\nEtcd: {place}\nConsul: {{ Host: 'c:8500', Key: a }}\n"));
        let lines: Vec<&str> = message.lines().collect();
        assert_eq!(lines.len(), 2, "{message}");
        assert!(lines[0].contains("`Etcd` and `Consul` both announce the service"), "{message}");
        assert!(lines[1].contains("`Etcd.Hosts` is `h:0`"), "{message}");
    }

    #[test]
    fn a_level_that_is_none_is_refused_where_it_stands() {
        let message = refusal("Name: pay-rpc\nLog:\n  Level: wran\n");
        assert!(message.starts_with("pay.json:3:10: `Log.Level` is `wran`: `wran` is no level; "), "{message}");
        assert!(message.ends_with("did you mean `warn`?"), "{message}");
        let level = |text: &str| ServiceConfig::parse(text, Path::new("a.yaml")).expect("valid").log.level;
        assert_eq!(level("Name: a\nLog: { Level: severe }"), "severe");
        assert_eq!(level("Name: a\nLog: { Level: '' }"), "info");
    }

    #[test]
    fn rules_between_keys_are_told_where_the_group_stands() {
        let text = "Name: gateway\nMall:\n  Limits:\n    - Route: '*'\n      Rate: 100\n      Burst: 10\n    - Route: '*'\n      Quota: 5\n";
        let message = refusal(text);
        assert!(message.contains("pay.json:4:7: `Burst` is 10: at least half of `Rate` 100"), "{message}");
        assert!(message.contains("pay.json:7:7: a limit is `Quota` with `Period`"), "{message}");
        let message = refusal("Name: a\nUserRpc:\n  Endpoints: [h:1]\n  Target: direct:///h:1\n");
        assert!(message.contains("`Endpoints` and `Target` all say where"), "{message}");
        let message = refusal("Name: a\nAuth:\n  AccessSecret: short\n");
        assert!(message.contains("fewer than 8") && !message.contains("short"), "{message}");
    }

    #[test]
    fn keys_are_found_whatever_their_case_and_variables_are_filled_in() {
        let text = "name: pay-rpc\nlistenon: 0.0.0.0:8080\nDataSource: mysql://root:${DB_PASS}@db:3306/mall_pay\nVerbose: true\n";
        let lookup = |name: &str| (name == "DB_PASS").then(|| "s3cret".to_owned());
        let reading = ServiceConfig::interpret(text, Path::new("pay.yaml"), &lookup).expect("valid");
        assert_eq!(reading.config.listen_on, "0.0.0.0:8080");
        assert_eq!(reading.config.source(), "mysql://root:s3cret@db:3306/mall_pay");
        assert!(reading.notes[0].what.starts_with("`Verbose` has no effect"), "{:?}", reading.notes);
        let error = ServiceConfig::interpret(text, Path::new("pay.yaml"), &|_| None).expect_err("not set");
        assert!(error.to_string().contains("pay.yaml:3:13: `DataSource` asks for the environment variable `DB_PASS`"));
    }

    #[test]
    fn the_environment_wins_unless_a_supervisor_started_the_process() {
        let lookup = |name: &str| (name == "OTEL_SERVICE_NAME").then(|| "other".to_owned());
        let free = ServiceConfig::interpret("Name: a", Path::new("a.yaml"), &lookup).expect("valid").config;
        assert_eq!(free.service_name(), "other");
        let text = "Name: a\nMall: { Control: { Endpoint: '127.0.0.1:4320' } }";
        let child = ServiceConfig::interpret(text, Path::new("a.yaml"), &lookup).expect("valid").config;
        assert_eq!(child.service_name(), "a");
    }

    #[test]
    fn secrets_stay_out_of_debug() {
        let mut config = ServiceConfig::new("gateway");
        config.auth.access_secret = Secret::new("hunter2");
        config.mall.control.token = Secret::new("hunter3");
        assert!(!format!("{config:?}").contains("hunter"));
    }
}
