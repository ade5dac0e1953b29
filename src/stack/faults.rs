//! Faults in force: the book of them, and how they reach the replicas.
//!
//! The supervisor stores every fault, sends each replica the set that concerns it, sends it again when a replica
//! registers anew, and forgets it when its time is over. Replicas end a fault by their own clocks too, so one that
//! cannot be reached heals all the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mall_api::control::{Fault, FaultSet};
use tokio::sync::Notify;

use super::instance::Instance;

/// Most faults at once.
const LIMIT: usize = 64;

/// Longest time of a fault.
pub const LONGEST_MS: u64 = 3_600_000;

/// Faults in force, with the event that each opened.
#[derive(Debug, Default)]
pub struct Faults {
    book: Mutex<Book>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Book {
    last: u64,
    entries: BTreeMap<u64, Entry>,
}

/// A fault in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The fault.
    pub fault: Fault,
    /// Its event in the collector.
    pub event: u64,
}

/// There are as many faults as there may be.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany;

impl Faults {
    /// Stores a fault: gives it an identity and its times. `open` opens its event and answers that one's identity.
    pub fn add(&self, mut fault: Fault, now_ns: u64, open: impl FnOnce(&Fault) -> u64) -> Result<Fault, TooMany> {
        let mut book = self.lock();
        if book.entries.len() >= LIMIT {
            return Err(TooMany);
        }
        book.last += 1;
        let number = book.last;
        fault.id = format!("f{number}");
        fault.begins_unix_ns = now_ns;
        fault.ends_unix_ns = now_ns + fault.for_ms.min(LONGEST_MS) * 1_000_000;
        let event = open(&fault);
        book.entries.insert(number, Entry { fault: fault.clone(), event });
        drop(book);
        self.changed.notify_one();
        Ok(fault)
    }

    /// Takes out what is over.
    pub fn expire(&self, now_ns: u64) -> Vec<Entry> {
        self.take(|fault| fault.ends_unix_ns <= now_ns)
    }

    /// Takes out faults by identity; all when there is no identity.
    pub fn clear(&self, ids: &[String]) -> Vec<Entry> {
        self.take(|fault| ids.is_empty() || ids.contains(&fault.id))
    }

    /// Everything in force, oldest first.
    pub fn list(&self) -> Vec<Fault> {
        self.lock().entries.values().map(|entry| entry.fault.clone()).collect()
    }

    /// What concerns a replica.
    pub fn of(&self, instance: Instance) -> FaultSet {
        let faults = self.list().into_iter().filter(|fault| instance.is_meant_by(&fault.target)).collect();
        FaultSet { faults }
    }

