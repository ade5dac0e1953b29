//! Callers meet callees: a CLIENT span and the SERVER span that it is the parent of, in either order of arrival.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use collector_api::vocabulary;

use crate::model::{Kind, Span, SpanId, TraceId};

/// How long either side waits for the other.
pub const HOP_WAIT_NS: u64 = 60_000_000_000;

/// Spans that wait, per side.
pub const HOP_LIMIT: usize = 65_536;

/// Identity of a CLIENT span.
pub type HopKey = (TraceId, SpanId);

/// The calling side.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// Its service.
    pub service: Arc<str>,
    /// `rpc`, `http` or `messaging`.
    pub edge_kind: &'static str,
    /// The load run that it belongs to.
    pub run_id: Option<Arc<str>>,
    /// Length of the call as the caller saw it.
    pub duration_ns: u64,
    /// When the call ended.
    pub end_ns: u64,
    /// Whether the caller saw it fail.
    pub is_error: bool,
}

/// A call that was seen from both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Hop {
    /// Identity of the CLIENT span.
    pub key: HopKey,
    /// The calling side.
    pub caller: Caller,
    /// Service that answered.
    pub callee: Arc<str>,
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Caller,
    Callee,
}

/// Spans that wait for their other side, bounded in number and in time.
#[derive(Debug, Clone)]
pub struct Hops {
    callers: HashMap<HopKey, Caller>,
    callees: HashMap<HopKey, Arc<str>>,
    expiry: VecDeque<(u64, HopKey, Side)>,
    limit: usize,
    dropped: u64,
}

impl Hops {
    /// Nothing waits; at most `limit` spans per side will.
    pub fn new(limit: usize) -> Self {
        Self { callers: HashMap::new(), callees: HashMap::new(), expiry: VecDeque::new(), limit, dropped: 0 }
    }

    /// Takes a span; returns the call that it completes.
    pub fn observe(&mut self, span: &Span, now_ns: u64) -> Option<Hop> {
        self.expire(now_ns);
        match span.kind {
            Kind::Client | Kind::Producer if span.get("db.system.name").is_none() => self.caller(span, now_ns),
            Kind::Server | Kind::Consumer => self.callee(span, now_ns),
            _ => None,
        }
    }

    /// Spans that found no room to wait.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn caller(&mut self, span: &Span, now_ns: u64) -> Option<Hop> {
        let key = (span.trace_id, span.span_id);
        let caller = Caller {
            service: span.resource.service.clone(),
            edge_kind: edge_kind(span),
            run_id: run_of(span),
            duration_ns: span.duration_ns(),
            end_ns: span.end_ns,
            is_error: span.is_error(),
        };
        if let Some(callee) = self.callees.remove(&key) {
            return Some(Hop { key, caller, callee });
        }
        if self.callers.len() >= self.limit {
            self.dropped += 1;
            return None;
        }
        self.callers.insert(key, caller);
        self.expiry.push_back((now_ns.saturating_add(HOP_WAIT_NS), key, Side::Caller));
        None
    }

    fn callee(&mut self, span: &Span, now_ns: u64) -> Option<Hop> {
        let key = (span.trace_id, span.parent_id?);
        let callee = span.resource.service.clone();
        if let Some(caller) = self.callers.remove(&key) {
            return Some(Hop { key, caller, callee });
        }
        if self.callees.len() >= self.limit {
            self.dropped += 1;
            return None;
        }
        self.callees.insert(key, callee);
        self.expiry.push_back((now_ns.saturating_add(HOP_WAIT_NS), key, Side::Callee));
        None
    }

    fn expire(&mut self, now_ns: u64) {
        while let Some((at, key, side)) = self.expiry.front().copied() {
            // Entries of calls that met long ago leave the queue early, so that it cannot outgrow the maps.
            let is_waiting = match side {
                Side::Caller => self.callers.contains_key(&key),
                Side::Callee => self.callees.contains_key(&key),
            };
            if is_waiting && at > now_ns {
                break;
            }
            self.expiry.pop_front();
            match side {
                Side::Caller => drop(self.callers.remove(&key)),
                Side::Callee => drop(self.callees.remove(&key)),
            }
        }
        if self.expiry.len() > 8 * self.limit {
            let (callers, callees) = (&self.callers, &self.callees);
            self.expiry.retain(|(_, key, side)| match side {
                Side::Caller => callers.contains_key(key),
                Side::Callee => callees.contains_key(key),
            });
        }
    }
}

/// The load run that a span belongs to: a CLIENT root of the load tool.
pub fn run_of(span: &Span) -> Option<Arc<str>> {
    if span.kind != Kind::Client || span.parent_id.is_some() {
        return None;
    }
    match span.get(vocabulary::RUN_ID) {
        Some(crate::model::Value::Text(run_id)) => Some(run_id.clone()),
        _ => None,
    }
}

fn edge_kind(span: &Span) -> &'static str {
    if span.kind == Kind::Producer || span.get("messaging.system").is_some() {
        "messaging"
    } else if span.get("rpc.system.name").is_some() || span.get("rpc.method").is_some() {
        "rpc"
    } else {
        "http"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Resource, Status};

    fn span(kind: Kind, trace: u128, id: u64, parent: u64) -> Span {
        Span {
            trace_id: TraceId::from_u128(trace).expect("not zero"),
            span_id: SpanId::from_u64(id).expect("not zero"),
            parent_id: SpanId::from_u64(parent),
            name: "op".into(),
            kind,
            start_ns: 1,
            end_ns: 2,
            status: Status::Unset,
            status_message: "".into(),
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            resource: Arc::new(Resource {
                service: "shop".into(),
                instance: "shop".into(),
                listen: None,
                attributes: Vec::new(),
            }),
            scope: "".into(),
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
        }
    }

    #[test]
    fn a_call_is_complete_with_its_second_side_whichever_that_is() {
        let mut hops = Hops::new(8);
        assert_eq!(hops.observe(&span(Kind::Client, 1, 1, 0), 0), None);
        assert!(hops.observe(&span(Kind::Server, 1, 2, 1), 0).is_some());
        assert_eq!(hops.observe(&span(Kind::Server, 2, 2, 1), 0), None);
        assert!(hops.observe(&span(Kind::Client, 2, 1, 0), 0).is_some());
        assert_eq!(hops.observe(&span(Kind::Server, 3, 2, 1), 0), None, "the same span id in another trace");
    }

    #[test]
    fn nobody_waits_longer_than_a_minute_or_beyond_the_limit() {
        let mut hops = Hops::new(2);
        for trace in 1..=3 {
            hops.observe(&span(Kind::Client, trace, 1, 0), 0);
        }
        assert_eq!(hops.dropped(), 1);
        assert_eq!(hops.observe(&span(Kind::Server, 1, 2, 1), HOP_WAIT_NS), None, "too late");
        assert!(hops.callers.is_empty() && hops.callees.len() == 1);
    }

    #[test]
    fn calls_that_met_leave_nothing_behind() {
        let mut hops = Hops::new(4);
        for trace in 1..=1_000 {
            hops.observe(&span(Kind::Client, trace, 1, 0), 0);
            assert!(hops.observe(&span(Kind::Server, trace, 2, 1), 0).is_some());
        }
        assert!(hops.callers.is_empty() && hops.callees.is_empty());
        assert!(hops.expiry.len() <= 2, "the queue does not outgrow the maps");
        assert_eq!(hops.dropped(), 0);
    }
}
