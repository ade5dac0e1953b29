//! Configuration files of the services, from an order.

use std::path::PathBuf;

use mall::config::{Role, Secret, ServiceConfig};
use mall::store::DataSources;
use rand::distr::{Alphanumeric, SampleString};

use super::instance::Instance;
use super::order::{Order, Shop};
use super::state::{Addresses, StateFolder, write_private};
use crate::exit::Failure;

/// Governance policy of every service.
pub const POLICY: &str = "go-zero";

/// Replicas of an RPC service unless told: three, because P2C with two ignores health.
pub const DEFAULT_REPLICAS: u32 = 3;

/// Every replica that an order asks for.
pub fn instances(shop: &Shop) -> Vec<Instance> {
    let rpc = Role::RPC.into_iter().flat_map(|role| {
        let count = shop.replicas.get(role.name()).copied().unwrap_or(DEFAULT_REPLICAS);
        (1..=count).map(move |replica| Instance { role, replica })
    });
    std::iter::once(Instance { role: Role::Gateway, replica: 1 }).chain(rpc).collect()
}

/// Data source name of every service with a database.
pub fn data_sources(folder: &StateFolder) -> DataSources {
    DataSources::in_folder(&folder.data())
}

/// A secret that nobody can guess: 32 letters and digits from the system's generator.
pub fn random_secret() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 32)
}

/// Writes the configuration of a role; answers the file.
pub struct Writer<'a> {
    folder: &'a StateFolder,
    order: &'a Order,
    addresses: Addresses,
    token: Secret,
    access_secret: Secret,
}

impl<'a> Writer<'a> {
    /// A writer for one start of a stack; access tokens of earlier starts are not valid any more.
    pub fn new(folder: &'a StateFolder, order: &'a Order, addresses: Addresses, token: Secret) -> Self {
        Self { folder, order, addresses, token, access_secret: Secret::new(random_secret()) }
    }

    /// Configuration of a replica.
    pub fn replica(&self, instance: Instance, gateway_port: u16) -> Result<PathBuf, Failure> {
        let mut config = self.base(instance.role);
        config.mall.instance = instance.to_string();
        if instance.role == Role::Gateway {
            config.port = gateway_port;
            config.auth.access_secret = self.access_secret.clone();
        }
        let sources = data_sources(self.folder);
        config.data_source = match instance.role {
            Role::UserRpc => sources.user,
            Role::OrderRpc => sources.order,
            Role::PayRpc => sources.pay,
            _ => String::new(),
        }
        .into();
        self.write(&config, &instance.file_stem())
    }

    /// Configuration of the one process that migrates and seeds.
    pub fn migrate(&self) -> Result<PathBuf, Failure> {
        let mut config = self.base(Role::Migrate);
        config.data_source = data_sources(self.folder).order.into();
        self.write(&config, Role::Migrate.name())
    }

    fn base(&self, role: Role) -> ServiceConfig {
        let mut config = ServiceConfig::new(role.name());
        config.telemetry.endpoint.clone_from(&self.addresses.otlp_grpc);
        config.mall.control.endpoint.clone_from(&self.addresses.console);
        config.mall.control.token = self.token.clone();
        POLICY.clone_into(&mut config.mall.policy);
        config.mall.seed = self.order.seed;
        "plain".clone_into(&mut config.log.encoding);
        config
    }

    fn write(&self, config: &ServiceConfig, stem: &str) -> Result<PathBuf, Failure> {
        let path = self.folder.config().join(format!("{stem}.json"));
        let text = serde_json::to_vec_pretty(config)
            .map_err(|error| Failure::runtime(format!("cannot write {}", path.display())).because(error))?;
        write_private(&path, &text)?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_replicas_of_each_service_unless_told() {
        let shop = Shop { gateway_port: 0, replicas: [("pay-rpc".to_owned(), 5)].into() };
        let names: Vec<String> = instances(&shop).iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), 12);
        assert_eq!(names.first().map(String::as_str), Some("gateway/1"));
        assert_eq!(names.last().map(String::as_str), Some("pay-rpc/5"));
    }

    #[test]
    fn secrets_differ() {
        assert_ne!(random_secret(), random_secret());
        assert_eq!(random_secret().len(), 32);
    }
}
