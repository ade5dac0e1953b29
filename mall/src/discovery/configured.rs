//! Discovery as the configuration says: announced in every place that it names, each service found in its own way.

use super::listed::Listed;
use super::place::{Place, check_consul, check_etcd};
use super::{Announced, Announcement, Discovery, DiscoveryError, Endpoint, Registry, consul, dns, etcd};
use crate::config::{Etcd, ServiceConfig};
use crate::telemetry::Meters;
use futures::future::{BoxFuture, join_all};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// The configured places of one process. Connections are opened when they are first needed.
struct Configured {
    supervisor: Option<Registry>,
    etcd: Option<(Arc<etcd::Cluster>, Etcd)>,
    consul: Option<consul::Agent>,
    found: HashMap<&'static str, Found>,
    meters: Meters,
}

/// How a service is found.
enum Found {
    Etcd(Arc<etcd::Cluster>, String),
    Consul(consul::Agent),
    Direct(Vec<String>),
    Dns(String),
}

/// Discovery as `config` says. A process is announced in the supervisor's registry (which is also how the supervisor knows
/// that it is ready), in `Etcd` and in `Consul`, as far as they are given. A service is found as its client's configuration
/// says (`UserRpc`, `OrderRpc`, `PayRpc`), else in the supervisor's registry.
///
/// The error names the key that is wrong, and the mend. Nothing is connected yet.
pub fn of(config: &ServiceConfig, meters: &Meters) -> Result<Arc<dyn Discovery>, DiscoveryError> {
    let control = &config.mall.control;
    let supervisor = if control.endpoint.is_empty() { None } else { Some(Registry::new(control)?) };
    let mut clusters = Clusters::default();
    if let Some(etcd) = &config.etcd {
        check_etcd("Etcd", etcd)?;
    }
    if let Some(consul) = &config.consul {
        check_consul("Consul", consul)?;
    }
    let clients = [
        ("user-rpc", "UserRpc", &config.user_rpc),
        ("order-rpc", "OrderRpc", &config.order_rpc),
        ("pay-rpc", "PayRpc", &config.pay_rpc),
    ];
    let mut found = HashMap::new();
    for (service, key, client) in clients {
        let Some(client) = client else { continue };
        let way = match Place::of(key, client)? {
            Some(Place::Etcd(etcd)) => Found::Etcd(clusters.at(&etcd), etcd.key),
            Some(Place::Consul(consul)) => Found::Consul(consul::Agent::new(consul)),
            Some(Place::Direct(addresses)) => Found::Direct(addresses),
            Some(Place::Dns(name)) => Found::Dns(name),
            None => continue,
        };
        found.insert(service, way);
    }
    let etcd = config.etcd.clone().map(|etcd| (clusters.at(&etcd), etcd));
    let consul = config.consul.clone().map(consul::Agent::new);
    Ok(Arc::new(Configured { supervisor, etcd, consul, found, meters: meters.clone() }))
}

/// One connection for all that stands in the same etcd.
#[derive(Default)]
struct Clusters {
    opened: Vec<(Etcd, Arc<etcd::Cluster>)>,
}

impl Clusters {
    fn at(&mut self, etcd: &Etcd) -> Arc<etcd::Cluster> {
        let place = Etcd { key: String::new(), id: 0, ..etcd.clone() };
        if let Some((_, cluster)) = self.opened.iter().find(|(opened, _)| *opened == place) {
            return Arc::clone(cluster);
        }
        let cluster = Arc::new(etcd::Cluster::new(&place));
        self.opened.push((place, Arc::clone(&cluster)));
        cluster
    }
}

impl Discovery for Configured {
    fn watch(&self, service: &str) -> watch::Receiver<Vec<Endpoint>> {
        if let (None, Some(supervisor)) = (self.found.get(service), &self.supervisor) {
            return supervisor.watch_counted(service, &self.meters);
        }
        let (mut listed, receiver) = Listed::new(service, &self.meters);
        match self.found.get(service) {
            Some(Found::Etcd(cluster, key)) => {
                tokio::spawn(etcd::follow(Arc::clone(cluster), key.clone(), listed));
            }
            Some(Found::Consul(agent)) => {
                tokio::spawn(consul::follow(agent.clone(), listed));
            }
            Some(Found::Dns(name)) => {
                tokio::spawn(dns::follow(name.clone(), listed));
            }
            Some(Found::Direct(addresses)) => {
                listed.publish(&addresses.iter().map(|address| Endpoint::at(address)).collect());
            }
            None => {
                tracing::warn!(service, "nothing says where the service is; give its client Etcd, Endpoints or Target");
            }
        }
        receiver
    }

    fn announce(&self, announcement: Announcement) -> BoxFuture<'_, Announced> {
        let mut places: Vec<BoxFuture<'_, Announced>> = Vec::new();
        if let Some((cluster, etcd)) = &self.etcd {
            places.push(etcd::announce(Arc::clone(cluster), etcd, &announcement.endpoint.address));
        }
        if let Some(agent) = &self.consul {
            places.push(consul::announce(agent.clone(), &announcement.endpoint));
        }
        Box::pin(async move {
            let mut announced = join_all(places).await;
            // The supervisor last: it takes a registered process for one that others find.
            if let Some(supervisor) = &self.supervisor {
                announced.push(supervisor.announce(announcement).await);
            }
            Announced::new(async move {
                join_all(announced.into_iter().map(Announced::withdraw)).await;
            })
        })
    }
}
