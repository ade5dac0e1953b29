//! What happened, on one time axis: faults, trips, alerts, restarts, load phases.
//!
//! Owns: a bounded log of events with identities, which may be open (still going on), closed or points, and the version
//! at which each changed. Refuses: deciding what is an event; whoever sees one says so. When the log is full the oldest
//! event that is over makes room and is counted.

use std::collections::BTreeMap;

use collector_api::console::{Event, EventPhase};

use crate::model::TraceId;

/// Events that the log keeps.
pub const EVENT_LIMIT: usize = 4_096;

/// Traces that an event remembers.
pub const EXEMPLAR_LIMIT: usize = 8;

/// An event about to be logged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewEvent {
    /// `fault`, `breaker`, `shed`, `limiter`, `alert`, `restart`, `server`, `load` or `scale`.
    pub kind: String,
    /// When it began, nanoseconds since the epoch.
    pub begins_unix_ns: u64,
    /// When it will end by itself; 0 when nobody knows. Ignored for a point.
    pub ends_unix_ns: u64,
    /// Service that it concerns.
    pub service: String,
    /// Replica, breaker, alert or phase that it concerns.
    pub target: String,
    /// One line for people.
    pub detail: String,
    /// Load run that it belongs to, empty when none.
    pub run_id: String,
    /// The machine-readable parts of `detail`.
    pub fields: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
struct Logged {
    event: Event,
    changed: u64,
}

/// The bounded log. Cost: logarithmic per change, linear per listing.
#[derive(Debug, Clone)]
pub struct EventLog {
    events: BTreeMap<u64, Logged>,
    last_id: u64,
    limit: usize,
    dropped: u64,
}

impl EventLog {
    /// An empty log for at most `limit` events.
    pub fn new(limit: usize) -> Self {
        Self { events: BTreeMap::new(), last_id: 0, limit: limit.max(1), dropped: 0 }
    }

    /// Logs something that goes on until [`EventLog::close`]. Returns its identity.
    pub fn open(&mut self, new: NewEvent, version: u64) -> u64 {
        self.add(new, EventPhase::Open, version)
    }

    /// Logs something without a length. Returns its identity.
    pub fn point(&mut self, new: NewEvent, version: u64) -> u64 {
        self.add(NewEvent { ends_unix_ns: new.begins_unix_ns, ..new }, EventPhase::Point, version)
    }

    /// Ends an open event. False when there is no such open event.
    pub fn close(&mut self, id: u64, unix_ns: u64, version: u64) -> bool {
        self.amend(id, version, |event| {
            event.phase = EventPhase::Closed.into();
            event.ends_unix_ns = unix_ns.max(event.begins_unix_ns);
        })
    }

    /// Changes an event that is open. False when there is no such open event.
    pub fn amend(&mut self, id: u64, version: u64, change: impl FnOnce(&mut Event)) -> bool {
        match self.events.get_mut(&id) {
            Some(logged) if logged.event.phase() == EventPhase::Open => {
                change(&mut logged.event);
                logged.changed = version;
                true
            }
            _ => false,
        }
    }

    /// Adds a trace that shows an event, newest last, at most [`EXEMPLAR_LIMIT`]. Works on any event that is kept.
    pub fn add_exemplar(&mut self, id: u64, trace: TraceId, version: u64) {
        let Some(logged) = self.events.get_mut(&id) else { return };
        let bytes = trace.to_bytes().to_vec();
        if logged.event.exemplars.contains(&bytes) {
            return;
        }
        if logged.event.exemplars.len() >= EXEMPLAR_LIMIT {
            logged.event.exemplars.remove(0);
        }
        logged.event.exemplars.push(bytes);
        logged.changed = version;
    }

    /// One event.
    pub fn get(&self, id: u64) -> Option<&Event> {
        self.events.get(&id).map(|logged| &logged.event)
    }

    /// Events that changed after a version, by identity.
    pub fn changed_since(&self, version: u64) -> impl Iterator<Item = &Event> {
        self.events.values().filter(move |logged| logged.changed > version).map(|logged| &logged.event)
    }

