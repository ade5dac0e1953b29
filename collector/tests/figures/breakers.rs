//! The breaker ledger and its episodes.

use collector::model::{Attribute, Kind, MetricPoint};
use collector_api::console::{Breaker, Event, EventPhase};

use crate::stage::{MS, S, SpanText, Stage, T0, attribute, counter, gauge, span};

const NAME: &str = "pay-rpc/mall.pay.Pay/InitiatePayment";

fn labels() -> Vec<Attribute> {
    vec![attribute("breaker.place", "client"), attribute("breaker.name", NAME)]
}

/// One export of a process that holds the breaker.
fn export(at: u64, ok: f64, failed: f64, rejected: f64, trips: f64, ratio: f64) -> Vec<MetricPoint> {
    let outcome = |outcome: &str| [labels(), vec![attribute("outcome", outcome)]].concat();
    vec![
        counter("gateway", "breaker.calls", outcome("ok"), at, ok),
        counter("gateway", "breaker.calls", outcome("failed"), at, failed),
        counter("gateway", "breaker.rejections", labels(), at, rejected),
        counter("gateway", "breaker.trips", labels(), at, trips),
        gauge("gateway", "breaker.ratio", labels(), at, ratio),
        gauge("gateway", "breaker.total", labels(), at, ok + failed + rejected),
        gauge("gateway", "breaker.accepts", labels(), at, ok),
        gauge("gateway", "breaker.weight", labels(), at, 1.5),
    ]
}

fn call(number: u64, at: u64) -> SpanText {
    span("gateway", "mall.pay.Pay/InitiatePayment", Kind::Client, number, number + 1, 0, at - MS..at)
        .with("rpc.system.name", "grpc")
}

fn tripping(number: u64, at: u64) -> SpanText {
    let state =
        [attribute("accepts", 40.0), attribute("total", 100.0), attribute("weight", 1.5), attribute("ratio", 0.35)];
    call(number, at).with("rpc.response.status_code", "UNAVAILABLE").failed("unavailable").event(
        "breaker.tripped",
        at,
        [labels(), state.to_vec()].concat(),
    )
}

fn ledger(stage: &Stage, window_s: u32) -> Breaker {
    let mut breakers = stage.hub.breakers(0, window_s).breakers;
    assert_eq!(breakers.len(), 1);
    breakers.remove(0)
}

fn episodes(stage: &Stage) -> Vec<Event> {
    stage.hub.event_list("breaker", 0, 0).events
}

#[test]
fn a_trip_is_one_episode_until_a_second_of_calm() {
    let stage = Stage::new(4 << 20);
    stage.send_points(export(S, 100.0, 0.0, 0.0, 0.0, -0.4));
    stage.send([tripping(1, 2 * S + 100 * MS)]);
    stage.send_points(export(3 * S, 140.0, 60.0, 20.0, 1.0, 0.3));
    stage.send_points(export(4 * S, 180.0, 90.0, 60.0, 1.0, 0.4));
    stage.at(4 * S);
    let open = episodes(&stage);
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].phase(), EventPhase::Open);
    assert_eq!(open[0].begins_unix_ns, T0 + 2 * S + 100 * MS, "the span knows the moment");
    assert_eq!(open[0].exemplars, vec![crate::stage::trace_id(1).to_bytes().to_vec()]);
    assert_eq!(open[0].fields.get("ratio").map(String::as_str), Some("0.4000"), "the worst ratio is told");

    let row = ledger(&stage, 10);
    assert_eq!((row.ok, row.failed, row.rejected, row.trips), (180, 90, 60, 1));
    assert_eq!(row.last_errors.get("UNAVAILABLE"), Some(&1));
    assert_eq!(row.series.len(), 60);
    assert!((row.series[59] - 0.4).abs() < 1e-9 && (row.series[58] - 0.3).abs() < 1e-9);
    assert_eq!(ledger(&stage, 1).rejected, 40, "only what the last second brought");

    for (at, ratio) in [(5, 0.0), (6, 0.1), (7, 0.0), (8, -0.1)] {
        stage.send_points(export(at * S, 200.0, 90.0, 60.0, 1.0, ratio));
    }
    stage.at(9 * S);
    let closed = episodes(&stage);
    assert_eq!(closed.len(), 1, "a flutter inside is no second episode");
    assert_eq!(closed[0].phase(), EventPhase::Closed);
    assert_eq!(closed[0].ends_unix_ns, T0 + 7 * S, "it ended where the calm began");
}

