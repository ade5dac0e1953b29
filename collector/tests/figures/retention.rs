//! What is kept changes no figure.

use collector::hub::HubOptions;
use collector::model::Kind;
use collector::store::Keep;
use collector_api::console::{AttributionRequest, Delta, RunFinish, RunSettled, RunStart, ServicesReply};

use crate::stage::{MS, S, SpanText, Stage, T0, span};

/// An id as random as a real one in what the ratio looks at.
fn id(number: u64) -> u64 {
    (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A request of the load tool through gateway and payment; some fail, some are slow.
fn request(number: u64) -> Vec<SpanText> {
    let (trace, at) = (id(number), number * 20 * MS);
    let latency = if number.is_multiple_of(41) { 900 * MS } else { (10 + number % 7) * MS };
    let mut server = span("gateway", "POST /api/order/create", Kind::Server, trace, 2, 1, at + MS..at + latency - MS);
    if number.is_multiple_of(29) {
        server = server.failed("no");
    }
    vec![
        span("loadgen", "POST /api/order/create", Kind::Client, trace, 1, 0, at..at + latency)
            .with("mall.run.id", "r1")
            .with("mall.intended_unix_ns", (T0 + at) as i64)
            .with("mall.outcome", if number.is_multiple_of(29) { "downstream" } else { "ok" }),
        server,
        span("gateway", "pay.Pay/Create", Kind::Client, trace, 3, 2, at + 2 * MS..at + latency - 2 * MS),
        span("pay-rpc/1", "pay.Pay/Create", Kind::Server, trace, 4, 3, at + 3 * MS..at + latency - 3 * MS),
    ]
}

struct Seen {
    delta: Delta,
    services: ServicesReply,
    slowest: Vec<collector_api::console::Segment>,
    settled: RunSettled,
}

const REQUESTS: u64 = 300;

fn watch(ratio: f64) -> Seen {
    let stage = Stage::with(HubOptions { keep: Keep::new(ratio), ..HubOptions::default() });
    let _commands = stage.hub.run_start(&RunStart { run_id: "r1".into(), ..RunStart::default() });
    let mut late = Vec::new();
    for number in 0..REQUESTS {
        let mut spans = request(number);
        if number.is_multiple_of(10) {
            // An exporter that was slow: everything but the load tool's span comes three seconds later.
            late.extend(spans.drain(1..));
        }
        stage.send(spans);
        if number.is_multiple_of(25) {
            stage.at(number * 20 * MS + S);
        }
    }
    stage.at(9 * S);
    stage.send(late);
    stage.at(10 * S);
    let services = stage.hub.services(0, 60);
    let cohort = AttributionRequest { run_id: "r1".into(), slowest: 0.1, ..AttributionRequest::default() };
    let slowest = stage.hub.attribution(&cohort).and_then(|reply| reply.cohort).expect("a cohort").segments;
    stage.hub.run_finish("r1", &RunFinish { sampled: REQUESTS, settle_limit_ns: 30 * S, ..RunFinish::default() });
    stage.at(12 * S);
    let settled = stage.hub.run_settled("r1").expect("settled");
    Seen { delta: stage.hub.delta(0, 3_600), services, slowest, settled }
}

#[test]
fn keeping_nothing_changes_no_figure() {
    let (all, none) = (watch(1.0), watch(0.0));
    let join = none.settled.join.clone().expect("a join");
    assert_eq!((join.sampled, join.joined, join.missing, join.late), (REQUESTS, REQUESTS, 0, 0));
    assert_eq!(all.settled.join, none.settled.join);
    assert_eq!(all.settled.cohorts, none.settled.cohorts);
    assert_eq!(none.settled.cohorts.iter().map(|cohort| cohort.count).sum::<u64>(), REQUESTS);
    assert_eq!(all.slowest, none.slowest);
    assert_eq!(all.delta.seconds, none.delta.seconds);
    assert_eq!(all.services.edges, none.services.edges);
    let red = |services: &ServicesReply| {
        let operations = services.operations.iter().cloned();
        operations.map(|operation| (operation.requests, operation.errors, operation.latency)).collect::<Vec<_>>()
    };
    assert_eq!(red(&all.services), red(&none.services));
    assert_eq!(all.settled.spans_received, none.settled.spans_received);
    assert_eq!((none.settled.spans_stored, none.settled.spans_dropped), (4 * REQUESTS, 0));

    let (kept, some) = (all.delta.store.expect("figures"), none.delta.store.expect("figures"));
    assert_eq!((kept.traces_kept, kept.sampled_out_traces), (REQUESTS, 0));
    assert!(some.sampled_out_traces > REQUESTS / 2, "{some:?}");
    assert_eq!(some.traces_kept + some.sampled_out_traces, REQUESTS);
    assert_eq!(some.kept_by_reason.get("error"), kept.kept_by_reason.get("error"));
    assert_eq!(some.kept_by_reason.get("rest"), None);
}

#[test]
fn operations_refer_to_traces_that_are_kept() {
    let stage = Stage::with(HubOptions { keep: Keep::new(0.0), ..HubOptions::default() });
    for number in 0..REQUESTS {
        stage.send(request(number).into_iter().filter(|_| !number.is_multiple_of(29)));
        if number.is_multiple_of(10) {
            stage.at(number * 20 * MS + 500 * MS);
        }
    }
    stage.at(8 * S);
    let operations = stage.hub.services(0, 10).operations;
    assert_eq!(operations.len(), 4);
    for operation in operations {
        let trace = collector::model::TraceId::from_bytes(&operation.exemplar).expect("an exemplar");
        assert!(stage.hub.traces().holds(trace), "{}", operation.operation);
    }
    let store = stage.hub.store_stats();
    let cited = store.kept_by_reason.get("cited").copied().unwrap_or_default();
    assert!((1..40).contains(&cited), "few traces are referred to: {cited}");
}
