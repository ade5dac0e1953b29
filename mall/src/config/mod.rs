//! What a process is told at start: one JSON file, with go-zero's key names where go-zero has the key.
//!
//! Unknown keys are refused with the nearest valid one. Secrets never appear in `Debug`.

mod error;
mod role;
mod secret;

pub use error::ConfigError;
pub use role::{Role, UnknownRole};
pub use secret::Secret;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::Path;
use std::time::Duration;

/// Configuration of one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ServiceConfig {
    /// Service name: `service.name` of its telemetry and its name in the registry.
    pub name: String,
    /// Where an RPC service listens, host:port; port 0 takes a free one.
    #[serde(default = "any_loopback_port")]
    pub listen_on: String,
    /// Host that the gateway listens on.
    #[serde(default = "loopback")]
    pub host: String,
    /// Port that the gateway listens on; 0 takes a free one.
    #[serde(default)]
    pub port: u16,
    /// Longest time of one request in milliseconds: 2,000 unless told, 3,000 for the gateway; 0 means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Largest request body that the gateway accepts, in bytes.
    #[serde(default = "one_mebibyte")]
    pub max_bytes: u64,
    /// Requests that the gateway serves at once.
    #[serde(default = "ten_thousand")]
    pub max_conns: usize,
    /// Access tokens of the gateway.
    #[serde(default)]
    pub auth: Auth,
    /// Database of the service, `sqlite:///data/pay.db`; the folder of all of them for the role that migrates; empty for
    /// roles without one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_source: String,
    /// Where spans, metrics and logs go.
    #[serde(default)]
    pub telemetry: Telemetry,
    /// The process's own log lines.
    #[serde(default)]
    pub log: Log,
    /// What go-zero has no key for.
    #[serde(default)]
    pub mall: Mall,
}

/// Access tokens: who signs them and how long they live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Auth {
    /// HMAC key of the tokens.
    #[serde(default)]
    pub access_secret: Secret,
    /// Life of a token in seconds.
    #[serde(default = "one_day")]
    pub access_expire: u64,
}

/// Where telemetry goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Telemetry {
    /// host:port of an OTLP/gRPC receiver, without a scheme; empty exports nothing, ids are still made.
    #[serde(default)]
    pub endpoint: String,
}

/// The process's own log lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,mall=debug`.
    #[serde(default = "info")]
    pub level: String,
    /// `json` or `plain`.
    #[serde(default = "json", deserialize_with = "encoding")]
    pub encoding: String,
    /// File that lines are appended to; standard error when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// What go-zero has no key for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Mall {
    /// `pay-rpc/1`: `service.instance.id`, stable over restarts. The service name when empty.
    #[serde(default)]
    pub instance: String,
    /// The supervisor's control service.
    #[serde(default)]
    pub control: Control,
    /// Policy of breakers and balancers.
    #[serde(default = "go_zero", deserialize_with = "policy")]
    pub policy: String,
    /// Seed of every random decision of the process.
    #[serde(default)]
    pub seed: u64,
}

/// The supervisor's control service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Control {
    /// host:port; empty runs without a registry.
    #[serde(default)]
    pub endpoint: String,
    /// Token of the stack.
    #[serde(default)]
    pub token: Secret,
}

impl ServiceConfig {
    /// A configuration with every default, for the service called `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            listen_on: any_loopback_port(),
            host: loopback(),
            port: 0,
            timeout: None,
            max_bytes: one_mebibyte(),
            max_conns: ten_thousand(),
            auth: Auth::default(),
            data_source: String::new(),
            telemetry: Telemetry::default(),
            log: Log::default(),
            mall: Mall::default(),
        }
    }

    /// Reads a configuration file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Reads a configuration from text; `path` is only named in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        serde_json::from_str(text).map_err(|source| ConfigError::from_json(path, &source))
    }

    /// The instance's identity: `Mall.Instance`, or the name when that is empty.
    pub fn instance(&self) -> &str {
        if self.mall.instance.is_empty() { &self.name } else { &self.mall.instance }
    }

    /// Longest time of one request in this role; `None` when it is unlimited.
    pub fn request_timeout(&self, role: Role) -> Option<Duration> {
        let default = if role == Role::Gateway { 3_000 } else { 2_000 };
        match self.timeout.unwrap_or(default) {
            0 => None,
            milliseconds => Some(Duration::from_millis(milliseconds)),
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self { access_secret: Secret::default(), access_expire: one_day() }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: info(), encoding: json(), path: None }
    }
}

impl Default for Mall {
    fn default() -> Self {
        Self { instance: String::new(), control: Control::default(), policy: go_zero(), seed: 0 }
    }
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

fn one_day() -> u64 {
    86_400
}

fn info() -> String {
    "info".to_owned()
}

fn json() -> String {
    "json".to_owned()
}

fn go_zero() -> String {
    "go-zero".to_owned()
}

fn encoding<'a, D: Deserializer<'a>>(deserializer: D) -> Result<String, D::Error> {
    one_of(deserializer, &["json", "plain"])
}

fn policy<'a, D: Deserializer<'a>>(deserializer: D) -> Result<String, D::Error> {
    one_of(deserializer, &["go-zero"])
}

fn one_of<'a, D: Deserializer<'a>>(deserializer: D, valid: &'static [&'static str]) -> Result<String, D::Error> {
    let word = String::deserialize(deserializer)?;
    if valid.contains(&word.as_str()) { Ok(word) } else { Err(D::Error::unknown_variant(&word, valid)) }
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
        config.data_source = "sqlite:///tmp/order.db".to_owned();
        let text = serde_json::to_string_pretty(&config).expect("serialises");
        assert_eq!(ServiceConfig::parse(&text, Path::new("order.json")).expect("valid"), config);
        assert_eq!(config.request_timeout(Role::OrderRpc), None);
    }

    #[test]
    fn a_typo_names_file_place_key_and_neighbour() {
        let message = refusal("{\"Name\":\"pay-rpc\",\n\"ListenOm\":\"127.0.0.1:0\"}");
        assert_eq!(message, "pay.json:2:10: unknown key `ListenOm`; did you mean `ListenOn`?");
    }

    #[test]
    fn a_missing_name_is_named() {
        assert_eq!(refusal("{}"), "pay.json:1:2: missing field `Name`");
    }

    #[test]
    fn what_does_not_exist_is_refused_by_name() {
        let message = refusal(r#"{"Name":"pay-rpc","Mall":{"Policy":"lenient"}}"#);
        assert!(message.contains("unknown variant `lenient`, expected `go-zero`"), "{message}");
        let message = refusal(r#"{"Name":"pay-rpc","Log":{"Encoding":"xml"}}"#);
        assert!(message.contains("unknown variant `xml`, expected `json` or `plain`"), "{message}");
    }

    #[test]
    fn secrets_stay_out_of_debug() {
        let mut config = ServiceConfig::new("gateway");
        config.auth.access_secret = Secret::new("hunter2");
        config.mall.control.token = Secret::new("hunter3");
        assert!(!format!("{config:?}").contains("hunter"));
    }
}
