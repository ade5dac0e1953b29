//! The replicas under one key, as answers and events of etcd tell them. No connection, no clock.

use super::super::Endpoint;
use super::super::known::Known;
use crate::config::can_connect;
use mall_api::etcd::event::EventType;
use mall_api::etcd::{Event, KeyValue, ResponseHeader};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// Keys and their values, and how far the history is known.
#[derive(Debug, Default)]
pub(super) struct View {
    keys: BTreeMap<Vec<u8>, Endpoint>,
    cluster: u64,
    revision: i64,
    known: Known,
}

impl View {
    /// Takes everything that stands under the key. An etcd that is another one, or whose revision went back, has lost its
    /// data: then nothing follows from what is missing.
    pub(super) fn reload(&mut self, header: &ResponseHeader, pairs: &[KeyValue], now: Instant) {
        let is_first = self.cluster == 0;
        let has_forgotten = !is_first && (header.cluster_id != self.cluster || header.revision < self.revision);
        self.cluster = header.cluster_id;
        self.revision = header.revision;
        self.keys = pairs.iter().filter_map(replica).collect();
        self.tell(has_forgotten, now);
    }

    /// Takes changes, in the order of etcd.
    pub(super) fn apply(&mut self, header: &ResponseHeader, events: &[Event], now: Instant) {
        self.revision = self.revision.max(header.revision);
        for event in events {
            let Some(pair) = &event.kv else { continue };
            match (event.r#type(), replica(pair)) {
                (EventType::Put, Some((key, endpoint))) => self.keys.insert(key, endpoint),
                (EventType::Put, None) | (EventType::Delete, _) => self.keys.remove(&pair.key),
            };
        }
        self.tell(false, now);
    }

    /// Every replica that may live; the same address under two keys counts once.
    pub(super) fn endpoints(&mut self, now: Instant) -> BTreeSet<Endpoint> {
        self.known.all(now)
    }

    /// When [`View::endpoints`] changes by itself.
    pub(super) fn until(&self) -> Option<Instant> {
        self.known.until()
    }

    fn tell(&mut self, has_forgotten: bool, now: Instant) {
        self.known.replace(self.keys.values().cloned().collect(), has_forgotten, now);
    }
}

/// `None`, and a warning, when the value is no address.
fn replica(pair: &KeyValue) -> Option<(Vec<u8>, Endpoint)> {
    match std::str::from_utf8(&pair.value) {
        Ok(address) if can_connect(address) => Some((pair.key.clone(), Endpoint::at(address))),
        _ if pair.value.is_empty() => None,
        _ => {
            let key = String::from_utf8_lossy(&pair.key);
            tracing::warn!(%key, "the value is no host:port, the replica is left out");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(revision: i64) -> ResponseHeader {
        ResponseHeader { cluster_id: 7, revision, ..ResponseHeader::default() }
    }

    fn pair(key: &str, value: &str) -> KeyValue {
        KeyValue { key: key.into(), value: value.into(), ..KeyValue::default() }
    }

    fn event(kind: EventType, key: &str, value: &str) -> Event {
        Event { r#type: kind.into(), kv: Some(pair(key, value)) }
    }

    fn addresses(view: &mut View, now: Instant) -> Vec<String> {
        view.endpoints(now).into_iter().map(|endpoint| endpoint.address.to_string()).collect()
    }

    #[test]
    fn events_change_what_a_reload_found() {
        let (mut view, now) = (View::default(), Instant::now());
        view.reload(&header(5), &[pair("k/1", "a:1"), pair("k/2", "b:1")], now);
        let events = [event(EventType::Put, "k/3", "c:1"), event(EventType::Delete, "k/1", "")];
        view.apply(&header(6), &events, now);
        assert_eq!(addresses(&mut view, now), ["b:1", "c:1"]);
    }

    #[test]
    fn an_address_under_two_keys_counts_once_and_stays_while_one_is_left() {
        let (mut view, now) = (View::default(), Instant::now());
        view.reload(&header(5), &[pair("k/1", "a:1"), pair("k/2", "a:1")], now);
        assert_eq!(addresses(&mut view, now), ["a:1"]);
        view.apply(&header(6), &[event(EventType::Delete, "k/1", "")], now);
        assert_eq!(addresses(&mut view, now), ["a:1"]);
    }

    #[test]
    fn what_is_no_address_is_left_out() {
        let (mut view, now) = (View::default(), Instant::now());
        view.reload(&header(5), &[pair("k/1", "nonsense"), pair("k/2", "b:1")], now);
        assert_eq!(addresses(&mut view, now), ["b:1"]);
        view.apply(&header(6), &[event(EventType::Put, "k/2", "http://b:1")], now);
        assert!(addresses(&mut view, now).is_empty());
    }

    #[test]
    fn an_empty_reload_is_believed_unless_the_history_began_anew() {
        let (mut view, now) = (View::default(), Instant::now());
        view.reload(&header(5), &[pair("k/1", "a:1")], now);
        view.reload(&header(2), &[], now);
        assert_eq!(addresses(&mut view, now), ["a:1"], "the revision went back: the data was lost");
        view.reload(&header(3), &[pair("k/9", "a:1")], now);
        view.reload(&header(9), &[], now);
        let later = view.until().expect("a replica came back");
        assert!(addresses(&mut view, later).is_empty(), "the history goes on");
        view.reload(&header(9), &[pair("k/1", "a:1")], now);
        let other = ResponseHeader { cluster_id: 8, revision: 99, ..ResponseHeader::default() };
        view.reload(&other, &[], now);
        assert_eq!(addresses(&mut view, now), ["a:1"], "another cluster");
    }
}
