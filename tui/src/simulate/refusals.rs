//! What protects the shop's processes: shedders and limits.

use collector_api::console as wire;

use super::{Drill, FAULT_AT, Shop, Tally};

impl Shop {
    /// Shedders of every process, and the gateway's limits.
    pub fn refusals(&self) -> wire::RefusalsReply {
        let window = &self.tallies[self.tallies.len().saturating_sub(10)..];
        let minute = &self.tallies[self.tallies.len().saturating_sub(60)..];
        let sum = |part: fn(&Tally) -> u64| window.iter().map(part).sum::<u64>();
        let all = |part: fn(&Tally) -> u64| self.tallies.iter().map(part).sum::<u64>();
        let is_overloaded = self.drill == Drill::Overload && self.tallies.len() as u64 > FAULT_AT;
        let gateway = wire::Shedder {
            service: "gateway".to_owned(),
            instance: "gateway".to_owned(),
            cpu: if is_overloaded { 943.0 } else { 310.0 },
            cpu_threshold: 900.0,
            flying: if is_overloaded { 61.0 } else { 7.0 },
            avg_flying: if is_overloaded { 58.2 } else { 6.4 },
            limit: if is_overloaded { 48.0 } else { 120.0 },
            passes: sum(|tally| tally.requests - tally.refused.0 - tally.refused.1),
            drops: sum(|tally| tally.refused.0),
            drops_total: all(|tally| tally.refused.0),
            series: minute.iter().map(|tally| tally.refused.0).collect(),
            place: "http".to_owned(),
        };
        let priority = wire::Shedder {
            flying: 2.0,
            avg_flying: 1.7,
            passes: 480,
            drops: 0,
            drops_total: 0,
            series: vec![0; 60],
            place: "http-priority".to_owned(),
            ..gateway.clone()
        };
        let rpc = ["user-rpc", "order-rpc", "pay-rpc"].into_iter().flat_map(|service| {
            (1..=3_u32).map(move |number| wire::Shedder {
                service: service.to_owned(),
                instance: format!("{service}/{number}"),
                cpu: 120.0 + f64::from(number) * 14.0,
                cpu_threshold: 900.0,
                flying: f64::from(number),
                avg_flying: 1.8,
                limit: 64.0,
                passes: 1_333,
                series: vec![0; 60],
                ..Default::default()
            })
        });
        let limit = |name: &str, per: &str, passes| wire::Limit {
            service: "gateway".to_owned(),
            instance: "gateway".to_owned(),
            name: name.to_owned(),
            per: per.to_owned(),
            passes,
            series: vec![0; 60],
            ..Default::default()
        };
        let create = wire::Limit {
            rejections: sum(|tally| tally.refused.1),
            rejections_total: all(|tally| tally.refused.1),
            series: minute.iter().map(|tally| tally.refused.1).collect(),
            ..limit("order-create", "user", 3_200)
        };
        wire::RefusalsReply {
            shedders: [gateway, priority].into_iter().chain(rpc).collect(),
            limits: vec![limit("max_connections", "process", 4_000), create, limit("user-login", "route", 12)],
        }
    }
}
