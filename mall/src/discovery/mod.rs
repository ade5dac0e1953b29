//! Where the replicas of a service are.
//!
//! A [`Discovery`] answers two questions: who serves this name now (a watch that always holds the last known answer), and
//! how do others learn of me. [`of`] makes the one that the configuration asks for: the supervisor's [`Registry`], etcd,
//! Consul, a list of addresses, or a name that resolves to all; [`Static`] is a list in memory. Losing the registry never
//! empties a list: what was known last stays in use.

mod configured;
mod consul;
mod dns;
mod error;
mod etcd;
mod fixed;
mod known;
mod listed;
mod place;
mod reachable;
mod registry;
mod subset;

pub use configured::of;
pub use error::DiscoveryError;
pub use fixed::Static;
pub(crate) use place::check_target;
pub use reachable::reachable;
pub use registry::{Registry, RegistryError};

use futures::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::watch;

/// One replica of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// `pay-rpc/1`: stable over restarts. The address again where the registry knows no more than that.
    pub instance: Arc<str>,
    /// host:port.
    pub address: Arc<str>,
}

impl Endpoint {
    /// An endpoint of `instance` at `address`.
    pub fn new(instance: impl Into<Arc<str>>, address: impl Into<Arc<str>>) -> Self {
        Self { instance: instance.into(), address: address.into() }
    }

    /// An endpoint of which only the address is known.
    pub fn at(address: &str) -> Self {
        let address: Arc<str> = address.into();
        Self { instance: Arc::clone(&address), address }
    }
}

/// What a process says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Service name.
    pub service: String,
    /// Instance and address of the service.
    pub endpoint: Endpoint,
    /// host:port of the Admin service.
    pub admin: String,
}

/// A source of endpoints, and a place to be found in.
pub trait Discovery: Send + Sync + 'static {
    /// The endpoints of `service`, now and after every change. Must be called within a tokio runtime.
    fn watch(&self, service: &str) -> watch::Receiver<Vec<Endpoint>>;

    /// Makes this process known until the announced thing is withdrawn, also when the registry comes back after a loss.
    /// Resolves when the registry knows it for the first time.
    fn announce(&self, announcement: Announcement) -> BoxFuture<'_, Announced>;
}

/// A process that others can find. Dropped without [`Announced::withdraw`], it is found until its lease ends.
pub struct Announced {
    withdraw: Option<BoxFuture<'static, ()>>,
}

impl Announced {
    /// An announcement that `withdraw` takes back.
    pub fn new(withdraw: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { withdraw: Some(Box::pin(withdraw)) }
    }

    /// Takes the announcement back, so that nobody finds this process any more.
    pub async fn withdraw(mut self) {
        if let Some(withdraw) = self.withdraw.take() {
            withdraw.await;
        }
    }
}
