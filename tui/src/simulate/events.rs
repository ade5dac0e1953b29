//! What began and has not ended: a stage of the load, a fault, a breaker that drops, bursts of refusals.

use std::collections::HashMap;

use collector_api::console as wire;

use super::{BEGIN_S, Drill, FAULT_AT, Shop, Tally};
use crate::model::data::SECOND_NS;

impl Shop {
    pub(super) fn events(&self) -> Vec<wire::Event> {
        let mut events = vec![wire::Event {
            id: 1,
            kind: "load".to_owned(),
            phase: wire::EventPhase::Point.into(),
            begins_unix_ns: (BEGIN_S + 20) * SECOND_NS,
            detail: "stage 2/3, 400/s".to_owned(),
            ..Default::default()
        }];
        let (kind, target) = match self.drill {
            Drill::None => return events,
            Drill::SlowReplica => ("latency", "pay-rpc/1"),
            Drill::FastFail => ("error", "pay-rpc/2"),
            Drill::Brownout => ("error", "pay-rpc"),
            Drill::Overload => {
                events.extend(self.refusal_events());
                return events;
            }
        };
        let begin = (BEGIN_S + FAULT_AT) * SECOND_NS;
        if self.now_ns() >= begin {
            events.push(wire::Event {
                id: 2,
                kind: "fault".to_owned(),
                phase: wire::EventPhase::Open.into(),
                begins_unix_ns: begin,
                ends_unix_ns: begin + 60 * SECOND_NS,
                target: target.to_owned(),
                detail: format!("{kind} {target} for 60 s"),
                fields: HashMap::from([("kind".to_owned(), kind.to_owned())]),
                ..Default::default()
            });
        }
        let trip = self.tallies.iter().position(|tally| tally.breaker.3 > 0.0);
        if let Some(trip) = trip {
            events.push(wire::Event {
                id: 3,
                kind: "breaker".to_owned(),
                phase: wire::EventPhase::Open.into(),
                begins_unix_ns: (BEGIN_S + trip as u64) * SECOND_NS,
                target: "pay-rpc mall.Pay/InitiatePayment".to_owned(),
                detail: "client breaker of gateway on mall.Pay/InitiatePayment tripped".to_owned(),
                ..Default::default()
            });
        }
        events
    }

    /// Bursts of refusals that are going on.
    fn refusal_events(&self) -> Vec<wire::Event> {
        let sum = |part: fn(&Tally) -> u64| self.tallies.iter().map(part).sum::<u64>();
        let event = |id, kind: &str, target: &str, count: u64| wire::Event {
            id,
            kind: kind.to_owned(),
            phase: wire::EventPhase::Open.into(),
            begins_unix_ns: (BEGIN_S + FAULT_AT) * SECOND_NS,
            service: "gateway".to_owned(),
            target: target.to_owned(),
            detail: format!("{target} of gateway refused {count} requests"),
            ..Default::default()
        };
        let (shed, limited) = (sum(|tally| tally.refused.0), sum(|tally| tally.refused.1));
        if shed == 0 {
            return Vec::new();
        }
        vec![event(4, "shed", "shedder", shed), event(5, "limiter", "order-create", limited)]
    }
}
