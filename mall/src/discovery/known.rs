//! What is known of the replicas of one service, also when its registry has lost its memory.

use super::Endpoint;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// How long a replica may take to come back into a registry that forgot everything: a lease and a few attempts.
const RETURN: Duration = Duration::from_secs(15);

/// The last full answer of a registry, and what it forgot.
///
/// An answer without a replica means that the replica is gone, as long as the registry's history goes on. When the history
/// starts anew (an etcd whose data was lost, a Consul whose index fell), missing replicas may just not have registered
/// again yet: they stay known until [`RETURN`] after the first replica is back. If none comes back they stay: calls are
/// only sent to replicas that are connected, so a stale address costs attempts to connect and nothing else.
#[derive(Debug, Default)]
pub(super) struct Known {
    found: BTreeSet<Endpoint>,
    forgotten: BTreeSet<Endpoint>,
    until: Option<Instant>,
}

impl Known {
    /// Takes a full answer; `has_forgotten` when the registry's history began anew since the last one.
    pub(super) fn replace(&mut self, found: BTreeSet<Endpoint>, has_forgotten: bool, now: Instant) {
        if has_forgotten {
            self.forgotten.append(&mut self.found);
            self.until = None;
        }
        self.found = found;
        if self.until.is_none() && !self.found.is_empty() && !self.forgotten.is_empty() {
            self.until = Some(now + RETURN);
        }
    }

    /// Every replica that may live.
    pub(super) fn all(&mut self, now: Instant) -> BTreeSet<Endpoint> {
        if self.until.is_some_and(|until| until <= now) {
            self.forgotten.clear();
            self.until = None;
        }
        self.found.union(&self.forgotten).cloned().collect()
    }

    /// When [`Known::all`] changes by itself.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ports: &[u16]) -> BTreeSet<Endpoint> {
        ports.iter().map(|port| Endpoint::at(&format!("127.0.0.1:{port}"))).collect()
    }

    #[test]
    fn an_answer_of_a_registry_with_its_history_is_believed() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.replace(set(&[1, 2]), false, now);
        assert_eq!(known.all(now), set(&[1, 2]));
        known.replace(set(&[]), false, now);
        assert_eq!(known.all(now), set(&[]));
    }

    #[test]
    fn what_a_registry_forgot_stays_until_its_replicas_had_time_to_return() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.replace(set(&[1, 2, 3]), false, now);
        known.replace(set(&[]), true, now);
        let later = now + 10 * RETURN;
        assert_eq!(known.all(later), set(&[1, 2, 3]), "nobody came back yet");
        known.replace(set(&[2, 4]), false, later);
        assert_eq!(known.all(later), set(&[1, 2, 3, 4]));
        assert_eq!(known.until(), Some(later + RETURN));
        known.replace(set(&[2, 3, 4]), false, later);
        assert_eq!(known.all(later + RETURN), set(&[2, 3, 4]), "1 did not come back");
        assert_eq!(known.until(), None);
    }

    #[test]
    fn a_registry_may_forget_twice() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.replace(set(&[1, 2]), false, now);
        known.replace(set(&[1]), true, now);
        known.replace(set(&[]), true, now);
        assert_eq!(known.all(now + 2 * RETURN), set(&[1, 2]));
    }
}
