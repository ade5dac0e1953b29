//! The servers that a topology stands on: whether they answer, before anything is started.

use futures::future::join_all;

use mall::store::system_of;

use super::probe;
use crate::exit::Failure;
use crate::output;
use crate::topology::{CacheAt, RegistryAt, StoreAt, Topology};

/// Oldest Redis that order events understand: what `XAUTOCLAIM` answers changed with it.
const OLDEST_REDIS: u32 = 7;

/// One server, and what it said.
#[derive(Debug)]
pub struct Look {
    /// `mysql at 127.0.0.1:3306`.
    pub server: String,
    /// The flag that chooses it.
    pub flag: &'static str,
    /// Its version, or what is wrong with it.
    pub says: Result<String, Trouble>,
}

/// What is wrong with a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nobody is there, or not the one who was asked for.
    #[error("does not answer: {0}")]
    Silent(String),
    /// It does not let us in.
    #[error("refuses the login: {0}")]
    Refuses(String),
    /// It is too old.
    #[error("cannot be used: {0}")]
    Unfit(String),
}

impl Trouble {
    fn of(error: &std::io::Error) -> Self {
        let words = error.to_string();
        if error.kind() == std::io::ErrorKind::PermissionDenied { Self::Refuses(words) } else { Self::Silent(words) }
    }

    fn mend(&self, flag: &str) -> String {
        match self {
            Self::Silent(_) => format!(
                "start it, or name another with {flag}; `deploy/local/servers start FOLDER` starts them all on this machine"
            ),
            Self::Refuses(_) => format!("check user and password in the URL of {flag}; `%40` stands for `@` in them"),
            Self::Unfit(_) => format!("name another with {flag}"),
        }
    }
}

/// Asks every server of a topology, all at once.
pub async fn look(topology: &Topology) -> Vec<Look> {
    let (store, cache, registry) =
        tokio::join!(store(&topology.store), cache(&topology.cache), registry(&topology.registry));
    store.into_iter().chain(cache).chain(registry).collect()
}

/// Refuses, with all of them named, when servers do not answer or cannot be used. Of a registry's members one is enough.
pub async fn check(topology: &Topology) -> Result<(), Failure> {
    let looks = look(topology).await;
    let registry_answers = looks.iter().any(|look| look.flag == REGISTRY && look.says.is_ok());
    let (missed, unfit): (Vec<_>, Vec<_>) = looks
        .iter()
        .filter_map(|look| Some((look, look.says.as_ref().err()?)))
        .partition(|(look, _)| look.flag == REGISTRY && registry_answers);
    for (look, trouble) in missed {
        output::progress(&format!("{} {trouble}; the others do", look.server));
    }
    let Some((first, trouble)) = unfit.first() else { return Ok(()) };
    let lines: Vec<String> = unfit.iter().map(|(look, trouble)| format!("{} {trouble}", look.server)).collect();
    Err(Failure::runtime(lines.join("\n")).mend(trouble.mend(first.flag)))
}

const REGISTRY: &str = "--registry";

async fn store(store: &StoreAt) -> Option<Look> {
    let address = store.address()?;
    let version = probe::mysql(&address).await.map_err(|error| Trouble::of(&error));
    let says = version.and_then(|version| match system_of(&version) {
        Ok(_) => Ok(version),
        Err(error) => Err(Trouble::Unfit(error.to_string())),
    });
    Some(Look { server: format!("mysql at {address}"), flag: "--store", says })
}

async fn cache(cache: &CacheAt) -> Option<Look> {
    let CacheAt::Redis { host, user, pass } = cache else { return None };
    let says = probe::redis(host, user, pass).await.map_err(|error| Trouble::of(&error)).and_then(new_enough);
    Some(Look { server: format!("redis at {host}"), flag: "--cache", says })
}

fn new_enough(version: String) -> Result<String, Trouble> {
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major >= OLDEST_REDIS) {
        return Ok(version);
    }
    Err(Trouble::Unfit(format!("it is Redis {version}: {OLDEST_REDIS}.0 or later is needed")))
}

/// The servers of a registry: what they are, where each is, and a path that a sound one answers.
pub fn members(registry: &RegistryAt) -> (&'static str, &[String], &'static str) {
    match registry {
        RegistryAt::Embedded | RegistryAt::Dns { .. } => ("", &[], ""),
        RegistryAt::Etcd { hosts, .. } => ("etcd", hosts, "/version"),
        RegistryAt::Consul { host, .. } => ("consul", std::slice::from_ref(host), "/v1/status/leader"),
    }
}

async fn registry(registry: &RegistryAt) -> Vec<Look> {
    let (name, hosts, path) = members(registry);
    join_all(hosts.iter().map(|host| async move {
        let answer = probe::get_ok(host, path).await;
        let says = answer.map(|answer| answer.body.trim().to_owned()).map_err(|error| Trouble::of(&error));
        Look { server: format!("{name} at {host}"), flag: REGISTRY, says }
    }))
    .await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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
        assert_eq!(refused.to_string(), "cannot be used: it is Redis 6.2.14: 7.0 or later is needed");
    }

    /// A server that says one thing to everybody.
    async fn server(says: &'static [u8]) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("has an address").to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 512];
                // Read first: closing with something unread would be a reset.
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(says).await;
            }
        });
        address
    }

    #[tokio::test]
    async fn a_refused_login_is_no_silence() {
        let at = server(b"-WRONGPASS invalid username-password pair\r\n").await;
        let cache = format!("redis://:wrong@{at}").parse().expect("a cache");
        let told = check(&Topology { cache, ..Topology::default() }).await.expect_err("refused").to_string();
        assert!(
            told.contains("refuses the login: WRONGPASS") && told.contains("password in the URL of --cache"),
            "{told}"
        );
        assert!(!told.contains("start it"), "{told}");
    }

    #[tokio::test]
    async fn one_member_of_a_registry_is_enough() {
        let at = server(b"HTTP/1.1 200 OK\r\n\r\n{}").await;
        let some = format!("etcd://127.0.0.1:1,{at}").parse().expect("a registry");
        assert!(check(&Topology { registry: some, ..Topology::default() }).await.is_ok());
        let none = "etcd://127.0.0.1:1,127.0.0.1:2".parse().expect("a registry");
        let told = check(&Topology { registry: none, ..Topology::default() }).await.expect_err("silent").to_string();
        assert!(told.contains("127.0.0.1:1 does not") && told.contains("127.0.0.1:2 does not"), "{told}");
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
