//! From a file to a configuration, or to all its mistakes.

use std::path::Path;

use super::check::check;
use super::{ConfigError, Mistake, Role, ServiceConfig, environment, needs, schema, tree};

/// A configuration, and which keys of its file are accepted and have no effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The configuration.
    pub config: ServiceConfig,
    /// One for each key without effect, in the order of the file.
    pub notes: Vec<Mistake>,
    /// What the role cannot start without and the file does not say; empty where that was asked to be a mistake.
    pub missing: Vec<Mistake>,
}

/// What is made of keys that a role cannot start without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Nobody asked for a role.
    Unknown,
    /// The file is to start this role: they are mistakes.
    Demanded(Role),
    /// The file is looked at, and may be a part of a configuration: they are told beside.
    Told(Role),
}

impl ServiceConfig {
    /// Reads a configuration file. Without a supervisor the OTEL_* variables of the environment win over it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::interpret(&file(path)?, path, &|name| std::env::var(name).ok()).map(|reading| reading.config)
    }

    /// As [`ServiceConfig::load`], with what the file says in vain. The file must say all that `role` cannot start without.
    pub fn read(role: Role, path: &Path) -> Result<Reading, ConfigError> {
        Self::interpret_as(role, &file(path)?, path, &|name| std::env::var(name).ok())
    }

    /// As [`ServiceConfig::read`], for a file that is only looked at: what `role` needs beyond it is no mistake of it.
    pub fn check(role: Role, path: &Path) -> Result<Reading, ConfigError> {
        Self::judge(Needs::Told(role), &file(path)?, path, &|name| std::env::var(name).ok())
    }

    /// Reads a configuration from text, without an environment; `path` is only named in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        Self::interpret(text, path, &|_| None).map(|reading| reading.config)
    }

    /// Reads a configuration from text and the variables that `lookup` finds.
    pub fn interpret(text: &str, path: &Path, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Reading, ConfigError> {
        Self::judge(Needs::Unknown, text, path, lookup)
    }

    /// As [`ServiceConfig::interpret`]; the text must say all that `role` cannot start without.
    pub fn interpret_as(
        role: Role,
        text: &str,
        path: &Path,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Reading, ConfigError> {
        Self::judge(Needs::Demanded(role), text, path, lookup)
    }

    fn judge(
        needs: Needs,
        text: &str,
        path: &Path,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Reading, ConfigError> {
        let refuse = |mistakes| ConfigError::Mistakes { path: path.to_owned(), mistakes };
        let root = tree::read(text).map_err(|mistake| refuse(vec![mistake]))?;
        let mut checked = check(&root, &schema::ROOT, lookup);
        let mut missing: Vec<Mistake> = match needs {
            Needs::Unknown => Vec::new(),
            Needs::Demanded(role) | Needs::Told(role) => {
                needs::missing(role, &checked).into_iter().map(|what| Mistake::new(root.at, what)).collect()
            }
        };
        if !checked.says("Name") {
            checked.mistakes.push(Mistake::new(root.at, "missing field `Name`".to_owned()));
        }
        if matches!(needs, Needs::Demanded(_)) {
            checked.mistakes.append(&mut missing);
        }
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
        Ok(Reading { config, notes: checked.notes, missing })
    }
}

fn file(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{CacheNode, DevServer, Etcd, Limit, Prometheus, Redis, RpcClient, Secret};

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
