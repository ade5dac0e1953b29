//! What a shop consists of, wherever it runs: which roles, how many replicas, on which database, cache and registry.
//!
//! `up` places it on this machine, `render` writes it down for containers; both take the services' configurations from
//! [`Topology::configure`], so that they cannot drift apart. Addresses, ports and secrets belong to the place.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use mall::config::{CacheNode, Consul, Database, Etcd, Redis, Role, RpcClient, Secret, ServiceConfig};
use mall::store::DataSources;
use serde::{Deserialize, Serialize};

/// Replicas of an RPC service unless told: three, because P2C with two ignores health.
pub const DEFAULT_REPLICAS: u32 = 3;

/// Connections of one process to MySQL at most: nine services together stay below the 151 that a server allows unless
/// told, and a service on one thread never has more than a few in use.
const POOL: u32 = 12;

/// A shop without a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// Replicas by role name; three of each RPC service unless told.
    pub replicas: BTreeMap<String, u32>,
    /// One gateway, or three APIs behind a proxy.
    pub apis: Apis,
    /// Where the databases are.
    pub store: StoreAt,
    /// Where the cache, the rate limits and the order events are.
    pub cache: CacheAt,
    /// How services find each other.
    pub registry: RegistryAt,
}

/// What answers HTTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Apis {
    /// One gateway with every route.
    #[default]
    One,
    /// user-api, order-api and pay-api, which a proxy joins.
    Three,
}

/// Where the databases are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoreAt {
    /// SQLite files of the place.
    #[default]
    Sqlite,
    /// `mysql://user:pass@host:port/prefix`: the databases `prefix_user`, `prefix_order` and `prefix_pay`.
    Mysql(Secret),
}

/// Where the cache, the rate limits and the order events are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CacheAt {
    /// Within the processes, events by polling the outbox.
    #[default]
    Embedded,
    /// Redis at host:port.
    Redis {
        /// host:port.
        host: String,
        /// Empty when Redis asks for none.
        user: String,
        /// Empty when Redis asks for none.
        pass: Secret,
    },
}

/// How services find each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryAt {
    /// The supervisor's registry.
    #[default]
    Embedded,
    /// etcd; a service stands at `<prefix>/<service>/<lease>`, without a prefix at `<service>/<lease>`.
    Etcd {
        /// host:port of every member.
        hosts: Vec<String>,
        /// Empty for none.
        prefix: String,
    },
    /// The agent of Consul at host:port.
    Consul {
        /// host:port.
        host: String,
        /// Empty for none.
        prefix: String,
    },
    /// Names that resolve to every replica, such as a headless service: `dns:///<service><suffix>:<port>`.
    Dns {
        /// What follows the service's name.
        suffix: String,
        /// Where every replica listens.
        port: u16,
    },
}

/// A place that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPlace(String);

impl fmt::Display for BadPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for BadPlace {}

impl Default for Topology {
    fn default() -> Self {
        Self {
            replicas: BTreeMap::new(),
            apis: Apis::One,
            store: StoreAt::Sqlite,
            cache: CacheAt::Embedded,
            registry: RegistryAt::Embedded,
        }
    }
}

impl Topology {
    /// Every role with its replicas: what answers HTTP first, then the RPC services.
    pub fn roles(&self) -> Vec<(Role, u32)> {
        let http: &[Role] = match self.apis {
            Apis::One => &[Role::Gateway],
            Apis::Three => &Role::API,
        };
        let count = |role: Role, default| self.replicas.get(role.name()).copied().unwrap_or(default);
        let http = http.iter().map(|role| (*role, count(*role, 1)));
        http.chain(Role::RPC.into_iter().map(|role| (role, count(role, DEFAULT_REPLICAS)))).collect()
    }

    /// Gives a stack that is not the default one names of its own on shared servers, where none were chosen: databases
    /// `blue_user` …, services `blue/user-rpc` ….
    pub fn of_stack(mut self, stack: &str, default: &str) -> Self {
        if let StoreAt::Mysql(url) = &self.store
            && MysqlUrl::parse(url.expose()).is_some_and(|url| url.prefix.is_empty())
        {
            let name = if stack == default { "mall".to_owned() } else { stack.replace('-', "_") };
            self.store = StoreAt::Mysql(format!("{}/{name}", url.expose().trim_end_matches('/')).into());
        }
        if let RegistryAt::Etcd { prefix, .. } | RegistryAt::Consul { prefix, .. } = &mut self.registry
            && prefix.is_empty()
            && stack != default
        {
            stack.clone_into(prefix);
        }
        self
    }

