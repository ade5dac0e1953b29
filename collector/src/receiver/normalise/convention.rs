//! Old names of attributes become current ones (semantic conventions 1.4 to 1.20, and go-zero's own names).
//!
//! An attribute under its current name wins over the same thing under an old one: emitters in transition send both.

use std::sync::Arc;

use super::intern::Words;
use crate::model::{Attribute, Kind, Value, grpc_code_name};

/// What happens to an old attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// It has a new name.
    Name(&'static str),
    /// It has a new name, and text becomes a number.
    Number(&'static str),
    /// It has one name on spans that ask, another on spans that answer.
    Peer(&'static str, &'static str),
    /// As `Peer`, and text becomes a number.
    PeerNumber(&'static str, &'static str),
    /// A number of a gRPC code becomes its name.
    GrpcCode,
    /// `/path?query` becomes two attributes.
    Target,
    /// `host:port` becomes two attributes.
    Host,
    /// Joins `rpc.method`.
    Service,
    /// It has a new name, and tells which system was asked.
    System(&'static str, &'static str),
}

/// Old names, in alphabetical order, and what becomes of them.
const CHANGES: &[(&str, Change)] = &[
    ("db.name", Change::Name("db.namespace")),
    ("db.operation", Change::Name("db.operation.name")),
    ("db.redis.database_index", Change::Name("db.namespace")),
    ("db.sql.table", Change::Name("db.collection.name")),
    ("db.statement", Change::Name("db.query.text")),
    ("db.system", Change::Name("db.system.name")),
    ("enduser.id", Change::Name("user.id")),
    ("http.client_ip", Change::Name("client.address")),
    ("http.flavor", Change::Name("network.protocol.version")),
    ("http.host", Change::Host),
    ("http.method", Change::Name("http.request.method")),
    ("http.request_content_length", Change::Number("http.request.body.size")),
    ("http.response_content_length", Change::Number("http.response.body.size")),
    ("http.scheme", Change::Name("url.scheme")),
    ("http.server_name", Change::Name("server.address")),
    ("http.status_code", Change::Number("http.response.status_code")),
    ("http.target", Change::Target),
    ("http.url", Change::Name("url.full")),
    ("http.user_agent", Change::Name("user_agent.original")),
    ("messaging.destination", Change::Name("messaging.destination.name")),
    ("messaging.operation", Change::Name("messaging.operation.type")),
    ("mongo.cmd", Change::System("db.operation.name", "mongodb")),
    ("net.host.ip", Change::Name("network.local.address")),
    ("net.host.name", Change::Name("server.address")),
    ("net.host.port", Change::Number("server.port")),
    ("net.peer.ip", Change::Peer("server.address", "client.address")),
    ("net.peer.name", Change::Peer("server.address", "client.address")),
    ("net.peer.port", Change::PeerNumber("server.port", "client.port")),
    ("net.protocol.name", Change::Name("network.protocol.name")),
    ("net.protocol.version", Change::Name("network.protocol.version")),
    ("net.sock.peer.addr", Change::Name("network.peer.address")),
    ("net.sock.peer.port", Change::Number("network.peer.port")),
    ("net.transport", Change::Name("network.transport")),
    ("peer.service", Change::Name("service.peer.name")),
    ("redis.cmds", Change::System("db.query.text", "redis")),
    ("rpc.grpc.status_code", Change::GrpcCode),
    ("rpc.service", Change::Service),
    ("rpc.status_code", Change::GrpcCode),
    ("rpc.system", Change::Name("rpc.system.name")),
    ("sql.method", Change::System("db.operation.name", "other_sql")),
];

fn change_of(key: &str) -> Option<Change> {
    let at = CHANGES.binary_search_by_key(&key, |(old, _)| old).ok()?;
    CHANGES.get(at).map(|(_, change)| *change)
}

/// Renames old attributes in place; those that were renamed come last.
pub(super) fn modernise(attributes: &mut Vec<Attribute>, kind: Kind, words: &Words) {
    let is_old = |attribute: &Attribute| change_of(&attribute.key).is_some();
    if !attributes.iter().any(is_old) {
        return;
    }
    let (old, current): (Vec<_>, Vec<_>) = std::mem::take(attributes).into_iter().partition(is_old);
    let asks = matches!(kind, Kind::Client | Kind::Producer);
    let mut renamed = Renamed { attributes: current, words };
    for Attribute { key, value } in old {
        let Some(change) = change_of(&key) else { continue };
        renamed.apply(change, value, asks);
    }
    *attributes = renamed.attributes;
}

struct Renamed<'a> {
    attributes: Vec<Attribute>,
    words: &'a Words,
}

fn numeric(value: Value) -> Value {
    value.as_int().map_or(value, Value::Int)
}

