//! A tiny shop, simulated second by second, whose figures all come from the same requests.
//!
//! Every request passes the gateway, then user, order and pay in turn, each on one of three replicas. Pay's replicas are
//! picked as P2C would: away from a slow one, towards one that fails fast. Pay's client breaker drops by go-zero's
//! formula over ten seconds. Nothing here draws; tests compare what the console draws with what happened here.

mod fixtures;

use std::collections::{BTreeMap, HashMap};

use collector_api::console as wire;
use collector_api::sketch::Sketch;

pub use fixtures::{hello, status, trace};

use crate::Launch;
use crate::model::Model;
use crate::model::data::SECOND_NS;
use crate::msg::{Answer, Msg};
use crate::update::update;

/// 2026-11-22 12:03:30 UTC: the first second.
pub const BEGIN_S: u64 = 1_795_349_010;

/// When the fault begins, seconds after the first.
pub const FAULT_AT: u64 = 50;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drill {
    /// Nothing.
    None,
    /// pay-rpc/1 answers slowly.
    SlowReplica,
    /// pay-rpc/2 fails half its calls at once.
    FastFail,
    /// Every pay replica fails 60 % of its calls.
    Brownout,
    /// The gateway sheds 30 % of its requests and a limit refuses a few.
    Overload,
}

/// What happened in one second, kept for tests.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Requests and failed ones.
    pub requests: u64,
    /// Failed requests.
    pub failed: u64,
    /// Picks of pay's replicas.
    pub picks: [u64; 3],
    /// pay's breaker: ok, failed, rejected, ratio.
    pub breaker: (u64, u64, u64, f64),
    /// Requests that the gateway's shedder and its limit refused.
    pub refused: (u64, u64),
}

struct Request {
    total_us: u64,
    failed: bool,
    parts: Vec<(&'static str, String, &'static str, u64)>,
}

/// The simulated shop.
pub struct Shop {
    drill: Drill,
    seed: u64,
    /// By second since the first.
    pub tallies: Vec<Tally>,
    seconds: Vec<wire::Second>,
    recent: Vec<(u64, Vec<Request>)>,
}

/// Requests a second.
const RATE: u64 = 400;

