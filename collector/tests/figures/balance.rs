//! The balance ledger: shares, regret and the callers' figures.

use collector::model::{Kind, MetricPoint};
use collector_api::console::Replica;

use crate::stage::{MS, S, SpanText, Stage, attribute, counter, gauge, span};

const ADDRESSES: [(&str, &str); 3] =
    [("127.0.0.1:41", "pay-rpc/1"), ("127.0.0.1:42", "pay-rpc/2"), ("127.0.0.1:43", "pay-rpc/3")];

fn pick(number: u64, chosen: usize, other: usize, other_ewma_ns: i64, latency_ns: u64) -> SpanText {
    let at = number * 10 * MS;
    let attributes = vec![
        attribute("a.target", ADDRESSES[other].0),
        attribute("a.ewma_ns", other_ewma_ns),
        attribute("b.target", ADDRESSES[chosen].0),
        attribute("b.ewma_ns", 1_i64),
        attribute("chosen", ADDRESSES[chosen].0),
        attribute("forced", number.is_multiple_of(10)),
    ];
    span("gateway", "mall.pay.Pay/InitiatePayment", Kind::Client, number, number + 1, 0, at..at + latency_ns)
        .event("p2c.pick", at, attributes)
}

fn stage() -> Stage {
    let stage = Stage::new(4 << 20);
    for (address, instance) in ADDRESSES {
        stage.hub.add_instance_address(address, instance);
    }
    stage
}

fn replicas(stage: &Stage) -> Vec<Replica> {
    let services = stage.hub.balance(0, 10).services;
    assert_eq!(services.len(), 1);
    assert_eq!(services[0].service, "pay-rpc");
    services[0].replicas.clone()
}

#[test]
fn shares_and_regret_come_from_the_picks_themselves() {
    let stage = stage();
    for number in 0..90_u64 {
        let (chosen, other) = match number % 9 {
            0 => (0, 1),
            1..=4 => (1, 2),
            _ => (2, 0),
        };
        let latency = if chosen == 0 { 50 * MS } else { 5 * MS };
        stage.send([pick(number, chosen, other, 8 * MS as i64, latency)]);
    }
    stage.at(S);
    let replicas = replicas(&stage);
    let picks: Vec<u64> = replicas.iter().map(|replica| replica.picks).collect();
    assert_eq!(picks, [10, 40, 40]);
    assert_eq!(replicas[0].regret_ns, 10 * 42 * MS, "50 ms where the other promised 8 ms, ten times");
    assert_eq!(replicas[1].regret_ns, 0);
    assert_eq!(replicas.iter().map(|replica| replica.forced).sum::<u64>(), 9);
    for replica in &replicas {
        assert_eq!(replica.series.len(), 60);
        assert_eq!(replica.series.iter().sum::<u64>(), replica.picks);
    }
    let cells = stage.hub.delta(0, 0).seconds;
    let by_second: u64 = cells.iter().flat_map(|second| &second.balance).map(|cell| cell.picks).sum();
    assert_eq!(by_second, 90, "the lanes and the ledger count the same picks");
}

fn view(caller: &str, at: u64, picks: f64, inflight: f64, ewma: f64) -> Vec<MetricPoint> {
    view_of("pay-rpc/1", caller, at, picks, inflight, ewma)
}

fn view_of(replica: &str, caller: &str, at: u64, picks: f64, inflight: f64, ewma: f64) -> Vec<MetricPoint> {
    let labels = || vec![attribute("p2c.service", "pay-rpc"), attribute("p2c.instance", replica)];
    let picked = [labels(), vec![attribute("forced", false)]].concat();
    vec![
        counter(caller, "p2c.picks", picked, at, picks),
        gauge(caller, "p2c.inflight", labels(), at, inflight),
        gauge(caller, "p2c.ewma", labels(), at, ewma),
        gauge(caller, "p2c.success", labels(), at, 1_000.0),
    ]
}

#[test]
fn callers_figures_are_summed_or_weighted_by_their_picks() {
    let stage = stage();
    stage.send_points(view("gateway", S, 300.0, 2.0, 10_000.0));
    stage.send_points(view("order-rpc/1", S, 100.0, 1.0, 50_000.0));
    stage.at(S);
    let replica = replicas(&stage).remove(0);
    assert!((replica.inflight - 3.0).abs() < 1e-9);
    assert!((replica.ewma_ns - 20_000.0).abs() < 1e-6, "three quarters of the picks are the gateway's");
    assert!((replica.success - 1_000.0).abs() < 1e-6);
    assert_eq!(replica.address, "127.0.0.1:41");
    stage.at(30 * S);
    assert!(stage.hub.balance(0, 10).services.is_empty(), "callers that fell silent have no opinion");
}

#[test]
fn a_caller_that_knows_an_address_alone_speaks_of_the_replica_there() {
    let stage = Stage::new(4 << 20);
    stage.send_points(view_of(ADDRESSES[0].0, "gateway", S, 300.0, 2.0, 10_000.0));
    stage.at(S);
    assert_eq!(replicas(&stage)[0].instance, ADDRESSES[0].0, "nobody knows better yet");
    stage.hub.add_instance_address(ADDRESSES[0].0, ADDRESSES[0].1);
    stage.send([pick(1, 0, 1, 0, MS)]);
    stage.at(S);
    let replicas = replicas(&stage);
    assert_eq!(replicas.len(), 1, "the figures and the picks are of one replica");
    assert_eq!((replicas[0].instance.as_str(), replicas[0].picks), ("pay-rpc/1", 1));
    assert!((replicas[0].inflight - 2.0).abs() < 1e-9);
}

#[test]
fn an_address_that_nobody_owns_stands_for_itself() {
    let stage = Stage::new(1 << 20);
    stage.send([pick(1, 0, 1, 0, MS)]);
    stage.at(S);
    let services = stage.hub.balance(0, 10).services;
    assert_eq!(services[0].service, "127.0.0.1:41");
}