impl Renamed<'_> {
    /// Adds an attribute unless it is there.
    fn add(&mut self, key: &str, value: Value) {
        if !self.attributes.iter().any(|attribute| &*attribute.key == key) {
            self.attributes.push(Attribute { key: self.words.intern(key), value });
        }
    }

    fn text(&self, text: &str) -> Value {
        Value::Text(self.words.intern(text))
    }

    fn apply(&mut self, change: Change, value: Value, asks: bool) {
        match change {
            Change::Name(new) => self.add(new, value),
            Change::Number(new) => self.add(new, numeric(value)),
            Change::Peer(asked, answered) => self.add(if asks { asked } else { answered }, value),
            Change::PeerNumber(asked, answered) => self.add(if asks { asked } else { answered }, numeric(value)),
            Change::GrpcCode => {
                let name = value.as_int().and_then(grpc_code_name).map(|name| self.text(name));
                self.add("rpc.response.status_code", name.unwrap_or(value));
            }
            Change::Target => {
                let target = value.to_string();
                let (path, query) =
                    target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
                self.add("url.path", self.text(path));
                if let Some(query) = query {
                    self.add("url.query", self.text(query));
                }
            }
            Change::Host => {
                let host = value.to_string();
                let port = host.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse::<u16>().ok()?)));
                let name = port.map_or(&*host, |(name, _)| name);
                self.add("server.address", self.text(name));
                if let Some((_, port)) = port {
                    self.add("server.port", Value::Int(i64::from(port)));
                }
            }
            Change::Service => self.join_service(&value.to_string()),
            Change::System(new, system) => {
                self.add(new, value);
                self.add("db.system.name", self.text(system));
            }
        }
    }

    fn join_service(&mut self, service: &str) {
        let words = self.words;
        let method = self.attributes.iter_mut().find(|attribute| &*attribute.key == "rpc.method");
        match method {
            Some(method) => {
                let name = method.value.to_string();
                if !name.contains('/') {
                    method.value = Value::Text(Arc::from(format!("{service}/{name}")));
                }
            }
            None => self
                .attributes
                .push(Attribute { key: words.intern("rpc.method"), value: Value::Text(words.intern(service)) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::find;

    fn modern(pairs: &[(&str, Value)], kind: Kind) -> Vec<Attribute> {
        let mut attributes =
            pairs.iter().map(|(key, value)| Attribute { key: Arc::from(*key), value: value.clone() }).collect();
        modernise(&mut attributes, kind, &Words::default());
        attributes
    }

    fn text(text: &str) -> Value {
        Value::Text(Arc::from(text))
    }

    #[test]
    fn the_table_is_sorted_and_current_names_are_not_in_it() {
        assert!(CHANGES.is_sorted_by(|(a, _), (b, _)| a < b));
        for (_, change) in CHANGES {
            if let Change::Name(new) | Change::Number(new) | Change::System(new, _) = change {
                assert_eq!(change_of(new), None, "{new} would be renamed again");
            }
        }
    }

    #[test]
    fn go_zero_spans_read_like_current_ones() {
        let client = modern(
            &[
                ("rpc.system", text("grpc")),
                ("rpc.service", text("pay.Pay")),
                ("rpc.method", text("InitiatePayment")),
                ("net.peer.ip", text("127.0.0.1")),
                ("net.peer.port", text("9003")),
                ("rpc.grpc.status_code", Value::Int(14)),
            ],
            Kind::Client,
        );
        assert_eq!(find(&client, "rpc.method"), Some(&text("pay.Pay/InitiatePayment")));
        assert_eq!(find(&client, "rpc.system.name"), Some(&text("grpc")));
        assert_eq!(find(&client, "server.address"), Some(&text("127.0.0.1")));
        assert_eq!(find(&client, "server.port"), Some(&Value::Int(9003)));
        assert_eq!(find(&client, "rpc.response.status_code"), Some(&text("UNAVAILABLE")));
        assert_eq!(client.len(), 5);

        let server = modern(
            &[
                ("http.target", text("/api/order?id=1")),
                ("http.status_code", text("503")),
                ("http.host", text("[::1]:8888")),
            ],
            Kind::Server,
        );
        assert_eq!(find(&server, "url.path"), Some(&text("/api/order")));
        assert_eq!(find(&server, "url.query"), Some(&text("id=1")));
        assert_eq!(find(&server, "http.response.status_code"), Some(&Value::Int(503)));
        assert_eq!(
            (find(&server, "server.address"), find(&server, "server.port")),
            (Some(&text("[::1]")), Some(&Value::Int(8888)))
        );

        let redis = modern(&[("redis.cmds", Value::Json(Arc::from("[\"GET k\"]")))], Kind::Client);
        assert_eq!(find(&redis, "db.system.name"), Some(&text("redis")));
    }

    #[test]
    fn a_current_name_wins_over_an_old_one() {
        let both = modern(&[("http.method", text("OLD")), ("http.request.method", text("GET"))], Kind::Server);
        assert_eq!(both, modern(&[("http.request.method", text("GET"))], Kind::Server));
    }
}
