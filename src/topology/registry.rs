//! How services find each other.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::place::{BadPlace, address};

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

#[cfg(test)]
mod tests {
    use super::RegistryAt;

    #[test]
    fn registries_read_as_they_are_documented() {
        let etcd = RegistryAt::Etcd { hosts: vec!["a:1".into(), "b:2".into()], prefix: "shop".into() };
        assert_eq!("etcd://a:1,b:2/shop".parse(), Ok(etcd));
        assert!("consul://a:1,b:2".parse::<RegistryAt>().is_err());
        assert!("etcd://".parse::<RegistryAt>().is_err());
    }
}
