//! RED figures count every span once, whatever becomes of it.

use std::collections::BTreeMap;

use collector::model::Kind;
use collector_api::console::Second;
use collector_api::sketch::Sketch;

use crate::stage::{MS, S, Stage, span};

fn requests(seconds: &[Second]) -> BTreeMap<String, (u64, u64)> {
    let mut sums = BTreeMap::new();
    for cell in seconds.iter().flat_map(|second| &second.services) {
        let sum: &mut (u64, u64) = sums.entry(cell.instance.clone()).or_default();
        sum.0 += cell.requests;
        sum.1 += cell.errors;
        let latency = Sketch::from(cell.latency.as_ref().expect("a latency"));
        assert_eq!(latency.count(), cell.requests, "every request has a latency");
    }
    sums
}

#[test]
fn red_is_exact_while_the_store_evicts() {
    let stage = Stage::new(256 << 10);
    let (mut all, mut failures) = (0, 0);
    for number in 0..4_000_u64 {
        let at = number * MS;
        let mut root =
            span("gateway", "POST /api/order/create", Kind::Server, number, 2 * number + 1, 0, at..at + 5 * MS);
        if number.is_multiple_of(7) {
            root = root.failed("no");
            failures += 1;
        }
        stage.send([root]);
        all += 1;
        if number.is_multiple_of(500) {
            stage.at(at);
        }
    }
    stage.at(5 * S);
    let delta = stage.hub.delta(0, 0);
    let store = delta.store.expect("store figures");
    assert!(store.evicted_traces > 0, "the store was under pressure");
    assert_eq!(requests(&delta.seconds).get("gateway"), Some(&(all, failures)));
    let operations = stage.hub.services(0, 10).operations;
    assert_eq!(operations.iter().map(|operation| operation.requests).sum::<u64>(), all);
    assert_eq!(operations.iter().map(|operation| operation.errors).sum::<u64>(), failures);
}

#[test]
fn a_span_that_is_sent_again_counts_once() {
    let stage = Stage::new(1 << 20);
    for _ in 0..3 {
        stage.send([span("gateway", "GET /", Kind::Server, 1, 1, 0, 0..MS)]);
    }
    stage.at(S);
    let delta = stage.hub.delta(0, 0);
    assert_eq!(requests(&delta.seconds).get("gateway"), Some(&(1, 0)));
    assert_eq!(delta.store.expect("store figures").duplicate_spans, 2);
}

#[test]
fn a_broken_clock_counts_in_the_second_of_arrival() {
    let stage = Stage::new(1 << 20);
    stage.at(10 * S);
    stage.send([span("gateway", "GET /", Kind::Server, 1, 1, 0, 900 * S..901 * S)]);
    stage.at(11 * S);
    let delta = stage.hub.delta(0, 0);
    let seconds: Vec<u64> = delta.seconds.iter().map(|second| second.unix_s - crate::stage::T0 / S).collect();
    assert_eq!(seconds, [10]);
}

#[test]
fn entry_latency_runs_from_the_intended_start() {
    let stage = Stage::new(1 << 20);
    let intended = (crate::stage::T0 + S) as i64;
    let request = |number: u64, outcome: &str| {
        span("loadgen", "POST /api/order/create", Kind::Client, number, number, 0, S + 40 * MS..S + 100 * MS)
            .with("mall.run.id", "r1")
            .with("mall.intended_unix_ns", intended)
            .with("mall.outcome", outcome)
    };
    stage.send([request(1, "ok"), request(2, "timeout")]);
    // A root of its own while a load runs, such as a payment's callback, is background.
    stage.send([span("pay-rpc/1", "callback", Kind::Internal, 9, 9, 0, S..S + MS)]);
    stage.at(2 * S);
    let delta = stage.hub.delta(0, 0);
    let second = delta.seconds.first().expect("a second");
    let count = |sketch: &Option<collector_api::console::Sketch>| {
        let sketch = sketch.as_ref().map(Sketch::from).unwrap_or_default();
        (sketch.count(), sketch.max_us())
    };
    assert_eq!(count(&second.entry_ok), (1, 100_000));
    assert_eq!(count(&second.entry_failed), (1, 100_000));
}

#[test]
fn without_a_load_tool_the_roots_of_traces_are_the_entry() {
    let stage = Stage::new(1 << 20);
    stage.send([
        span("shop", "GET /", Kind::Server, 1, 1, 0, 0..30 * MS),
        span("shop", "SELECT users", Kind::Client, 1, 2, 1, 0..20 * MS).with("db.system.name", "mysql"),
        span("shop", "SELECT outbox", Kind::Client, 2, 3, 0, 0..20 * MS).with("db.system.name", "mysql"),
    ]);
    stage.at(S);
    let delta = stage.hub.delta(0, 0);
    let entry = delta.seconds.first().and_then(|second| second.entry_ok.clone()).expect("an entry");
    assert_eq!(entry.count.iter().sum::<u64>(), 1);
    assert_eq!(entry.max_us, 30_000);
}

#[test]
fn instances_and_operations_beyond_the_bounds_are_counted_together() {
    let stage = Stage::new(4 << 20);
    for number in 0..2_600_u64 {
        let instance = format!("shop/{number}");
        stage.send([span(&instance, &format!("GET /{number}"), Kind::Server, number, number + 1, 0, 0..MS)]);
    }
    stage.at(S);
    let delta = stage.hub.delta(0, 0);
    let requests = requests(&delta.seconds);
    assert_eq!(requests.len(), 513, "512 instances and the rest");
    assert_eq!(requests.get("__other__"), Some(&(2_600 - 512, 0)));
    let operations = stage.hub.services(0, 10).operations;
    assert_eq!(operations.len(), 2_001);
    assert_eq!(operations.iter().map(|operation| operation.requests).sum::<u64>(), 2_600);
    assert_eq!(delta.store.expect("store figures").overflowed_names, (2_600 - 512) + (2_600 - 2_000));
}
