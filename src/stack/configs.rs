//! Configuration files of the services, from an order.

use std::path::PathBuf;

use mall::config::{Role, Secret, ServiceConfig};
use mall::store::DataSources;
use rand::distr::{Alphanumeric, SampleString};

use super::instance::Instance;
use super::order::Shop;
use super::shared::Shared;
use super::state::write_private;
use crate::exit::Failure;

/// Governance policy of every service.
pub const POLICY: &str = "go-zero";

/// A secret that nobody can guess: 32 letters and digits from the system's generator.
pub fn random_secret() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 32)
}

/// Begins the keys of a stack in a Redis that it may share. It belongs to the data: new data never meets what a cache
/// remembers of old data.
pub fn namespace(stack: &str, data_id: &str) -> String {
    let short: String = data_id.chars().take(8).collect();
    format!("{stack}-{short}")
}

/// Writes the configuration of a role; answers the file.
pub struct Writer<'a> {
    shared: &'a Shared,
    shop: &'a Shop,
    sources: DataSources,
    access_secret: Secret,
}

impl<'a> Writer<'a> {
    /// A writer for one start of a stack; access tokens of earlier starts are not valid any more.
    pub fn new(shared: &'a Shared, shop: &'a Shop) -> Self {
        let sources = shop.topology.store.sources(&shared.folder.data());
        Self { shared, shop, sources, access_secret: Secret::new(random_secret()) }
    }

    /// The databases of the shop.
    pub const fn sources(&self) -> &DataSources {
        &self.sources
    }

    /// Configuration of a replica that works on the data called `data_id`.
    pub fn replica(&self, instance: Instance, data_id: &str) -> Result<PathBuf, Failure> {
        let role = instance.role;
        let mut config = self.base(role);
        config.mall.instance = instance.to_string();
        config.mall.namespace = namespace(self.shared.folder.stack(), data_id);
        if role.is_http() {
            config.port = self.shop.http_port(role);
            // One secret for all of them: a token of user-api is good at order-api.
            config.auth.access_secret = self.access_secret.clone();
        }
        config.data_source = match role {
            Role::UserRpc => self.sources.user.clone(),
            Role::OrderRpc => self.sources.order.clone(),
            Role::PayRpc => self.sources.pay.clone(),
            _ => String::new(),
        }
        .into();
        self.write(&config, &instance.file_stem())
    }

    /// Configuration of the one process that migrates and seeds.
    pub fn migrate(&self) -> Result<PathBuf, Failure> {
        let mut config = self.base(Role::Migrate);
        config.data_source = self.sources.order.clone().into();
        self.write(&config, Role::Migrate.name())
    }

    fn base(&self, role: Role) -> ServiceConfig {
        let addresses = self.shared.addresses.borrow();
        let mut config = self.shop.topology.configure(role);
        config.telemetry.endpoint.clone_from(&addresses.otlp_grpc);
        config.mall.control.endpoint.clone_from(&addresses.console);
        config.mall.control.token = self.shared.token.clone();
        POLICY.clone_into(&mut config.mall.policy);
        config.mall.seed = self.shared.order.seed;
        "plain".clone_into(&mut config.log.encoding);
        // Every request is a trace in the console; a line of each would only push the others out of a capped log.
        "info,access=warn".clone_into(&mut config.log.level);
        config
    }

    fn write(&self, config: &ServiceConfig, stem: &str) -> Result<PathBuf, Failure> {
        let path = self.shared.folder.config().join(format!("{stem}.json"));
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
    fn a_namespace_is_of_one_stack_and_one_set_of_data() {
        let id = "0195b0c2-77aa-7000-8000-000000000000";
        assert_eq!(namespace("blue", id), "blue-0195b0c2");
        assert_ne!(namespace("blue", id), namespace("blue", "deadbeef-77aa-7000-8000-000000000000"));
    }

    #[test]
    fn secrets_differ() {
        assert_ne!(random_secret(), random_secret());
        assert_eq!(random_secret().len(), 32);
    }
}
