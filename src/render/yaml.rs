//! A service's configuration as YAML with go-zero's keys: only what differs from the defaults.

use std::fmt::Write as _;

use mall::config::{CacheNode, Consul, DevServer, Etcd, Prometheus, Redis, RpcClient, ServiceConfig};
use toml::Value;

/// The configuration as YAML, in the order of its keys. Secrets stand there as they are: render writes `${NAME}`.
pub fn yaml(config: &ServiceConfig) -> String {
    let (Some(Value::Table(mut own)), Some(default)) = (tree(config), tree(&reference(&config.name))) else {
        // Unreachable: a configuration is a table of plain values, as its own tests show.
        return String::new();
    };
    let name = own.remove("Name");
    let mut text = String::new();
    if let Some(name) = &name {
        entry(&mut text, 0, "Name", name);
    }
    if let Some(Value::Table(rest)) = differing(&Value::Table(own), &default) {
        for (key, value) in &rest {
            entry(&mut text, 0, key, value);
        }
    }
    text
}

fn tree(config: &ServiceConfig) -> Option<Value> {
    Value::try_from(config).ok()
}

/// A configuration in which everything optional is there with its own defaults, so that these can be left out too.
fn reference(name: &str) -> ServiceConfig {
    let client =
        || Some(RpcClient { etcd: Some(Etcd::default()), consul: Some(Consul::default()), ..RpcClient::default() });
    ServiceConfig {
        cache_redis: vec![CacheNode::default()],
        redis: Some(Redis::default()),
        etcd: Some(Etcd::default()),
        consul: Some(Consul::default()),
        user_rpc: client(),
        order_rpc: client(),
        pay_rpc: client(),
        prometheus: Some(Prometheus::default()),
        dev_server: Some(DevServer::default()),
        ..ServiceConfig::new(name)
    }
}

/// What of `value` is not as in `default`; `None` when nothing is.
fn differing(value: &Value, default: &Value) -> Option<Value> {
    match (value, default) {
        (Value::Table(own), Value::Table(defaults)) => {
            let rest: toml::Table = own
                .iter()
                .filter_map(|(key, value)| {
                    let kept = match defaults.get(key) {
                        Some(default) => differing(value, default)?,
                        None => value.clone(),
                    };
                    Some((key.clone(), kept))
                })
                .collect();
            (!rest.is_empty()).then_some(Value::Table(rest))
        }
        (Value::Array(own), Value::Array(defaults)) if own.iter().all(Value::is_table) && !own.is_empty() => {
            let items = own.iter().map(|item| match defaults.first() {
                Some(default) => differing(item, default).unwrap_or_else(|| item.clone()),
                None => item.clone(),
            });
            Some(Value::Array(items.collect()))
        }
        _ => (value != default).then(|| value.clone()),
    }
}

fn entry(text: &mut String, depth: usize, key: &str, value: &Value) {
    let indent = "  ".repeat(depth);
    // Writing into a String cannot fail.
    let _ = match value {
        Value::Table(table) => {
            let _ = writeln!(text, "{indent}{key}:");
            for (key, value) in table {
                entry(text, depth + 1, key, value);
            }
            Ok(())
        }
        Value::Array(items) if items.is_empty() => writeln!(text, "{indent}{key}: []"),
        Value::Array(items) => {
            let _ = writeln!(text, "{indent}{key}:");
            for item in items {
                listed(text, depth + 1, item);
            }
            Ok(())
        }
        plain => writeln!(text, "{indent}{key}: {}", scalar(plain)),
    };
}

/// An item of a list; the first key of a table stands behind the dash.
fn listed(text: &mut String, depth: usize, item: &Value) {
    let indent = "  ".repeat(depth);
    let mut inner = String::new();
    match item {
        Value::Table(table) => {
            for (key, value) in table {
                entry(&mut inner, depth + 1, key, value);
            }
        }
        plain => inner = format!("{indent}  {}\n", scalar(plain)),
    }
    let first = inner.get(indent.len() + 2..).unwrap_or_default();
    let _ = write!(text, "{indent}- {first}");
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(string) if is_plain(string) => string.clone(),
        // A JSON string is a YAML string too.
        Value::String(string) => serde_json::Value::from(string.as_str()).to_string(),
        other => other.to_string(),
    }
}

/// Whether text stands for itself without quotes, whichever version of YAML reads it.
fn is_plain(text: &str) -> bool {
    let starts = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '$');
    let word = |c: char| c.is_ascii_alphanumeric() || "-_./:@()?&=${}".contains(c);
    let reserved = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    starts && text.chars().all(word) && !text.ends_with(':') && !reserved.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_written() {
        let mut config = ServiceConfig::new("pay-rpc");
        assert_eq!(yaml(&config), "Name: pay-rpc\n");
        config.listen_on = "0.0.0.0:9000".to_owned();
        config.cache_redis = vec![CacheNode { host: "redis:6379".to_owned(), ..CacheNode::default() }];
        config.etcd = Some(Etcd { hosts: vec!["etcd:2379".to_owned()], key: "pay-rpc".to_owned(), ..Etcd::default() });
        config.mall.instance = "pay-rpc/${HOSTNAME}".to_owned();
        let expected = "Name: pay-rpc\nListenOn: \"0.0.0.0:9000\"\nCacheRedis:\n  - Host: redis:6379\n\
                        Etcd:\n  Hosts:\n    - etcd:2379\n  Key: pay-rpc\nMall:\n  Instance: pay-rpc/${HOSTNAME}\n";
        assert_eq!(yaml(&config), expected);
    }

    #[test]
    fn words_that_yaml_takes_for_something_else_are_quoted() {
        for (text, plain) in [("no", false), ("12", false), ("a b", false), ("redis:6379", true), ("${A}", true)] {
            assert_eq!(is_plain(text), plain, "{text}");
        }
    }
}