    /// Events of a kind (empty: all) that overlap `[from, to)`, by identity; 0 leaves a side open.
    pub fn list(&self, kind: &str, from: u64, to: u64) -> Vec<Event> {
        let overlaps = |event: &Event| {
            let is_over_before = event.phase() != EventPhase::Open && event.ends_unix_ns < from;
            let begins_after = to != 0 && event.begins_unix_ns >= to;
            !is_over_before && !begins_after
        };
        let events = self.events.values().map(|logged| &logged.event);
        events.filter(|event| (kind.is_empty() || event.kind == kind) && overlaps(event)).cloned().collect()
    }

    /// Events that made room for others.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn add(&mut self, new: NewEvent, phase: EventPhase, version: u64) -> u64 {
        if self.events.len() >= self.limit {
            self.make_room();
        }
        self.last_id += 1;
        let event = Event {
            id: self.last_id,
            kind: new.kind,
            phase: phase.into(),
            begins_unix_ns: new.begins_unix_ns,
            ends_unix_ns: new.ends_unix_ns,
            service: new.service,
            target: new.target,
            detail: new.detail,
            run_id: new.run_id,
            exemplars: Vec::new(),
            fields: new.fields.into_iter().collect(),
        };
        self.events.insert(self.last_id, Logged { event, changed: version });
        self.last_id
    }

    fn make_room(&mut self) {
        let is_over = |logged: &Logged| logged.event.phase() != EventPhase::Open;
        let oldest_over = self.events.iter().find(|(_, logged)| is_over(logged)).map(|(id, _)| *id);
        let victim = oldest_over.or_else(|| self.events.keys().next().copied());
        if let Some(id) = victim {
            self.events.remove(&id);
            self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, begins: u64) -> NewEvent {
        NewEvent { kind: kind.into(), begins_unix_ns: begins, ..NewEvent::default() }
    }

    #[test]
    fn an_open_event_closes_once() {
        let mut log = EventLog::new(8);
        let id = log.open(event("fault", 10), 1);
        assert!(log.close(id, 30, 2));
        assert!(!log.close(id, 40, 3), "a closed event stays closed");
        let closed = log.get(id).expect("kept");
        assert_eq!((closed.phase(), closed.ends_unix_ns), (EventPhase::Closed, 30));
        assert!(!log.close(99, 40, 3), "an unknown event cannot close");
    }

    #[test]
    fn a_full_log_gives_up_what_is_over_before_what_is_open() {
        let mut log = EventLog::new(2);
        let open = log.open(event("fault", 1), 1);
        let point = log.point(event("restart", 2), 1);
        log.point(event("restart", 3), 1);
        assert!(log.get(open).is_some());
        assert!(log.get(point).is_none());
        assert_eq!(log.dropped(), 1);
    }

    #[test]
    fn a_listing_holds_what_overlaps_the_span_of_time() {
        let mut log = EventLog::new(8);
        let open = log.open(event("fault", 5), 1);
        log.point(event("load", 10), 1);
        log.point(event("load", 20), 1);
        assert_eq!(log.list("load", 10, 20).len(), 1);
        assert_eq!(log.list("", 15, 0).first().map(|event| event.id), Some(open), "open events reach to now");
    }

    #[test]
    fn only_changes_after_a_version_are_told() {
        let mut log = EventLog::new(8);
        let first = log.open(event("fault", 1), 1);
        log.point(event("load", 2), 2);
        assert_eq!(log.changed_since(1).count(), 1);
        log.close(first, 3, 3);
        assert_eq!(log.changed_since(2).map(|event| event.id).collect::<Vec<_>>(), vec![first]);
    }

    #[test]
    fn exemplars_keep_the_newest_eight_without_twins() {
        let mut log = EventLog::new(8);
        let id = log.open(event("breaker", 1), 1);
        for number in [1_u128, 1, 2, 3, 4, 5, 6, 7, 8, 9] {
            log.add_exemplar(id, TraceId::from_u128(number).expect("not zero"), 1);
        }
        let exemplars = &log.get(id).expect("kept").exemplars;
        assert_eq!(exemplars.len(), EXEMPLAR_LIMIT);
        assert_eq!(exemplars.last().and_then(|bytes| bytes.last()), Some(&9));
        assert_eq!(exemplars.first().and_then(|bytes| bytes.last()), Some(&2));
    }
}
