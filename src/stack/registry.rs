//! The embedded registry: who offers which service where, for as long as they say so.
//!
//! Every entry hangs on a lease, as in etcd: a replica that stops asking for it to be kept is gone when it expires, one
//! that was seen to end is gone at once. Watchers hear of every change.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mall_api::control::{Endpoint, RegisterRequest};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Most entries at once: far above any stack, and a bound on a mistake.
const MAX_LEASES: usize = 256;
const SHORTEST_TTL: Duration = Duration::from_millis(200);
const LONGEST_TTL: Duration = Duration::from_mins(1);

/// Endpoints under leases.
#[derive(Debug)]
pub struct Registry {
    leases: Mutex<Leases>,
    version: watch::Sender<u64>,
    earlier_expiry: Notify,
}

#[derive(Debug, Default)]
struct Leases {
    last_id: u64,
    entries: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    registration: RegisterRequest,
    ttl: Duration,
    expires: Instant,
}

/// A lease as its holder sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// Its number.
    pub id: u64,
    /// How long it lives without being kept.
    pub ttl: Duration,
}

/// The registry holds as many entries as it may.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self { leases: Mutex::default(), version: watch::Sender::new(0), earlier_expiry: Notify::new() }
    }

    /// Adds an endpoint; an earlier one of the same instance is replaced.
    pub fn register(&self, registration: RegisterRequest, now: Instant) -> Result<Granted, Full> {
        let mut leases = self.lock();
        leases.entries.retain(|_, entry| entry.registration.instance != registration.instance);
        if leases.entries.len() >= MAX_LEASES {
            return Err(Full);
        }
        let ttl = Duration::from_millis(registration.ttl_ms).clamp(SHORTEST_TTL, LONGEST_TTL);
        leases.last_id += 1;
        let id = leases.last_id;
        leases.entries.insert(id, Entry { registration, ttl, expires: now + ttl });
        drop(leases);
        self.changed();
        self.earlier_expiry.notify_one();
        Ok(Granted { id, ttl })
    }

    /// Prolongs a lease; `None` when it is gone and its holder must register again.
    pub fn keep_alive(&self, id: u64, now: Instant) -> Option<Granted> {
        let mut leases = self.lock();
        let entry = leases.entries.get_mut(&id)?;
        entry.expires = now + entry.ttl;
        Some(Granted { id, ttl: entry.ttl })
    }

    /// Ends a lease.
    pub fn deregister(&self, id: u64) {
        if self.lock().entries.remove(&id).is_some() {
            self.changed();
        }
    }

    /// Ends the leases of a process that was seen to end.
    pub fn remove_process(&self, pid: u32) {
        self.remove(|entry| entry.registration.pid == pid);
    }

    /// Ends every lease that is over at `now`.
    pub fn expire(&self, now: Instant) {
        self.remove(|entry| entry.expires <= now);
    }

    /// The endpoints of a service, by instance.
    pub fn endpoints(&self, service: &str) -> Vec<Endpoint> {
        let leases = self.lock();
        let mut endpoints: Vec<Endpoint> = leases
            .entries
            .values()
            .filter(|entry| entry.registration.service == service)
            .map(|entry| Endpoint {
                instance: entry.registration.instance.clone(),
                address: entry.registration.address.clone(),
            })
            .collect();
        endpoints.sort_by(|a, b| a.instance.cmp(&b.instance));
        endpoints
    }

    /// What a process registered, while its lease lives.
    pub fn registration_of(&self, pid: u32) -> Option<RegisterRequest> {
        let leases = self.lock();
        leases.entries.values().map(|entry| &entry.registration).find(|registration| registration.pid == pid).cloned()
    }

    /// Address of the Admin service of every registered instance.
    pub fn admins(&self) -> Vec<(String, String)> {
        let leases = self.lock();
        leases
            .entries
            .values()
            .map(|entry| (entry.registration.instance.clone(), entry.registration.admin.clone()))
            .collect()
    }

    /// A receiver that wakes on every change.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Ends leases as they expire, for ever.
    pub async fn keep_clean(&self) {
        loop {
            let next = self.lock().entries.values().map(|entry| entry.expires).min();
            match next {
                Some(instant) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(instant) => self.expire(Instant::now()),
                        () = self.earlier_expiry.notified() => {}
                    }
                }
                None => self.earlier_expiry.notified().await,
            }
        }
    }

    fn remove(&self, gone: impl Fn(&Entry) -> bool) {
        let mut leases = self.lock();
        let before = leases.entries.len();
        leases.entries.retain(|_, entry| !gone(entry));
        let removed = leases.entries.len() != before;
        drop(leases);
        if removed {
            self.changed();
        }
    }

    fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Leases> {
        // The map is whole after every statement, so a panic elsewhere does not spoil it.
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(instance: &str, pid: u32) -> RegisterRequest {
        RegisterRequest {
            service: "pay-rpc".into(),
            instance: instance.into(),
            address: format!("127.0.0.1:{pid}"),
            admin: format!("127.0.0.1:{pid}"),
            pid,
            ttl_ms: 3000,
        }
    }

    fn instances(registry: &Registry) -> Vec<String> {
        registry.endpoints("pay-rpc").into_iter().map(|endpoint| endpoint.instance).collect()
    }

    #[test]
    fn a_process_is_found_by_its_number_while_its_lease_lives() {
        let registry = Registry::new();
        let lease = registry.register(registration("pay-rpc/1", 7), Instant::now()).expect("has room");
        assert_eq!(registry.registration_of(7).map(|found| found.instance), Some("pay-rpc/1".to_owned()));
        assert_eq!(registry.registration_of(8), None);
        registry.deregister(lease.id);
        assert_eq!(registry.registration_of(7), None);
    }

    #[test]
    fn a_lease_that_is_kept_lives_and_one_that_is_not_expires() {
        let registry = Registry::new();
        let start = Instant::now();
        let kept = registry.register(registration("pay-rpc/1", 1), start).expect("has room");
        registry.register(registration("pay-rpc/2", 2), start).expect("has room");
        assert_eq!(registry.keep_alive(kept.id, start + Duration::from_secs(2)), Some(kept));
        registry.expire(start + Duration::from_secs(4));
        assert_eq!(instances(&registry), ["pay-rpc/1"]);
        registry.expire(start + Duration::from_secs(5));
        assert_eq!(registry.keep_alive(kept.id, start + Duration::from_secs(5)), None);
    }

    #[test]
    fn a_restarted_instance_replaces_itself_and_its_old_process_cannot_remove_it() {
        let registry = Registry::new();
        let now = Instant::now();
        let old = registry.register(registration("pay-rpc/1", 1), now).expect("has room");
        registry.register(registration("pay-rpc/1", 2), now).expect("has room");
        registry.remove_process(1);
        registry.deregister(old.id);
        assert_eq!(registry.endpoints("pay-rpc").first().map(|e| e.address.as_str()), Some("127.0.0.1:2"));
        assert!(registry.endpoints("order-rpc").is_empty());
    }

    #[test]
    fn watchers_hear_changes_only() {
        let registry = Registry::new();
        let mut watch = registry.watch();
        let lease = registry.register(registration("pay-rpc/1", 1), Instant::now()).expect("has room");
        assert!(watch.has_changed().expect("lives"));
        watch.mark_unchanged();
        registry.keep_alive(lease.id, Instant::now());
        registry.remove_process(99);
        assert!(!watch.has_changed().expect("lives"));
        registry.remove_process(1);
        assert!(watch.has_changed().expect("lives"));
    }

    #[test]
    fn the_registry_is_bounded() {
        let registry = Registry::new();
        let now = Instant::now();
        for number in 0..MAX_LEASES {
            registry.register(registration(&format!("pay-rpc/{number}"), 1), now).expect("has room");
        }
        assert_eq!(registry.register(registration("pay-rpc/x", 1), now), Err(Full));
    }

    #[tokio::test]
    async fn the_keeper_ends_a_lease_when_its_time_is_over() {
        let registry = Registry::new();
        let mut watch = registry.watch();
        let brief = RegisterRequest { ttl_ms: 1, ..registration("pay-rpc/1", 1) };
        registry.register(brief, Instant::now()).expect("has room");
        watch.mark_unchanged();
        tokio::select! {
            () = registry.keep_clean() => unreachable!("the keeper never ends"),
            changed = watch.changed() => changed.expect("lives"),
        }
        assert!(instances(&registry).is_empty());
    }
}
