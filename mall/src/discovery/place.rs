//! How a service is found, read from an RPC client's configuration.

use super::DiscoveryError;
use super::error::TARGETS;
use crate::config::{Consul, Etcd, RpcClient, can_connect};

/// One way of finding a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Under a key of etcd.
    Etcd(Etcd),
    /// Under a name in Consul.
    Consul(Consul),
    /// At these addresses.
    Direct(Vec<String>),
    /// At every address that a name resolves to: `name:port`.
    Dns(String),
}

impl Place {
    /// The way that the client called `client` (`UserRpc`) is configured; `None` leaves it to the supervisor's registry.
    pub(super) fn of(client: &'static str, conf: &RpcClient) -> Result<Option<Self>, DiscoveryError> {
        let given = [
            ("Etcd", conf.etcd.is_some()),
            ("Consul", conf.consul.is_some()),
            ("Endpoints", !conf.endpoints.is_empty()),
            ("Target", !conf.target.is_empty()),
        ];
        let mut given = given.into_iter().filter_map(|(key, is_given)| is_given.then_some(key));
        if let (Some(first), Some(second)) = (given.next(), given.next()) {
            return Err(DiscoveryError::Conflict { client, first, second });
        }
        let place = if let Some(etcd) = &conf.etcd {
            Self::Etcd(etcd.clone())
        } else if let Some(consul) = &conf.consul {
            Self::Consul(consul.clone())
        } else if !conf.endpoints.is_empty() {
            Self::Direct(conf.endpoints.clone())
        } else if !conf.target.is_empty() {
            let refused = || DiscoveryError::Target { client, target: conf.target.clone() };
            return Self::of_target(&conf.target).ok_or_else(refused)?.checked(client, "Target").map(Some);
        } else {
            return Ok(None);
        };
        let key = match place {
            Self::Etcd(_) => "Etcd",
            Self::Consul(_) => "Consul",
            Self::Direct(_) | Self::Dns(_) => "Endpoints",
        };
        place.checked(client, key).map(Some)
    }

    fn of_target(target: &str) -> Option<Self> {
        let (scheme, rest) = target.split_once("://")?;
        let (hosts, key) = rest.split_once('/')?;
        let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        match (scheme, hosts) {
            (_, _) if key.is_empty() => None,
            ("etcd", hosts) if !hosts.is_empty() => {
                Some(Self::Etcd(Etcd { hosts: list(hosts), key: key.to_owned(), ..Etcd::default() }))
            }
            ("consul", host) if !host.is_empty() => {
                Some(Self::Consul(Consul { host: host.to_owned(), key: key.to_owned(), ..Consul::default() }))
            }
            ("direct", "") => Some(Self::Direct(list(key))),
            ("dns", "") => Some(Self::Dns(key.to_owned())),
            _ => None,
        }
    }

    /// The addresses that are to be connected to.
    fn addresses(&self) -> &[String] {
        match self {
            Self::Etcd(etcd) => &etcd.hosts,
            Self::Consul(consul) => std::slice::from_ref(&consul.host),
            Self::Direct(addresses) => addresses,
            Self::Dns(name) => std::slice::from_ref(name),
        }
    }

    fn checked(self, client: &str, key: &str) -> Result<Self, DiscoveryError> {
        let place = format!("{client}.{key}");
        match &self {
            Self::Etcd(etcd) => check_etcd(&place, etcd)?,
            Self::Consul(consul) => check_consul(&place, consul)?,
            Self::Direct(addresses) => check_addresses(&place, addresses)?,
            Self::Dns(name) => check_addresses(&place, std::slice::from_ref(name))?,
        }
        Ok(self)
    }
}

/// Whether `target` says where a service is; the error says what would.
pub(crate) fn check_target(target: &str) -> Result<(), String> {
    let place = Place::of_target(target).ok_or_else(|| format!("must be {TARGETS}"))?;
    let wrong = place.addresses().iter().find(|address| !can_connect(address));
    wrong.map_or(Ok(()), |address| Err(format!("`{address}` is no address; give host:port with a port above 0")))
}