    /// The part of a role's configuration that is the same in every place.
    pub fn configure(&self, role: Role) -> ServiceConfig {
        let mut config = ServiceConfig::new(role.name());
        if let CacheAt::Redis { host, user, pass } = &self.cache {
            let (host, user, pass) = (host.clone(), user.clone(), pass.clone());
            config.cache_redis =
                vec![CacheNode { host: host.clone(), user: user.clone(), pass: pass.clone(), ..CacheNode::default() }];
            config.redis = Some(Redis { host, user, pass });
        }
        if matches!(self.store, StoreAt::Mysql(_)) && Role::RPC.contains(&role) {
            config.database = Database { max_open_conns: POOL, max_idle_conns: POOL, ..Database::default() };
        }
        if Role::RPC.contains(&role) {
            config.etcd = self.etcd(role);
            config.consul = self.consul(role);
        }
        for (called, client) in callees(role) {
            *client(&mut config) = self.client(called);
        }
        config
    }

    fn client(&self, called: Role) -> Option<RpcClient> {
        match &self.registry {
            RegistryAt::Embedded => None,
            RegistryAt::Etcd { .. } => Some(RpcClient { etcd: self.etcd(called), ..RpcClient::default() }),
            RegistryAt::Consul { .. } => Some(RpcClient { consul: self.consul(called), ..RpcClient::default() }),
            RegistryAt::Dns { suffix, port } => {
                Some(RpcClient { target: format!("dns:///{called}{suffix}:{port}"), ..RpcClient::default() })
            }
        }
    }

    fn etcd(&self, role: Role) -> Option<Etcd> {
        match &self.registry {
            RegistryAt::Etcd { hosts, prefix } => {
                Some(Etcd { hosts: hosts.clone(), key: under(prefix, "/", role), ..Etcd::default() })
            }
            _ => None,
        }
    }

    fn consul(&self, role: Role) -> Option<Consul> {
        match &self.registry {
            RegistryAt::Consul { host, prefix } => {
                Some(Consul { host: host.clone(), key: under(prefix, "-", role), ..Consul::default() })
            }
            _ => None,
        }
    }
}

type Slot = fn(&mut ServiceConfig) -> &mut Option<RpcClient>;

/// Which services a role calls, and where its configuration says how.
fn callees(role: Role) -> Vec<(Role, Slot)> {
    let user: (Role, Slot) = (Role::UserRpc, |config| &mut config.user_rpc);
    let order: (Role, Slot) = (Role::OrderRpc, |config| &mut config.order_rpc);
    let pay: (Role, Slot) = (Role::PayRpc, |config| &mut config.pay_rpc);
    match role {
        Role::Gateway | Role::OrderApi => vec![user, order, pay],
        Role::UserApi => vec![user],
        Role::PayApi => vec![pay],
        Role::PayRpc => vec![order],
        Role::UserRpc | Role::OrderRpc | Role::Migrate => Vec::new(),
    }
}

fn under(prefix: &str, separator: &str, role: Role) -> String {
    if prefix.is_empty() { role.name().to_owned() } else { format!("{prefix}{separator}{role}") }
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

impl FromStr for CacheAt {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Self, BadPlace> {
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        let refused = || BadPlace("this is no cache: write `embedded` or `redis://[user:pass@]host:6379`".to_owned());
        let rest = text.strip_prefix("redis://").map(|rest| rest.trim_end_matches('/')).ok_or_else(refused)?;
        let (login, host) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (user, pass) = login.split_once(':').unwrap_or((login, ""));
        address(host).map(|host| Self::Redis { host, user: user.to_owned(), pass: pass.into() }).ok_or_else(refused)
    }
}

impl FromStr for RegistryAt {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Self, BadPlace> {
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        let refused = || {
            let forms = "`embedded`, `etcd://host:2379[,host:2379…][/prefix]` or `consul://host:8500[/prefix]`";
            BadPlace(format!("`{text}` is no registry: write {forms}"))
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(refused)?;
        let (hosts, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/').to_owned();
        let hosts: Option<Vec<String>> = hosts.split(',').map(address).collect();
        match (scheme, hosts) {
            ("etcd", Some(hosts)) => Ok(Self::Etcd { hosts, prefix }),
            ("consul", Some(hosts)) if hosts.len() == 1 => {
                Ok(Self::Consul { host: hosts.into_iter().next().unwrap_or_default(), prefix })
            }
            _ => Err(refused()),
        }
    }
}

/// The parts of `mysql://user:pass@host:port/prefix` that may be shown.
struct MysqlUrl {
    address: String,
    prefix: String,
}

impl MysqlUrl {
    fn parse(url: &str) -> Option<Self> {
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

impl fmt::Display for CacheAt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => formatter.write_str("embedded"),
            Self::Redis { host, .. } => write!(formatter, "redis://{host}"),
        }
    }
}

impl fmt::Display for RegistryAt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |prefix: &String| if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
        match self {
            Self::Embedded => formatter.write_str("embedded"),
            Self::Etcd { hosts, prefix } => write!(formatter, "etcd://{}{}", hosts.join(","), place(prefix)),
            Self::Consul { host, prefix } => write!(formatter, "consul://{host}{}", place(prefix)),
            Self::Dns { suffix, port } => write!(formatter, "dns:///*{suffix}:{port}"),
        }
    }
}

