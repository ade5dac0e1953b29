//! What a shop consists of, wherever it runs: which roles, how many replicas, on which database, cache and registry.
//!
//! `up` places it on this machine, `render` writes it down for containers; both take the services' configurations from
//! [`Topology::configure`], so that they cannot drift apart. Addresses, ports and secrets belong to the place.

mod cache;
mod place;
mod registry;
mod store;

pub use cache::CacheAt;
pub use registry::RegistryAt;
pub use store::StoreAt;

use std::collections::BTreeMap;

use mall::config::{CacheNode, Consul, Database, Etcd, Redis, Role, RpcClient, ServiceConfig};
use serde::{Deserialize, Serialize};

use store::MysqlUrl;

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

#[cfg(test)]
mod tests {
    use super::*;

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
