//! Load runs: join, cohorts and settlement.

use collector::model::Kind;
use collector_api::console::{AttributionRequest, RunFinish, RunStart, RunTick};
use proptest::prelude::*;

use crate::stage::{MS, S, SpanText, Stage, T0, attribute, counter, span};

fn start(run_id: &str) -> RunStart {
    RunStart { run_id: run_id.into(), scenario: "order-burst".into(), ..RunStart::default() }
}

/// A request of the load tool: its own span and the gateway's.
fn request(number: u64, at: u64, latency: u64) -> [SpanText; 2] {
    let id = 10 * number + 1;
    let intended = (T0 + at) as i64;
    [
        span("loadgen", "POST /api/order/create", Kind::Client, number, id, 0, at + MS..at + latency)
            .with("mall.run.id", "r1")
            .with("mall.intended_unix_ns", intended)
            .with("mall.outcome", "ok"),
        span("gateway", "POST /api/order/create", Kind::Server, number, id + 1, id, at + 2 * MS..at + latency - MS),
    ]
}

fn sampled(stage: &Stage, count: u64) {
    stage
        .hub
        .run_tick("r1", &RunTick { unix_s: T0 / S, sampled_total: count, sent_total: count, ..RunTick::default() });
}

#[test]
fn a_run_settles_once_every_request_met_its_trace_and_was_analysed() {
    let stage = Stage::new(8 << 20);
    let _commands = stage.hub.run_start(&start("r1"));
    for number in 0..100_u64 {
        stage.send(request(number, number * 10 * MS, if number < 99 { 20 * MS } else { 400 * MS }));
    }
    stage.at(S / 2);
    sampled(&stage, 100);
    stage.hub.run_finish("r1", &RunFinish { sampled: 100, settle_limit_ns: 10 * S, ..RunFinish::default() });
    assert!(stage.hub.run_settled("r1").is_none(), "the traces are not quiet yet");
    stage.at(4 * S);
    let settled = stage.hub.run_settled("r1").expect("settled");
    let join = settled.join.expect("a join");
    assert_eq!((join.sampled, join.joined, join.late, join.missing, join.waiting), (100, 100, 0, 0, 0));
    assert_eq!(settled.cohorts.iter().map(|cohort| cohort.count).sum::<u64>(), 100);
    let total: u64 = settled.cohorts.iter().map(|cohort| cohort.sum_ns).sum();
    assert_eq!(total, 99 * 20 * MS + 400 * MS, "from the intended start, to the nanosecond");
    for cohort in &settled.cohorts {
        assert_eq!(cohort.segments.iter().map(|segment| segment.sum_ns).sum::<u64>(), cohort.sum_ns);
    }
    assert_eq!(settled.spans_stored, 200);
    let runs = stage.hub.runs();
    assert_eq!(runs[0].phase, "done");
    let slowest = AttributionRequest { run_id: "r1".into(), slowest: 0.01, ..AttributionRequest::default() };
    let cohort = stage.hub.attribution(&slowest).and_then(|reply| reply.cohort).expect("a cohort");
    assert_eq!((cohort.count, cohort.sum_ns), (1, 400 * MS));
    let recent = AttributionRequest { slowest: 1.0, window_s: 60, ..AttributionRequest::default() };
    assert_eq!(stage.hub.attribution(&recent).and_then(|reply| reply.cohort).expect("a cohort").count, 100);
}

#[test]
fn missing_traces_are_told_with_why_after_the_limit() {
    let stage = Stage::new(1 << 20);
    let _commands = stage.hub.run_start(&start("r1"));
    let [client, _] = request(1, 0, 20 * MS);
    stage.send([client]);
    stage.send(request(2, 0, 20 * MS));
    stage.at(2 * S);
    stage.hub.run_finish("r1", &RunFinish { sampled: 3, settle_limit_ns: 5 * S, ..RunFinish::default() });
    stage.at(6 * S);
    assert!(stage.hub.run_settled("r1").is_none());
    stage.at(7 * S);
    let join = stage.hub.run_settled("r1").and_then(|settled| settled.join).expect("a join");
    assert_eq!((join.sampled, join.joined, join.missing), (3, 1, 2));
    assert_eq!(join.reasons.get("no server span"), Some(&1));
    assert_eq!(join.reasons.get("no client span"), Some(&1));
}

#[test]
fn spans_that_are_ahead_of_the_last_tick_do_not_make_more_sampled_than_sent() {
    let stage = Stage::new(1 << 20);
    let _commands = stage.hub.run_start(&start("r1"));
    sampled(&stage, 3);
    for number in 0..8 {
        stage.send(request(number, number * 10 * MS, 20 * MS));
    }
    stage.at(S / 2);
    let run = &stage.hub.runs()[0];
    let join = run.join.as_ref().expect("a join");
    assert_eq!((join.joined, join.sampled, run.sent), (8, 8, 8), "what is joined was sent");
    sampled(&stage, 12);
    let run = &stage.hub.runs()[0];
    assert_eq!((run.join.as_ref().map(|join| join.sampled), run.sent), (Some(12), 12));
}

