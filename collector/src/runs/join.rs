//! Requests meet traces.
//!
//! A request is the load tool's CLIENT root span; it is joined once a SERVER span that it is the parent of was seen
//! within [`JOIN_NS`] of its end, late when that came afterwards, missing when it never did. At every moment
//! `sampled = joined + late + missing + waiting`. Only requests that still wait are remembered.

use std::collections::{HashMap, VecDeque};

use collector_api::console;

use crate::rollup::hops::HopKey;

/// How long after a request's end its trace may begin to arrive.
pub const JOIN_NS: u64 = 10_000_000_000;

/// Requests that wait at a time. Further ones are missing at once.
const WAITING_LIMIT: usize = 65_536;

/// The join of one run.
#[derive(Debug, Clone, Default)]
pub struct JoinState {
    told: u64,
    seen: u64,
    joined: u64,
    late: u64,
    missing: u64,
    no_room: u64,
    unseen: u64,
    waiting: HashMap<HopKey, u64>,
    expiry: VecDeque<(u64, HopKey)>,
    is_settled: bool,
}

impl JoinState {
    /// How many requests the load tool has sampled so far.
    pub fn tell_sampled(&mut self, sampled: u64) {
        if !self.is_settled {
            self.told = self.told.max(sampled);
        }
    }

    /// A request's CLIENT span arrived; `has_met` when its SERVER span was there before.
    pub fn request(&mut self, key: HopKey, end_ns: u64, has_met: bool) {
        if self.is_settled {
            return;
        }
        self.seen += 1;
        if has_met {
            self.joined += 1;
        } else if self.waiting.len() >= WAITING_LIMIT {
            self.missing += 1;
            self.no_room += 1;
        } else {
            let deadline = end_ns.saturating_add(JOIN_NS);
            self.waiting.insert(key, deadline);
            self.expiry.push_back((deadline, key));
        }
    }

    /// The SERVER span of a request that had arrived before.
    pub fn met(&mut self, key: HopKey, now_ns: u64) {
        if self.is_settled {
            return;
        }
        match self.waiting.remove(&key) {
            Some(deadline) if now_ns <= deadline => self.joined += 1,
            Some(_) => self.late += 1,
            // It had been given up, or never found room.
            None if self.missing > 0 => {
                self.missing -= 1;
                self.late += 1;
            }
            None => {}
        }
    }

    /// Gives up requests whose time is over.
    pub fn expire(&mut self, now_ns: u64) {
        while let Some((deadline, key)) = self.expiry.front().copied() {
            let is_waiting = self.waiting.contains_key(&key);
            if is_waiting && deadline >= now_ns {
                break;
            }
            self.expiry.pop_front();
            if is_waiting {
                self.waiting.remove(&key);
                self.missing += 1;
            }
        }
    }

    /// Ends the join: whoever still waits is missing.
    pub fn settle(&mut self) {
        if self.is_settled {
            return;
        }
        self.missing += self.waiting.len() as u64;
        self.waiting.clear();
        self.expiry.clear();
        self.unseen = self.told.saturating_sub(self.seen);
        self.missing += self.unseen;
        self.is_settled = true;
    }

    /// Requests that wait: for their SERVER span, or for their own CLIENT span.
    pub fn waiting(&self) -> u64 {
        let unseen = if self.is_settled { 0 } else { self.told.saturating_sub(self.seen) };
        self.waiting.len() as u64 + unseen
    }

    /// Requests whose traces will be analysed.
    pub fn met_count(&self) -> u64 {
        self.joined + self.late
    }

    /// As the console protocol says it.
    pub fn to_wire(&self) -> console::Join {
        let unanswered = self.missing.saturating_sub(self.no_room).saturating_sub(self.unseen);
        let reasons =
            [("no server span", unanswered), ("no client span", self.unseen), ("join window full", self.no_room)];
        let reasons = reasons.into_iter().filter(|(_, count)| *count > 0);
        console::Join {
            sampled: self.joined + self.late + self.missing + self.waiting(),
            joined: self.joined,
            late: self.late,
            missing: self.missing,
            waiting: self.waiting(),
            reasons: reasons.map(|(reason, count)| (reason.to_owned(), count)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{SpanId, TraceId};

    fn key(number: u64) -> HopKey {
        let number = number + 1;
        (TraceId::from_u128(u128::from(number)).expect("not zero"), SpanId::from_u64(number).expect("not zero"))
    }

    fn counts(join: &JoinState) -> (u64, u64, u64, u64, u64) {
        let wire = join.to_wire();
        (wire.sampled, wire.joined, wire.late, wire.missing, wire.waiting)
    }

    #[test]
    fn a_request_is_joined_late_or_missing() {
        let mut join = JoinState::default();
        join.tell_sampled(4);
        join.request(key(1), 0, true);
        join.request(key(2), 0, false);
        join.request(key(3), 0, false);
        assert_eq!(counts(&join), (4, 1, 0, 0, 3));
        join.met(key(2), JOIN_NS);
        join.expire(JOIN_NS + 1);
        assert_eq!(counts(&join), (4, 2, 0, 1, 1));
        join.met(key(3), JOIN_NS + 2);
        assert_eq!(counts(&join), (4, 2, 1, 0, 1));
        join.settle();
        assert_eq!(counts(&join), (4, 2, 1, 1, 0));
        assert_eq!(join.to_wire().reasons.get("no client span"), Some(&1));
    }

    proptest! {
        #[test]
        fn every_sampled_request_is_in_exactly_one_state(
            steps in prop::collection::vec((0_u8..5, 0_u64..40, 0_u64..30), 0..200),
        ) {
            let mut join = JoinState::default();
            let mut now = 0;
            let mut requested = std::collections::HashSet::new();
            let mut met = std::collections::HashSet::new();
            let mut told = 0;
            for (kind, request, pause_s) in steps {
                now += pause_s * 1_000_000_000 / 4;
                match kind {
                    0 => { told += 1; join.tell_sampled(told); }
                    1 => if requested.insert(request) { join.request(key(request), now, false); },
                    2 => if requested.insert(request) { met.insert(request); join.request(key(request), now, true); },
                    3 => if requested.contains(&request) && met.insert(request) { join.met(key(request), now); },
                    _ => join.expire(now),
                }
                let (sampled, joined, late, missing, waiting) = counts(&join);
                prop_assert_eq!(sampled, joined + late + missing + waiting);
                prop_assert_eq!(sampled, told.max(requested.len() as u64));
                prop_assert_eq!(joined + late, met.len() as u64);
            }
            join.settle();
            let (sampled, joined, late, missing, waiting) = counts(&join);
            prop_assert_eq!((waiting, joined + late), (0, met.len() as u64));
            prop_assert_eq!(sampled, joined + late + missing);
        }
    }
}
