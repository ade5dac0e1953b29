//! The service graph, whichever side of a call arrives first.

use collector::model::Kind;
use collector_api::sketch::Sketch;
use proptest::prelude::*;

use crate::stage::{MS, S, SpanText, Stage, span};

/// A call from the gateway to a replica of pay-rpc, which asks its database.
fn call(number: u64) -> [SpanText; 3] {
    let id = 10 * number + 1;
    [
        span("gateway", "mall.pay.Pay/InitiatePayment", Kind::Client, number, id, 0, 0..20 * MS)
            .with("rpc.system.name", "grpc"),
        span("pay-rpc/1", "mall.pay.Pay/InitiatePayment", Kind::Server, number, id + 1, id, 0..15 * MS),
        span("pay-rpc/1", "INSERT payments", Kind::Client, number, id + 2, id + 1, 0..5 * MS)
            .with("db.system.name", "sqlite")
            .with("db.namespace", "pay"),
    ]
}

proptest! {
    #[test]
    fn every_call_is_an_edge_in_any_order(order in Just((0..30_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let stage = Stage::new(1 << 20);
        let mut spans: Vec<Option<SpanText>> = (0..10).flat_map(call).map(Some).collect();
        for at in order {
            stage.send(spans[at].take());
        }
        stage.at(S);
        let edges = stage.hub.services(0, 10).edges;
        let told: Vec<_> = edges.iter().map(|edge| (edge.caller.as_str(), edge.callee.as_str(), edge.kind.as_str(), edge.calls)).collect();
        prop_assert_eq!(told, vec![("gateway", "pay-rpc", "rpc", 10), ("pay-rpc", "sqlite:pay", "db", 10)]);
        let latency = edges[0].latency.as_ref().map(Sketch::from).unwrap_or_default();
        prop_assert_eq!(latency.max_us(), 20_000, "as the caller saw it");
    }
}

#[test]
fn databases_and_caches_are_leaves_by_system_and_name() {
    let stage = Stage::new(1 << 20);
    let call = |id: u64, name: &str, system: &str| {
        span("pay-rpc/1", name, Kind::Client, 1, id, 1, 0..MS).with("db.system.name", system)
    };
    stage.send([
        span("pay-rpc/1", "mall.Pay/InitiatePayment", Kind::Server, 1, 1, 0, 0..9 * MS),
        call(2, "INSERT payments", "mariadb").with("db.namespace", "mall_pay"),
        call(3, "GET", "redis"),
        call(4, "XADD", "redis"),
    ]);
    stage.at(S);
    let edges = stage.hub.services(0, 10).edges;
    let told: Vec<_> = edges.iter().map(|edge| (edge.callee.as_str(), edge.kind.as_str(), edge.calls)).collect();
    assert_eq!(told, [("mariadb:mall_pay", "db", 1), ("redis", "db", 2)]);
}

#[test]
fn the_slowest_trace_of_an_operation_is_its_exemplar() {
    let stage = Stage::new(1 << 20);
    stage.send((1..=5_u64).map(|number| span("shop", "GET /", Kind::Server, number, number, 0, 0..number * MS)));
    stage.at(S);
    let operations = stage.hub.services(0, 10).operations;
    assert_eq!(operations.len(), 1);
    assert_eq!(operations[0].exemplar, crate::stage::trace_id(5).to_bytes().to_vec());
}
