use super::RegistryError;

/// Every form of a target.
pub(super) const TARGETS: &str = "etcd://host:port,host:port/key, consul://host:port/key, direct:///host:port,host:port \
                                  or dns:///name:port";

/// Why the configuration does not say where services are.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The supervisor's registry cannot be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A service is to be found in two ways.
    #[error("{client} gives both {first} and {second}; drop {second}, or drop {first} if {second} is meant")]
    Conflict {
        /// Key of the client, such as `UserRpc`.
        client: &'static str,
        /// The way that comes first in the order of go-zero.
        first: &'static str,
        /// The other way.
        second: &'static str,
    },
    /// A place without a part that it needs.
    #[error("{place} has no {missing}; give {example}")]
    Incomplete {
        /// Key of the place, such as `UserRpc.Etcd`.
        place: String,
        /// Key that is missing.
        missing: &'static str,
        /// What stands there, for example.
        example: &'static str,
    },
    /// An address that is none.
    #[error("{place} names `{address}`, which is no address; give host:port")]
    Address {
        /// Key of the place, such as `UserRpc.Endpoints`.
        place: String,
        /// What the configuration says.
        address: String,
    },
    /// A target that nobody understands.
    #[error("{client}.Target is `{target}`; give {TARGETS}")]
    Target {
        /// Key of the client.
        client: &'static str,
        /// What the configuration says.
        target: String,
    },
    /// A value that cannot travel in a header.
    #[error("{place}.{key} holds characters that a header cannot; use letters, digits and punctuation")]
    Header {
        /// Key of the place.
        place: String,
        /// Key of the value.
        key: &'static str,
    },
}