    /// Returns when the next fault is over, or when the book changed; `now_ns` reads the clock.
    pub async fn next_change(&self, now_ns: impl Fn() -> u64) {
        let next = self.lock().entries.values().map(|entry| entry.fault.ends_unix_ns).min();
        match next {
            Some(ends) => {
                let left = Duration::from_nanos(ends.saturating_sub(now_ns()));
                tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    () = self.changed.notified() => {}
                }
            }
            None => self.changed.notified().await,
        }
    }

    fn take(&self, over: impl Fn(&Fault) -> bool) -> Vec<Entry> {
        let mut book = self.lock();
        let numbers: Vec<u64> =
            book.entries.iter().filter(|(_, entry)| over(&entry.fault)).map(|(number, _)| *number).collect();
        numbers.iter().filter_map(|number| book.entries.remove(number)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fault in one line: `latency pay-rpc/1 p50=200ms p99=2s`.
pub fn describe(fault: &Fault) -> String {
    let mut text = format!("{} {}", fault.kind, fault.target);
    let params: BTreeMap<&String, &String> = fault.params.iter().collect();
    for (key, value) in params {
        // Writing into a String cannot fail.
        let _ = write!(text, " {key}={value}");
    }
    text
}

/// What to say when identities that were to be cleared were not in force; `None` when all were.
pub fn missed(asked: &[String], cleared: &[Fault], left: &[Fault]) -> Option<String> {
    let list = |faults: &[Fault]| faults.iter().map(|fault| fault.id.as_str()).collect::<Vec<_>>().join(", ");
    let missed: Vec<&str> =
        asked.iter().map(String::as_str).filter(|id| !cleared.iter().any(|fault| fault.id == *id)).collect();
    if missed.is_empty() {
        return None;
    }
    let mut text = format!("not in force: {}", missed.join(", "));
    if !cleared.is_empty() {
        // Writing into a String cannot fail.
        let _ = write!(text, "; cleared: {}", list(cleared));
    }
    let _ = match left {
        [] => write!(text, "; no fault is in force now"),
        left => write!(text, "; in force: {}", list(left)),
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use mall::config::Role;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn fault(target: &str, for_ms: u64) -> Fault {
        Fault { kind: "latency".into(), target: target.into(), for_ms, ..Fault::default() }
    }

    #[test]
    fn faults_get_identities_and_end_by_themselves() {
        let faults = Faults::default();
        let first = faults.add(fault("pay-rpc/1", 1_000), 10 * SECOND, |_| 7).expect("has room");
        faults.add(fault("pay-rpc", 5_000), 10 * SECOND, |_| 8).expect("has room");
        assert_eq!((first.id.as_str(), first.ends_unix_ns), ("f1", 11 * SECOND));
        let over = faults.expire(11 * SECOND);
        assert_eq!(over.iter().map(|entry| entry.event).collect::<Vec<_>>(), [7]);
        assert_eq!(faults.list().len(), 1);
    }

    #[test]
    fn a_replica_gets_what_concerns_it() {
        let faults = Faults::default();
        for target in ["pay-rpc/1", "pay-rpc", "order-rpc"] {
            faults.add(fault(target, 1_000), 0, |_| 0).expect("has room");
        }
        let targets = |replica| -> Vec<String> {
            faults.of(Instance { role: Role::PayRpc, replica }).faults.into_iter().map(|fault| fault.target).collect()
        };
        assert_eq!(targets(1), ["pay-rpc/1", "pay-rpc"]);
        assert_eq!(targets(2), ["pay-rpc"]);
    }

    #[test]
    fn clearing_is_by_identity_or_of_all() {
        let faults = Faults::default();
        for _ in 0..3 {
            faults.add(fault("pay-rpc", 1_000), 0, |_| 0).expect("has room");
        }
        assert_eq!(faults.clear(&["f2".to_owned()]).len(), 1);
        assert_eq!(faults.clear(&[]).len(), 2);
        assert!(faults.list().is_empty());
    }

    #[test]
    fn an_identity_that_is_not_in_force_is_named_with_those_that_are() {
        let named = |id: &str| Fault { id: id.into(), ..Fault::default() };
        let asked = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(missed(&asked(&["f1"]), &[named("f1")], &[]), None);
        assert_eq!(missed(&[], &[], &[]), None);
        let told = missed(&asked(&["f99"]), &[], &[named("f1"), named("f2")]);
        assert_eq!(told.as_deref(), Some("not in force: f99; in force: f1, f2"));
        let told = missed(&asked(&["f1", "f99"]), &[named("f1")], &[]);
        assert_eq!(told.as_deref(), Some("not in force: f99; cleared: f1; no fault is in force now"));
    }

    #[test]
    fn the_book_is_bounded() {
        let faults = Faults::default();
        for _ in 0..LIMIT {
            faults.add(fault("pay-rpc", 1_000), 0, |_| 0).expect("has room");
        }
        assert_eq!(faults.add(fault("pay-rpc", 1_000), 0, |_| 0), Err(TooMany));
    }

    #[tokio::test]
    async fn the_next_change_is_the_next_end() {
        let faults = Faults::default();
        faults.add(fault("pay-rpc", 20), 0, |_| 0).expect("has room");
        // The first answer is the addition itself.
        faults.next_change(|| 0).await;
        let limit = Duration::from_secs(10);
        assert!(tokio::time::timeout(limit, faults.next_change(|| 0)).await.is_ok());
        assert_eq!(faults.expire(20_000_000).len(), 1);
    }
}
