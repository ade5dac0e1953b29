use super::{Announced, Announcement, Discovery, Endpoint};
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// A list in memory, for one process or one test. Clones share the list.
#[derive(Debug, Clone, Default)]
pub struct Static {
    services: Arc<Mutex<HashMap<String, watch::Sender<Vec<Endpoint>>>>>,
}

impl Static {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the endpoints of `service`.
    pub fn set(&self, service: &str, endpoints: Vec<Endpoint>) {
        self.change(service, |current| *current = endpoints);
    }

    fn change(&self, service: &str, change: impl FnOnce(&mut Vec<Endpoint>)) {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        services.entry(service.to_owned()).or_default().send_modify(change);
    }
}

impl Discovery for Static {
    fn watch(&self, service: &str) -> watch::Receiver<Vec<Endpoint>> {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        services.entry(service.to_owned()).or_default().subscribe()
    }

    fn announce(&self, announcement: Announcement) -> BoxFuture<'_, Announced> {
        let Announcement { service, endpoint, .. } = announcement;
        self.change(&service, |current| current.push(endpoint.clone()));
        let list = self.clone();
        Box::pin(async move {
            Announced::new(async move { list.change(&service, |current| current.retain(|one| *one != endpoint)) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_announces_is_found_until_it_withdraws() {
        let list = Static::new();
        let watch = list.watch("pay-rpc");
        let endpoint = Endpoint::new("pay-rpc/1", "127.0.0.1:9");
        let announcement =
            Announcement { service: "pay-rpc".to_owned(), endpoint: endpoint.clone(), admin: String::new() };
        let announced = list.announce(announcement).await;
        assert_eq!(*watch.borrow(), [endpoint]);
        announced.withdraw().await;
        assert!(watch.borrow().is_empty());
    }
}