/// host:port, when it is one.
fn address(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    (!host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_as_they_are_documented() {
        assert_eq!("sqlite".parse(), Ok(StoreAt::Sqlite));
        assert!("postgres://x".parse::<StoreAt>().is_err());
        assert!("mysql://root@/mall".parse::<StoreAt>().is_err());
        let redis = CacheAt::Redis { host: "cache:6379".into(), user: "u".into(), pass: "p:q".into() };
        assert_eq!("redis://u:p:q@cache:6379".parse(), Ok(redis));
        assert!("redis://cache".parse::<CacheAt>().is_err());
        let etcd = RegistryAt::Etcd { hosts: vec!["a:1".into(), "b:2".into()], prefix: "shop".into() };
        assert_eq!("etcd://a:1,b:2/shop".parse(), Ok(etcd));
        assert!("consul://a:1,b:2".parse::<RegistryAt>().is_err());
        assert!("etcd://".parse::<RegistryAt>().is_err());
    }

    #[test]
    fn places_are_shown_without_their_secrets() {
        let store: StoreAt = "mysql://shop:hunter2@db:3307/mall".parse().expect("a store");
        let cache: CacheAt = "redis://:hunter2@cache:6379".parse().expect("a cache");
        let registry: RegistryAt = "etcd://e:2379/shop".parse().expect("a registry");
        let shown = format!("{store} {cache} {registry}");
        assert_eq!(shown, "mysql://db:3307/mall redis://cache:6379 etcd://e:2379/shop");
        let topology = Topology { store, cache, registry, ..Topology::default() };
        assert!(!format!("{topology:?}").contains("hunter"));
        for refused in ["mysql://x:hunter2@db:3307/a/b", "redis://x:hunter2@cache"] {
            let store = refused.parse::<StoreAt>().map(drop);
            let cache = refused.parse::<CacheAt>().map(drop);
            assert!(
                [store, cache].iter().all(|told| told.as_ref().is_err_and(|bad| !bad.to_string().contains("hunter")))
            );
        }
    }

    #[test]
    fn a_second_stack_has_names_of_its_own_on_shared_servers() {
        let topology = || Topology {
            store: "mysql://root@db:3306".parse().expect("a store"),
            registry: "etcd://e:2379".parse().expect("a registry"),
            ..Topology::default()
        };
        let names = |topology: &Topology| format!("{} {}", topology.store, topology.registry);
        assert_eq!(names(&topology().of_stack("default", "default")), "mysql://db:3306/mall etcd://e:2379");
        let blue = topology().of_stack("blue-2", "default");
        assert_eq!(names(&blue), "mysql://db:3306/blue_2 etcd://e:2379/blue-2");
        assert_eq!(blue.clone().of_stack("red", "default"), blue);
    }

    #[test]
    fn the_default_is_one_gateway_and_three_of_each_service() {
        let roles = Topology::default().roles();
        assert_eq!(roles, [(Role::Gateway, 1), (Role::UserRpc, 3), (Role::OrderRpc, 3), (Role::PayRpc, 3)],);
        assert_eq!(Topology::default().configure(Role::PayRpc), ServiceConfig::new("pay-rpc"));
    }

    #[test]
    fn a_role_is_told_only_of_the_services_that_it_calls() {
        let registry = "etcd://e:2379/shop".parse().expect("a registry");
        let topology = Topology { registry, apis: Apis::Three, ..Topology::default() };
        let api = topology.configure(Role::UserApi);
        assert!(api.etcd.is_none() && api.order_rpc.is_none() && api.pay_rpc.is_none());
        let found = api.user_rpc.and_then(|client| client.etcd).expect("is found in etcd");
        assert_eq!((found.hosts.as_slice(), found.key.as_str()), (&["e:2379".to_owned()][..], "shop/user-rpc"));
        let pay = topology.configure(Role::PayRpc);
        assert_eq!(pay.etcd.map(|etcd| etcd.key).as_deref(), Some("shop/pay-rpc"));
        assert!(pay.order_rpc.is_some() && pay.user_rpc.is_none());
    }
}