/// Whether there is enough to use this etcd; `place` is its key in the configuration.
pub(super) fn check_etcd(place: &str, etcd: &Etcd) -> Result<(), DiscoveryError> {
    let missing = |missing, example| DiscoveryError::Incomplete { place: place.to_owned(), missing, example };
    if etcd.hosts.is_empty() {
        return Err(missing("Hosts", "host:port of every member, such as 127.0.0.1:2379"));
    }
    if etcd.key.is_empty() {
        return Err(missing("Key", "the key that the replicas of the service stand under, such as user.rpc"));
    }
    check_addresses(place, &etcd.hosts)
}

/// Whether there is enough to use this Consul; `place` is its key in the configuration.
pub(super) fn check_consul(place: &str, consul: &Consul) -> Result<(), DiscoveryError> {
    let missing = |missing, example| DiscoveryError::Incomplete { place: place.to_owned(), missing, example };
    if consul.host.is_empty() {
        return Err(missing("Host", "host:port of the agent, such as 127.0.0.1:8500"));
    }
    if consul.key.is_empty() {
        return Err(missing("Key", "the name of the service, such as user.rpc"));
    }
    if http::HeaderValue::from_str(consul.token.expose()).is_err() {
        return Err(DiscoveryError::Header { place: place.to_owned(), key: "Token" });
    }
    check_addresses(place, std::slice::from_ref(&consul.host))
}

fn check_addresses(place: &str, addresses: &[String]) -> Result<(), DiscoveryError> {
    match addresses.iter().find(|address| !can_connect(address)) {
        Some(address) => Err(DiscoveryError::Address { place: place.to_owned(), address: address.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_target(target: &str) -> Result<Option<Place>, String> {
        let conf = RpcClient { target: target.to_owned(), ..RpcClient::default() };
        Place::of("UserRpc", &conf).map_err(|error| error.to_string())
    }

    fn etcd(hosts: &[&str], key: &str) -> Etcd {
        Etcd { hosts: hosts.iter().map(ToString::to_string).collect(), key: key.to_owned(), ..Etcd::default() }
    }

    #[test]
    fn every_target_reads_as_documented() {
        let place = Place::Etcd(etcd(&["a:1", "b:2"], "shop/user-rpc"));
        assert_eq!(of_target("etcd://a:1,b:2/shop/user-rpc"), Ok(Some(place)));
        let consul = Consul { host: "c:8500".into(), key: "user-rpc".into(), ..Consul::default() };
        assert_eq!(of_target("consul://c:8500/user-rpc"), Ok(Some(Place::Consul(consul))));
        let list = vec!["127.0.0.1:1".to_owned(), "[::1]:2".to_owned()];
        assert_eq!(of_target("direct:///127.0.0.1:1,[::1]:2"), Ok(Some(Place::Direct(list))));
        assert_eq!(of_target("dns:///user-rpc.shop:8080"), Ok(Some(Place::Dns("user-rpc.shop:8080".into()))));
    }

    #[test]
    fn a_target_that_nobody_understands_names_the_forms() {
        for target in ["user-rpc:8080", "etcd:///key", "etcd://a:1/", "direct://a:1", "zookeeper://a:1/key", "dns:///"]
        {
            let refusal = of_target(target).expect_err(target);
            assert!(refusal.contains(target) && refusal.contains("dns:///name:port"), "{refusal}");
        }
        assert!(of_target("dns:///user-rpc").expect_err("no port").contains("give host:port"));
        assert!(of_target("direct:///a:1,b").expect_err("no port").contains("`b`"));
    }

    #[test]
    fn two_ways_at_once_are_refused_with_both_names() {
        let conf = RpcClient { etcd: Some(etcd(&["a:1"], "k")), endpoints: vec!["b:2".into()], ..RpcClient::default() };
        let refusal = Place::of("UserRpc", &conf).expect_err("two ways").to_string();
        assert_eq!(
            refusal,
            "UserRpc gives both Etcd and Endpoints; drop Endpoints, or drop Etcd if Endpoints is meant"
        );
    }

    #[test]
    fn an_incomplete_place_says_what_it_lacks() {
        let conf = RpcClient { etcd: Some(etcd(&[], "k")), ..RpcClient::default() };
        let refusal = Place::of("PayRpc", &conf).expect_err("no hosts").to_string();
        assert!(refusal.starts_with("PayRpc.Etcd has no Hosts; give"), "{refusal}");
        assert_eq!(Place::of("PayRpc", &RpcClient::default()).expect("nothing given"), None);
    }
}
