//! The servers that a topology stands on: whether they answer, before anything is started.

use futures::future::join_all;

use mall::store::system_of;

use super::probe;
use crate::exit::Failure;
use crate::topology::{CacheAt, RegistryAt, StoreAt, Topology};

/// One server, and what it said.
#[derive(Debug)]
pub struct Look {
    /// `mysql at 127.0.0.1:3306`.
    pub server: String,
    /// The flag that chooses it.
    pub flag: &'static str,
    /// Its version, or what is wrong with it: `does not answer: …`.
    pub says: Result<String, String>,
}

/// Asks every server of a topology, all at once.
pub async fn look(topology: &Topology) -> Vec<Look> {
    let (store, cache, registry) =
        tokio::join!(store(&topology.store), cache(&topology.cache), registry(&topology.registry));
    store.into_iter().chain(cache).chain(registry).collect()
}

/// Refuses, with all of them named, when servers do not answer or are too old.
pub async fn check(topology: &Topology) -> Result<(), Failure> {
    let unfit: Vec<(Look, String)> = look(topology)
        .await
        .into_iter()
        .filter_map(|look| {
            let why = look.says.as_ref().err()?.clone();
            Some((look, why))
        })
        .collect();
    let Some((first, _)) = unfit.first() else { return Ok(()) };
    let lines: Vec<String> = unfit.iter().map(|(look, why)| format!("{} {why}", look.server)).collect();
    Err(Failure::runtime(lines.join("\n")).mend(format!(
        "start it, or name another with {}; `deploy/local/servers start FOLDER` starts them all on this machine",
        first.flag
    )))
}

async fn store(store: &StoreAt) -> Option<Look> {
    let address = store.address()?;
    let says = probe::mysql(&address)
        .await
        .map_err(|error| silent(&error))
        .and_then(|version| system_of(&version).map(|_| version).map_err(|error| format!("cannot be used: {error}")));
    Some(Look { server: format!("mysql at {address}"), flag: "--store", says })
}

async fn cache(cache: &CacheAt) -> Option<Look> {
    let CacheAt::Redis { host, user, pass } = cache else { return None };
    let says = probe::redis(host, user, pass).await.map_err(|error| silent(&error)).and_then(new_enough);
    Some(Look { server: format!("redis at {host}"), flag: "--cache", says })
}

/// Order events need what `XAUTOCLAIM` answers since 7.0.
fn new_enough(version: String) -> Result<String, String> {
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major >= 7) {
        return Ok(version);
    }
    Err(format!("cannot be used: it is Redis {version}: 7.0 or later is needed"))
}

fn silent(error: &dyn std::error::Error) -> String {
    format!("does not answer: {error}")
}

async fn registry(registry: &RegistryAt) -> Vec<Look> {
    let (name, hosts, path) = match registry {
        RegistryAt::Embedded | RegistryAt::Dns { .. } => return Vec::new(),
        RegistryAt::Etcd { hosts, .. } => ("etcd", hosts.as_slice(), "/version"),
        RegistryAt::Consul { host, .. } => ("consul", std::slice::from_ref(host), "/v1/status/leader"),
    };
    join_all(hosts.iter().map(|host| async move {
        let says = match probe::get(host, path).await {
            Ok(answer) if answer.status == 200 => Ok(answer.body.trim().to_owned()),
            Ok(answer) => Err(format!("answers {path} with {}", answer.status)),
            Err(error) => Err(silent(&error)),
        };
        Look { server: format!("{name} at {host}"), flag: "--registry", says }
    }))
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn embedded_parts_need_no_server() {
        assert!(look(&Topology::default()).await.is_empty());
        assert!(check(&Topology::default()).await.is_ok());
    }

    #[test]
    fn an_old_redis_is_refused_with_what_is_needed() {
        for version in ["7.0.15", "8.0.0", "255.255.255"] {
            assert_eq!(new_enough(version.to_owned()).as_deref(), Ok(version));
        }
        let refused = new_enough("6.2.14".to_owned()).expect_err("too old");
        assert_eq!(refused, "cannot be used: it is Redis 6.2.14: 7.0 or later is needed");
    }

    #[tokio::test]
    async fn every_silent_server_is_named_and_no_secret() {
        let topology = Topology {
            store: "mysql://root:hunter2@127.0.0.1:1/mall".parse().expect("a store"),
            cache: "redis://:hunter2@127.0.0.1:1".parse().expect("a cache"),
            registry: "etcd://127.0.0.1:1".parse().expect("a registry"),
            ..Topology::default()
        };
        let told = check(&topology).await.expect_err("nothing answers").to_string();
        for part in ["mysql at 127.0.0.1:1", "redis at 127.0.0.1:1", "etcd at 127.0.0.1:1", "--store", "refused"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(!told.contains("hunter"), "{told}");
    }
}