#[test]
fn a_refused_connection_is_outside_the_join() {
    let stage = Stage::new(1 << 20);
    let _commands = stage.hub.run_start(&start("r1"));
    stage.send([span("loadgen", "POST /", Kind::Client, 1, 1, 0, 0..MS)
        .with("mall.run.id", "r1")
        .with("mall.outcome", "connect")
        .failed("connection refused")]);
    assert_eq!(stage.hub.run_join("r1").map(|join| join.sampled), Some(0));
}

#[test]
fn rejections_of_a_run_are_those_of_its_time() {
    let stage = Stage::new(1 << 20);
    let labels = || vec![attribute("breaker.place", "client"), attribute("breaker.name", "pay")];
    let rejections = |at: u64, count: f64| [counter("gateway", "breaker.rejections", labels(), at, count)];
    stage.send_points(rejections(S, 5.0));
    let _commands = stage.hub.run_start(&start("r1"));
    stage.send_points(rejections(2 * S, 12.0));
    stage.hub.run_finish("r1", &RunFinish { settle_limit_ns: 10 * S, ..RunFinish::default() });
    stage.send_points(rejections(3 * S, 14.0));
    stage.at(3 * S);
    let settled = stage.hub.run_settled("r1").expect("settled");
    assert_eq!(settled.rejections_by_place.get("client"), Some(&9));
}

#[test]
fn a_run_waits_for_the_last_counters_of_every_process() {
    let stage = Stage::new(1 << 20);
    let labels = || vec![attribute("breaker.place", "server"), attribute("breaker.name", "pay")];
    let export = |instance: &str, at: u64| counter(instance, "breaker.rejections", labels(), at, 1.0);
    let _commands = stage.hub.run_start(&start("r1"));
    stage.at(2 * S);
    stage.send_points([export("pay-rpc/1", 2 * S), export("pay-rpc/2", 2 * S)]);
    stage.at(2 * S + 100 * MS);
    stage.hub.run_finish("r1", &RunFinish { settle_limit_ns: 30 * S, ..RunFinish::default() });
    stage.send_points([export("pay-rpc/1", 3 * S)]);
    stage.at(3 * S);
    assert!(stage.hub.run_settled("r1").is_none(), "pay-rpc/2 has not exported since the last request");
    stage.at(13 * S);
    assert!(stage.hub.run_settled("r1").is_some(), "a process that is gone is not waited for");
}

#[test]
fn a_run_whose_stream_is_lost_ends_after_ten_seconds() {
    let stage = Stage::new(1 << 20);
    let _commands = stage.hub.run_start(&start("r1"));
    stage.hub.run_lost("r1");
    stage.at(9 * S);
    assert_eq!(stage.hub.runs()[0].ended_unix_ns, 0);
    let _again = stage.hub.run_start(&start("r1"));
    stage.at(30 * S);
    assert_eq!(stage.hub.runs()[0].ended_unix_ns, 0, "it came back");
    stage.hub.run_lost("r1");
    stage.at(41 * S);
    assert_eq!(stage.hub.runs()[0].phase, "done");
}

proptest! {
    /// Applying deltas from any version on gives what a fresh console sees.
    #[test]
    fn following_deltas_equals_reading_everything(
        steps in prop::collection::vec((0_u8..4, 0_u64..20), 1..60),
        resume_at in 0_usize..60,
    ) {
        let stage = Stage::new(4 << 20);
        let _commands = stage.hub.run_start(&start("r1"));
        let mut held = Held::default();
        for (number, (kind, at)) in (0_u64..).zip(&steps) {
            match kind {
                0 => stage.send(request(number, at * S / 2, 20 * MS)),
                1 => drop(stage.hub.point_event(collector::NewEvent { kind: "restart".into(), ..Default::default() })),
                2 => sampled(&stage, number),
                _ => stage.at(20 * S + number * 250 * MS),
            }
            if number as usize >= resume_at {
                held.follow(&stage);
            }
        }
        stage.at(60 * S);
        held.follow(&stage);
        let mut fresh = Held::default();
        fresh.follow(&stage);
        prop_assert_eq!(held, fresh);
    }
}

#[derive(Debug, Default, PartialEq)]
struct Held {
    version: u64,
    seconds: std::collections::BTreeMap<u64, collector_api::console::Second>,
    events: std::collections::BTreeMap<u64, collector_api::console::Event>,
    runs: Vec<collector_api::console::Run>,
    first_trace: Option<collector_api::console::TraceSummary>,
}

impl Held {
    fn follow(&mut self, stage: &Stage) {
        let delta = stage.hub.delta(self.version, 3_600);
        self.version = delta.version;
        self.seconds.extend(delta.seconds.into_iter().map(|second| (second.unix_s, second)));
        self.events.extend(delta.events.into_iter().map(|event| (event.id, event)));
        if !delta.runs.is_empty() {
            self.runs = delta.runs;
        }
        self.first_trace = delta.first_trace.or(self.first_trace.take());
    }
}
