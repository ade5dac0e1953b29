//! Which instance listens where.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::Resource;

/// Addresses that are remembered.
const ADDRESS_LIMIT: usize = 4_096;

/// A replica by name: the service and its instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instance {
    /// `service.name`.
    pub service: Arc<str>,
    /// `service.instance.id`, such as `pay-rpc/1`.
    pub instance: Arc<str>,
}

/// Address to instance, learned from resources and from a supervisor. The newest word wins.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    by_address: HashMap<Arc<str>, Instance>,
    newest: HashMap<Arc<str>, Arc<str>>,
}

impl Directory {
    /// Learns from what a process says of itself.
    pub fn learn(&mut self, resource: &Resource) {
        let Some(address) = &resource.listen else { return };
        let is_known = self.by_address.get(address).is_some_and(|known| known.instance == resource.instance);
        if !is_known {
            let instance = Instance { service: resource.service.clone(), instance: resource.instance.clone() };
            self.insert(address.clone(), instance);
        }
    }

    /// Learns from a supervisor; the service is the part of the instance before its last slash.
    pub fn add(&mut self, address: &str, instance: &str) {
        let service = instance.rsplit_once('/').map_or(instance, |(service, _)| service);
        self.insert(Arc::from(address), Instance { service: Arc::from(service), instance: Arc::from(instance) });
    }

    /// Who listens at an address; an unknown address stands for itself, as a service and instance of its own.
    pub fn resolve(&self, address: &str) -> Instance {
        self.by_address
            .get(address)
            .cloned()
            .unwrap_or_else(|| Instance { service: Arc::from(address), instance: Arc::from(address) })
    }

    /// An address that is known, with the replica that listens there.
    pub fn replica(&self, address: &str) -> Option<(Arc<str>, Arc<str>)> {
        self.by_address.get_key_value(address).map(|(address, found)| (address.clone(), found.instance.clone()))
    }

    /// A replica by its name, when so far only its address stands for it.
    pub fn named(&self, replica: &Instance) -> Instance {
        self.by_address.get(&replica.instance).unwrap_or(replica).clone()
    }

    /// Where an instance listens.
    pub fn address_of(&self, instance: &str) -> Option<Arc<str>> {
        self.newest.get(instance).cloned()
    }

    fn insert(&mut self, address: Arc<str>, instance: Instance) {
        // The address of a process that is gone stays its own until another takes it: its last spans are still coming.
        if self.by_address.len() < ADDRESS_LIMIT || self.by_address.contains_key(&address) {
            self.newest.insert(instance.instance.clone(), address.clone());
            self.by_address.insert(address, instance);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_word_about_an_address_wins() {
        let mut directory = Directory::default();
        directory.add("127.0.0.1:4001", "pay-rpc/1");
        assert_eq!(&*directory.resolve("127.0.0.1:4001").service, "pay-rpc");
        directory.add("127.0.0.1:4002", "pay-rpc/1");
        assert_eq!(directory.address_of("pay-rpc/1").as_deref(), Some("127.0.0.1:4002"));
        assert_eq!(&*directory.resolve("127.0.0.1:4001").instance, "pay-rpc/1", "its last spans are still coming");
        directory.add("127.0.0.1:4001", "order-rpc/3");
        assert_eq!(&*directory.resolve("127.0.0.1:4001").instance, "order-rpc/3");
        assert_eq!(&*directory.resolve("127.0.0.1:4009").instance, "127.0.0.1:4009", "a stranger stands for itself");
    }

    #[test]
    fn a_process_tells_its_own_address() {
        let mut directory = Directory::default();
        let resource = Resource {
            service: "pay-rpc".into(),
            instance: "pay-rpc/2".into(),
            listen: Some("127.0.0.1:4003".into()),
            attributes: Vec::new(),
        };
        directory.learn(&resource);
        assert_eq!(&*directory.resolve("127.0.0.1:4003").instance, "pay-rpc/2");
    }
}
