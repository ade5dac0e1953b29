//! The list of one service that others watch, and what is told about it.

use super::{Endpoint, subset};
use crate::telemetry::Meters;
use collector_api::vocabulary as word;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge};
use std::collections::BTreeSet;
use std::fmt::Display;
use tokio::sync::watch;

/// Writes the endpoints of one service, counts them, and tells once of a loss and once of its end.
pub(super) struct Listed {
    service: String,
    sender: watch::Sender<Vec<Endpoint>>,
    endpoints: Gauge<u64>,
    left_out: Gauge<u64>,
    reloads: Counter<u64>,
    is_lost: bool,
    leaves_out: bool,
}

impl Listed {
    /// An empty list of `service`.
    pub(super) fn new(service: &str, meters: &Meters) -> (Self, watch::Receiver<Vec<Endpoint>>) {
        let (sender, receiver) = watch::channel(Vec::new());
        let meter = meters.meter();
        let listed = Self {
            service: service.to_owned(),
            sender,
            endpoints: meter.u64_gauge(word::DISCOVERY_ENDPOINTS).build(),
            left_out: meter.u64_gauge(word::DISCOVERY_LEFT_OUT).build(),
            reloads: meter.u64_counter(word::DISCOVERY_RELOADS).build(),
            is_lost: false,
            leaves_out: false,
        };
        listed.reloads.add(0, &listed.key());
        (listed, receiver)
    }

    /// Publishes what was found; at most 32 of it.
    pub(super) fn publish(&mut self, found: &BTreeSet<Endpoint>) {
        let before = self.sender.borrow().clone();
        let (chosen, left_out) = subset::choose(found, &before, &mut rand::rng());
        self.endpoints.record(chosen.len() as u64, &self.key());
        self.left_out.record(left_out as u64, &self.key());
        let begins = left_out > 0 && !self.leaves_out;
        self.leaves_out = left_out > 0;
        if begins {
            let service = &self.service;
            tracing::warn!(service, left_out, "more than {} replicas are found, some stay unused", subset::LARGEST);
        }
        if chosen != before {
            self.sender.send_replace(chosen);
        }
    }

    /// Counts a full answer of the registry, which ends a loss.
    pub(super) fn reloaded(&mut self) {
        self.reloads.add(1, &self.key());
        if std::mem::take(&mut self.is_lost) {
            tracing::info!(service = self.service, "the registry is back");
        }
    }

    /// Tells that the registry is lost, unless that was told already. The list stays as it is.
    pub(super) fn lost(&mut self, reason: &dyn Display) {
        if !std::mem::replace(&mut self.is_lost, true) {
            let service = &self.service;
            tracing::warn!(service, %reason, "lost the registry, the last known endpoints stay in use");
        }
    }

    /// Resolves when nobody watches the list any more.
    pub(super) fn unwatched(&self) -> impl Future<Output = ()> + Send + use<> {
        let sender = self.sender.clone();
        async move { sender.closed().await }
    }

    fn key(&self) -> [KeyValue; 1] {
        [KeyValue::new(word::DISCOVERY_SERVICE, self.service.clone())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watchers_are_woken_by_changes_alone() {
        let (mut listed, mut watch) = Listed::new("pay-rpc", &Meters::disabled());
        let found = BTreeSet::from([Endpoint::at("127.0.0.1:1")]);
        listed.publish(&found);
        assert!(watch.has_changed().expect("the sender lives"));
        watch.mark_unchanged();
        listed.publish(&found);
        listed.lost(&"gone");
        listed.reloaded();
        assert!(!watch.has_changed().expect("the sender lives"));
        assert_eq!(*watch.borrow(), [Endpoint::at("127.0.0.1:1")]);
    }
}
