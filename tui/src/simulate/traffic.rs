//! Requests of one second: where they go, how long they take, who refuses them.

use std::collections::BTreeMap;

use collector_api::sketch::Sketch;

use super::seconds::wire_second;
use super::{Drill, FAULT_AT, RATE, Request, Shop, Tally};

impl Shop {
    fn random(&mut self) -> f64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A latency with a tail: the median times something between a half and about six.
    fn latency(&mut self, median_us: f64) -> u64 {
        let tail = (1.0 - self.random()).powf(-0.28);
        (median_us * (0.5 + 0.5 * self.random()) * tail).max(50.0) as u64
    }

    fn in_force(second: u64) -> bool {
        second >= FAULT_AT
    }

    fn pick(&mut self, second: u64) -> usize {
        let weights = match (self.drill, Self::in_force(second)) {
            (Drill::SlowReplica, true) => [0.04, 0.49, 0.47],
            (Drill::FastFail, true) => [0.26, 0.48, 0.26],
            _ => [0.333, 0.334, 0.333],
        };
        let mut at = self.random();
        weights
            .iter()
            .position(|weight| {
                at -= weight;
                at <= 0.0
            })
            .unwrap_or(2)
    }

    fn pay(&mut self, second: u64, replica: usize) -> (u64, bool) {
        match (self.drill, Self::in_force(second), replica) {
            (Drill::SlowReplica, true, 0) => (200_000 + self.latency(140_000.0), false),
            (Drill::FastFail, true, 1) if self.random() < 0.5 => (400, true),
            (Drill::Brownout, true, _) if self.random() < 0.6 => (900, true),
            _ => (self.latency(5_000.0), false),
        }
    }

    /// go-zero's drop ratio over the last ten seconds.
    pub(super) fn ratio(&self) -> f64 {
        let from = self.tallies.len().saturating_sub(10);
        let (mut accepts, mut total) = (0.0, 0.0);
        for tally in &self.tallies[from..] {
            let (ok, failed, rejected, _) = tally.breaker;
            accepts += ok as f64;
            total += (ok + failed + rejected) as f64;
        }
        ((total - 5.0 - 1.5 * accepts) / (total + 1.0)).max(0.0)
    }

    fn is_refused(&mut self, second: u64, tally: &mut Tally) -> bool {
        if self.drill != Drill::Overload || !Self::in_force(second) {
            return false;
        }
        let at = self.random();
        tally.refused.0 += u64::from(at < 0.3);
        tally.refused.1 += u64::from((0.3..0.32).contains(&at));
        at < 0.32
    }

    pub(super) fn second(&mut self, at: u64) {
        let mut tally = Tally::default();
        let ratio = self.ratio();
        let mut cells: BTreeMap<(&str, String), (u64, u64, Sketch)> = BTreeMap::new();
        let (mut ok, mut failed) = (Sketch::new(), Sketch::new());
        let mut requests = Vec::new();
        for number in 0..RATE {
            let replica = (number % 3) as usize;
            let mut parts = vec![
                ("loadgen", String::new(), "client", 60),
                ("gateway", "gateway".to_owned(), "self", self.latency(900.0)),
            ];
            if self.is_refused(at, &mut tally) {
                let us = 180;
                let cell = cells.entry(("gateway", "gateway".to_owned())).or_default();
                cell.0 += 1;
                cell.1 += 1;
                cell.2.record_us(us);
                failed.record_us(us);
                tally.requests += 1;
                tally.failed += 1;
                let parts = vec![("gateway", "gateway".to_owned(), "limiter", us)];
                requests.push(Request { total_us: us, failed: true, parts });
                continue;
            }
            parts.push(("user-rpc", format!("user-rpc/{}", replica + 1), "self", self.latency(1_500.0)));
            parts.push(("order-rpc", format!("order-rpc/{}", 3 - replica), "self", self.latency(4_000.0)));
            parts.push(("gateway", String::new(), "network", 300));
            let is_rejected = self.random() < ratio;
            let mut is_failed = is_rejected;
            if is_rejected {
                tally.breaker.2 += 1;
            } else {
                let pay = self.pick(at);
                let (latency, fails) = self.pay(at, pay);
                tally.picks[pay] += 1;
                is_failed = fails;
                if fails {
                    tally.breaker.1 += 1;
                } else {
                    tally.breaker.0 += 1;
                }
                parts.push(("pay-rpc", format!("pay-rpc/{}", pay + 1), "self", latency));
            }
            let total_us: u64 = parts.iter().map(|(.., us)| us).sum();
            for (service, instance, kind, us) in &parts {
                if *kind == "self" {
                    let us = if *service == "gateway" { total_us - 360 } else { *us };
                    let fails = is_failed && (*service == "gateway" || *service == "pay-rpc");
                    let cell = cells.entry((service, instance.clone())).or_default();
                    cell.0 += 1;
                    cell.1 += u64::from(fails);
                    cell.2.record_us(us);
                }
            }
            if is_failed {
                failed.record_us(total_us);
            } else {
                ok.record_us(total_us);
            }
            tally.requests += 1;
            tally.failed += u64::from(is_failed);
            requests.push(Request { total_us, failed: is_failed, parts });
        }
        tally.breaker.3 = ratio;
        self.seconds.push(wire_second(at, &tally, cells, &ok, &failed, &requests));
        self.tallies.push(tally);
        self.recent.push((at, requests));
        if self.recent.len() > 10 {
            self.recent.remove(0);
        }
    }
}
