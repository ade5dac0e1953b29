//! What the collector answers about the last ten seconds: the slowest requests, balance, breakers, traces.

use std::collections::{BTreeMap, HashMap};

use collector_api::console as wire;

use super::{BEGIN_S, Drill, FAULT_AT, RATE, Request, Shop, Tally};
use crate::model::data::SECOND_NS;

impl Shop {
    /// Where the slowest 1 % of the last ten seconds spent their time; exact.
    pub fn cohort(&self) -> wire::Cohort {
        let mut all: Vec<&Request> = self.recent.iter().flat_map(|(_, requests)| requests).collect();
        all.sort_by_key(|request| std::cmp::Reverse(request.total_us));
        let slowest = &all[..all.len() / 100];
        let mut segments: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
        for (service, instance, kind, us) in slowest.iter().flat_map(|request| &request.parts) {
            *segments.entry((service, instance, kind)).or_default() += us * 1_000;
        }
        let mut segments: Vec<wire::Segment> = segments
            .into_iter()
            .map(|((service, instance, kind), sum_ns)| wire::Segment {
                service: service.to_owned(),
                instance: instance.to_owned(),
                kind: kind.to_owned(),
                sum_ns,
                ..Default::default()
            })
            .collect();
        segments.sort_by_key(|segment| std::cmp::Reverse(segment.sum_ns));
        wire::Cohort {
            name: "p99-100".to_owned(),
            count: slowest.len() as u64,
            sum_ns: slowest.iter().map(|request| request.total_us * 1_000).sum(),
            from_us: slowest.last().map_or(0, |request| request.total_us),
            to_us: slowest.first().map_or(0, |request| request.total_us),
            segments,
        }
    }

    /// Balance of pay over the last ten seconds.
    pub fn balance(&self) -> wire::BalanceReply {
        let window = &self.tallies[self.tallies.len().saturating_sub(10)..];
        let slow = self.drill == Drill::SlowReplica && self.tallies.len() as u64 > FAULT_AT;
        let replicas = (0..3)
            .map(|at| {
                let is_slow = slow && at == 0;
                let ewma_ns = if is_slow { 198_000_000.0 } else { 14_000_000.0 + at as f64 * 400_000.0 };
                let inflight: f64 = if is_slow { 2.0 } else { 5.0 };
                let from = self.tallies.len().saturating_sub(60);
                wire::Replica {
                    instance: format!("pay-rpc/{}", at + 1),
                    picks: window.iter().map(|tally| tally.picks[at]).sum(),
                    forced: u64::from(is_slow) * 9,
                    regret_ns: u64::from(is_slow) * 5_200_000_000,
                    inflight,
                    ewma_ns,
                    success: 1_000.0,
                    load: (ewma_ns + 1.0).sqrt().floor() * (inflight + 1.0),
                    series: self.tallies[from..].iter().map(|tally| tally.picks[at]).collect(),
                    ..Default::default()
                }
            })
            .collect();
        wire::BalanceReply { services: vec![wire::BalancedService { service: "pay-rpc".to_owned(), replicas }] }
    }

    /// pay's client breaker and an idle one.
    pub fn breakers(&self) -> wire::BreakersReply {
        let window = &self.tallies[self.tallies.len().saturating_sub(10)..];
        let sum = |part: fn(&Tally) -> u64| window.iter().map(part).sum::<u64>();
        let (ok, failed, rejected) =
            (sum(|tally| tally.breaker.0), sum(|tally| tally.breaker.1), sum(|tally| tally.breaker.2));
        let from = self.tallies.len().saturating_sub(60);
        let breaker = |caller: &str, name: &str| wire::Breaker {
            place: "client".to_owned(),
            caller: caller.to_owned(),
            name: name.to_owned(),
            weight: 1.5,
            ..Default::default()
        };
        let pay = wire::Breaker {
            accepts: ok as f64,
            total: (ok + failed + rejected) as f64,
            ratio: self.ratio(),
            ok,
            failed,
            rejected,
            trips: u64::from(rejected > 0),
            series: self.tallies[from..].iter().map(|tally| tally.breaker.3).collect(),
            last_errors: if failed > 0 { HashMap::from([("UNAVAILABLE".to_owned(), failed)]) } else { HashMap::new() },
            exemplars: vec![vec![1; 16]],
            ..breaker("gateway", "pay-rpc mall.Pay/InitiatePayment")
        };
        let user = wire::Breaker {
            accepts: 4_000.0,
            total: 4_000.0,
            ok: 4_000,
            ..breaker("gateway", "user-rpc mall.User/GetUser")
        };
        wire::BreakersReply { breakers: vec![pay, user] }
    }

    /// The list of traces: some of the last second's requests.
    pub fn traces(&self) -> wire::ListTracesReply {
        let Some((at, requests)) = self.recent.last() else { return wire::ListTracesReply::default() };
        let traces = requests.iter().take(80).enumerate().map(|(number, request)| wire::TraceSummary {
            trace_id: vec![number as u8; 16],
            root_service: "loadgen".to_owned(),
            root_operation: "POST /api/order/create".to_owned(),
            start_unix_ns: (BEGIN_S + at) * SECOND_NS + number as u64 * 2_500_000,
            duration_ns: request.total_us * 1_000,
            spans: 23,
            errors: u32::from(request.failed) * 4,
            services: 5,
            complete: true,
            marks: if request.total_us > 200_000 { vec!["fault".to_owned()] } else { Vec::new() },
            ..Default::default()
        });
        let seen = self.tallies.len() as u64 * RATE;
        wire::ListTracesReply { traces: traces.collect(), seen, kept: 9_000, matched: 9_000, store: None }
    }
}
