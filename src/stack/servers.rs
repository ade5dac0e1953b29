//! The servers that a topology stands on: whether they answer, before anything is started.

use futures::future::join_all;

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
    /// A few words of it, or why it does not answer.
    pub says: Result<String, String>,
}

/// Asks every server of a topology, all at once.
pub async fn look(topology: &Topology) -> Vec<Look> {
    let (store, cache, registry) =
        tokio::join!(store(&topology.store), cache(&topology.cache), registry(&topology.registry));
    store.into_iter().chain(cache).chain(registry).collect()
}

/// Refuses, with all of them named, when servers do not answer.
pub async fn check(topology: &Topology) -> Result<(), Failure> {
    let silent: Vec<(Look, String)> = look(topology)
        .await
        .into_iter()
        .filter_map(|look| {
            let why = look.says.as_ref().err()?.clone();
            Some((look, why))
        })
        .collect();
    let Some((first, _)) = silent.first() else { return Ok(()) };
    let lines: Vec<String> =
        silent.iter().map(|(look, why)| format!("{} does not answer: {why}", look.server)).collect();
    Err(Failure::runtime(lines.join("\n")).mend(format!(
        "start it, or name another with {}; `deploy/local/servers start FOLDER` starts them all on this machine",
        first.flag
    )))
}

async fn store(store: &StoreAt) -> Option<Look> {
    let address = store.address()?;
    let says = probe::mysql(&address).await.map_err(|error| error.to_string());
    Some(Look { server: format!("mysql at {address}"), flag: "--store", says })
}

async fn cache(cache: &CacheAt) -> Option<Look> {
    let CacheAt::Redis { host, user, pass } = cache else { return None };
    let says = probe::redis(host, user, pass).await.map(|()| "PONG".to_owned()).map_err(|error| error.to_string());
    Some(Look { server: format!("redis at {host}"), flag: "--cache", says })
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
            Ok(answer) => Err(format!("{path} is answered with {}", answer.status)),
            Err(error) => Err(error.to_string()),
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