#[test]
fn a_trip_without_a_span_is_seen_by_its_counter() {
    let stage = Stage::new(1 << 20);
    stage.send_points(export(S, 0.0, 0.0, 0.0, 0.0, 0.0));
    stage.send_points(export(2 * S, 10.0, 50.0, 5.0, 1.0, 0.0));
    stage.at(2 * S);
    let open = episodes(&stage);
    assert_eq!((open.len(), open[0].begins_unix_ns), (1, T0 + 2 * S));
    // The exact moment may come later.
    stage.send([tripping(1, S + 400 * MS)]);
    assert_eq!(episodes(&stage)[0].begins_unix_ns, T0 + S + 400 * MS);
}

#[test]
fn counters_survive_a_restart_of_their_process() {
    let stage = Stage::new(1 << 20);
    stage.send_points(export(S, 100.0, 10.0, 7.0, 0.0, 0.0));
    let mut restarted = export(3 * S, 5.0, 1.0, 2.0, 0.0, 0.0);
    for point in &mut restarted {
        point.start_ns = T0 + 2 * S;
    }
    stage.send_points(restarted);
    stage.at(3 * S);
    let row = ledger(&stage, 10);
    assert_eq!((row.ok, row.failed, row.rejected), (105, 11, 9));
}

#[test]
fn lanes_and_ledger_count_the_same_calls() {
    let stage = Stage::new(1 << 20);
    for at in 1..=8_u64 {
        let calls = at as f64;
        stage.send_points(export(at * S, 30.0 * calls, 10.0 * calls, 5.0 * calls, 1.0, 0.1));
    }
    stage.at(8 * S);
    let row = ledger(&stage, 10);
    let cells: Vec<_> = stage.hub.delta(0, 0).seconds.into_iter().flat_map(|second| second.breakers).collect();
    let sum = |figure: fn(&collector_api::console::BreakerCell) -> u64| cells.iter().map(figure).sum::<u64>();
    assert_eq!(sum(|cell| cell.ok), row.ok);
    assert_eq!(sum(|cell| cell.failed), row.failed);
    assert_eq!(sum(|cell| cell.rejected), row.rejected);
    assert_eq!((row.ok, row.failed, row.rejected), (240, 80, 40));
}

#[test]
fn stock_go_zero_is_recognised_by_its_spans() {
    let stage = Stage::new(1 << 20);
    let rejected = |number: u64, at: u64| {
        span("order-api", "pay.Pay/Create", Kind::Client, number, number + 1, 0, at..at)
            .with("rpc.system.name", "grpc")
            .failed("circuit breaker is open")
    };
    stage.send([rejected(1, S), rejected(2, S + 300 * MS), rejected(3, 2 * S)]);
    stage.at(2 * S + 500 * MS);
    let row = ledger(&stage, 10);
    assert_eq!((row.place.as_str(), row.caller.as_str(), row.name.as_str()), ("client", "order-api", "pay.Pay/Create"));
    assert_eq!((row.rejected, row.trips), (3, 1));
    assert_eq!(episodes(&stage)[0].phase(), EventPhase::Open);
    stage.at(8 * S);
    assert_eq!(episodes(&stage)[0].phase(), EventPhase::Closed);
}

#[test]
fn a_message_that_a_process_with_breakers_of_its_own_passes_on_is_no_rejection() {
    let stage = Stage::new(1 << 20);
    stage.send_points(export(S, 10.0, 0.0, 4.0, 0.0, 0.0));
    let passed_on = span("gateway", "mall.order.Order/Create", Kind::Server, 3, 3, 0, S..S + MS)
        .with("rpc.system.name", "grpc")
        .failed("circuit breaker is open");
    stage.send([passed_on]);
    stage.at(2 * S);
    assert_eq!(stage.hub.breakers(0, 10).breakers.len(), 1);
}

#[test]
fn business_errors_are_no_errors_behind_a_breaker() {
    let stage = Stage::new(1 << 20);
    stage.send_points(export(S, 10.0, 1.0, 0.0, 0.0, 0.0));
    let failed = |number: u64, code: &str| call(number, S).with("rpc.response.status_code", code).failed("no");
    stage.send([failed(1, "NOT_FOUND"), failed(2, "UNAVAILABLE")]);
    stage.at(2 * S);
    let errors = ledger(&stage, 10).last_errors;
    assert_eq!(errors.into_iter().collect::<Vec<_>>(), [("UNAVAILABLE".to_owned(), 1)]);
}

#[test]
fn our_own_rejections_are_not_counted_from_spans_as_well() {
    let stage = Stage::new(1 << 20);
    stage.send_points(export(S, 10.0, 0.0, 4.0, 0.0, 0.0));
    let rejected = call(9, S).failed("circuit breaker is open").event("breaker.rejected", S, labels());
    stage.send([rejected]);
    stage.at(S);
    assert_eq!(ledger(&stage, 10).rejected, 4);
}