impl Shop {
    /// Lets a drill run for so many seconds.
    pub fn run(drill: Drill, seconds: u64) -> Self {
        let mut shop = Self { drill, seed: 7, tallies: Vec::new(), seconds: Vec::new(), recent: Vec::new() };
        (0..seconds).for_each(|second| shop.second(second));
        shop
    }

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
    fn ratio(&self) -> f64 {
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

    fn second(&mut self, at: u64) {
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

    /// The last second that is complete, in seconds since the epoch.
    pub fn head_s(&self) -> u64 {
        BEGIN_S + self.tallies.len() as u64 - 1
    }

    fn now_ns(&self) -> u64 {
        (self.head_s() + 1) * SECOND_NS + 600_000_000
    }

    /// Everything so far, as one delta.
    pub fn delta(&self) -> wire::Delta {
        let spans = self.tallies.len() as u64 * RATE * 9;
        let traces = self.tallies.len() as u64 * RATE;
        wire::Delta {
            version: self.tallies.len() as u64,
            now_unix_ns: self.now_ns(),
            seconds: self.seconds.clone(),
            events: self.events(),
            receiver: Some(wire::ReceiverStats { grpc_connections: 11, requests: 4_210, spans, ..Default::default() }),
            store: Some(wire::StoreStats {
                traces_seen: traces,
                traces_kept: traces.min(9_000),
                spans_kept: spans,
                ..Default::default()
            }),
            alerts: self.alerts(),
            runs: vec![self.load_run()],
            first_trace: None,
            coverage: Vec::new(),
        }
    }

    fn events(&self) -> Vec<wire::Event> {
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

    fn alerts(&self) -> Vec<wire::Alert> {
        let begin = (BEGIN_S + FAULT_AT + 2) * SECOND_NS;
        if self.drill == Drill::None || self.now_ns() < begin {
            return Vec::new();
        }
        let name = if self.drill == Drill::SlowReplica { "HighLatency" } else { "HighErrorRate" };
        vec![wire::Alert {
            name: name.to_owned(),
            state: wire::AlertState::Pending.into(),
            severity: "warning".to_owned(),
            active_unix_ns: begin,
            for_ns: 15 * SECOND_NS,
            value: 0.25,
            expression: "sum(rate(x[30s])) > 0.05".to_owned(),
            summary: "more requests than usual are slow".to_owned(),
            ..Default::default()
        }]
    }

    fn load_run(&self) -> wire::Run {
        let sent: u64 = self.tallies.iter().map(|tally| tally.requests).sum();
        wire::Run {
            run_id: "r-7f3a".to_owned(),
            scenario: "slow-replica".to_owned(),
            started_unix_ns: BEGIN_S * SECOND_NS,
            phase: "running".to_owned(),
            detail: "stage 2/3, 400/s".to_owned(),
            join: Some(wire::Join { sampled: sent, joined: sent - 401, late: 1, waiting: 400, ..Default::default() }),
            planned_ns: 180 * SECOND_NS,
            target_rate: RATE as f64,
            sent,
            failed: self.tallies.iter().map(|tally| tally.failed).sum(),
            ..Default::default()
        }
    }

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

    /// A console that heard all of it.
    pub fn model(&self) -> Model {
        let mut model = Model::new("127.0.0.1:4320", Launch::Up { can_stop: true });
        model.has_token = true;
        update(&mut model, Msg::Clock(self.now_ns()));
        update(&mut model, Msg::Connected(Box::new(hello())));
        update(&mut model, Msg::Status(Box::new(status())));
        update(&mut model, Msg::Delta(Box::new(self.delta())));
        for answer in [
            Answer::Attribution(Some(self.cohort())),
            Answer::Balance(self.balance()),
            Answer::Breakers(self.breakers()),
            Answer::Refusals(self.refusals()),
            Answer::Traces { generation: model.traces.generation, reply: self.traces() },
        ] {
            update(&mut model, Msg::Answer(Box::new(answer)));
        }
        model
    }
}

fn wire_second(
    at: u64,
    tally: &Tally,
    cells: BTreeMap<(&str, String), (u64, u64, Sketch)>,
    ok: &Sketch,
    failed: &Sketch,
    requests: &[Request],
) -> wire::Second {
    let services = cells
        .into_iter()
        .map(|((service, instance), (requests, errors, latency))| wire::ServiceCell {
            service: service.to_owned(),
            instance,
            requests,
            errors,
            latency: Some((&latency).into()),
            ..Default::default()
        })
        .collect();
    let balance = tally.picks.iter().enumerate().map(|(replica, picks)| wire::BalanceCell {
        service: "pay-rpc".to_owned(),
        instance: format!("pay-rpc/{}", replica + 1),
        picks: *picks,
        ..Default::default()
    });
    let (ran_ok, ran_failed, rejected, ratio) = tally.breaker;
    let breaker = wire::BreakerCell {
        place: "client".to_owned(),
        caller: "gateway".to_owned(),
        name: "pay-rpc mall.Pay/InitiatePayment".to_owned(),
        ok: ran_ok,
        failed: ran_failed,
        rejected,
        ratio,
    };
    let mut all = ok.clone();
    all.merge(failed);
    let mut ttfb = Sketch::new();
    for request in requests {
        ttfb.record_us(request.total_us * 9 / 10);
    }
    wire::Second {
        unix_s: BEGIN_S + at,
        services,
        entry_ok: Some(ok.into()),
        entry_failed: Some(failed.into()),
        run: Some(wire::RunCell {
            run_id: "r-7f3a".to_owned(),
            offered: RATE,
            started: RATE,
            requests: RATE,
            ok: tally.requests - tally.failed,
            failed: tally.failed,
            in_flight: 9,
            lag_p99_us: 180,
            intended: Some((&all).into()),
            service: Some((&all).into()),
            ttfb: Some((&ttfb).into()),
            outcomes: if tally.failed > 0 {
                HashMap::from([("downstream".to_owned(), tally.failed)])
            } else {
                HashMap::new()
            },
            ..Default::default()
        }),
        balance: balance.collect(),
        breakers: vec![breaker],
    }
}
