//! Scenario files: the shipped ones, and mistakes with their place and mend.

use std::time::Duration;

use loadgen::Scenario;
use loadgen::scenario::{TimedFault, load_shipped, shipped};

const VALID: &str = r#"name = "t"
[arrival]
kind = "constant"
rate = 10
for = "10s"
[data]
user = { kind = "pool", size = 10 }
[[flow]]
name = "f"
  [[flow.step]]
  name = "create"
  request = "POST /a"
  headers = { X-User = "{{user.id}}" }
[[gate]]
expr = "p99(latency, step=\"create\") < 250ms"
"#;

/// What a user reads after one replacement in a valid file.
fn mistake(from: &str, to: &str) -> String {
    assert!(VALID.contains(from), "{from}");
    Scenario::parse("t.toml", &VALID.replacen(from, to, 1)).expect_err(to).to_string()
}

#[test]
fn the_shipped_scenarios_say_what_they_are() {
    let names: Vec<&str> = shipped().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["browse", "fast-fail-replica", "order-burst", "pay-brownout", "slow-replica"]);
    for name in names {
        let scenario = load_shipped(name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(scenario.name, name);
        assert!(!scenario.summary.is_empty() && !scenario.watch.is_empty() && !scenario.gates.is_empty(), "{name}");
        assert!(scenario.length() <= Duration::from_secs(90), "{name}");
        // What holds from the first to the last second is how the shop is in this drill, not what happens to it.
        let happens = |fault: &&TimedFault| !fault.at.is_zero();
        for fault in scenario.faults.iter().filter(happens) {
            assert!(fault.at + fault.lasts < scenario.length(), "{name} leaves no time to recover");
        }
    }
}

#[test]
fn order_burst_offers_at_least_200_orders_a_second_for_20_s() {
    let scenario = load_shipped("order-burst").unwrap();
    let weights: u32 = scenario.flows.iter().map(|flow| flow.weight).sum();
    let orders = scenario.flows.iter().find(|flow| flow.name == "place-order").unwrap();
    let share = f64::from(orders.weight) / f64::from(weights);
    assert!(scenario.arrival.highest_rate() * share >= 200.0);
}

#[test]
fn a_typo_has_its_line_field_and_mend() {
    assert_eq!(
        mistake("rate = 10", "rat = 10"),
        "t.toml:4:1: field `rat`: there is no such field; fields here are kind, rate, for, stages, users, max_in_flight; did you mean `rate`?"
    );
    assert_eq!(
        mistake("kind = \"constant\"", "kind = \"constnat\""),
        "t.toml:3:8: field `kind`: `constnat` is not known; known are constant, stages, poisson, users; did you mean `constant`?"
    );
    assert_eq!(
        mistake("{{user.id}}", "{{usr.id}}"),
        "t.toml:13:27: field `X-User`: `{{usr.id}}`: [data] has no `usr`; did you mean `user`?"
    );
    assert_eq!(
        mistake("{{user.id}}", "{{token}}"),
        "t.toml:13:27: field `X-User`: `{{token}}`: no earlier step saves `token`"
    );
    assert_eq!(
        mistake("step=\\\"create\\\"", "step=\\\"crate\\\""),
        "t.toml:15:8: field `expr`: `crate` is not known; known are create; did you mean `create`?"
    );
    assert_eq!(
        mistake("p99(latency, step=\\\"create\\\") < 250ms", "unexpeced == 0"),
        "t.toml:15:9: field `expr`: no measure is called `unexpeced`; known are p50, p90, p99, p999, max, mean, count, rejections, error_rate, unexpected, failed, requests, join_rate, achieved_rate; did you mean `unexpected`?"
    );
}

#[test]
fn values_that_make_no_sense_are_refused() {
    let cases = [
        (
            "for = \"10s\"",
            "for = \"10\"",
            "t.toml:5:7: field `for`: `10` is no length of time: write 250ms, 10s or 1m30s",
        ),
        ("rate = 10", "rate = -1", "t.toml:4:8: field `rate`: must be 0 to 100000 flow starts per second"),
        ("POST /a", "POST a", "t.toml:12:13: field `request`: `POST a` is no request: write `POST /api/order/create`"),
        (
            "POST /a",
            "PSOT /a",
            "t.toml:12:13: field `request`: `PSOT` is no method: use one of GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS",
        ),
        ("size = 10", "size = 0", "t.toml:7:32: field `size`: must be 1 to 1000000"),
        ("for = \"10s\"", "for = \"10s\"\nstages = []", "an arrival of kind `constant` has no `stages`"),
    ];
    for (from, to, expected) in cases {
        let read = mistake(from, to);
        assert!(read.ends_with(expected), "{to}: {read}");
    }
}

#[test]
fn a_name_that_is_not_shipped_gets_the_nearest() {
    let error = load_shipped("order-brust").unwrap_err().to_string();
    assert!(error.starts_with("no scenario is called `order-brust`; shipped are browse, "), "{error}");
    assert!(error.ends_with("; did you mean `order-burst`?"), "{error}");
}

#[test]
fn scaling_and_cutting_change_the_schedule_alone() {
    let mut scenario = load_shipped("order-burst").unwrap();
    scenario.scale_to(200.0);
    assert!((scenario.arrival.highest_rate() - 200.0).abs() < 1e-9);
    scenario.cut(Duration::from_secs(15));
    assert_eq!(scenario.length(), Duration::from_secs(15));
    assert_eq!(scenario.uncut, Some(Duration::from_secs(41)));
    scenario.cut(Duration::from_secs(10));
    assert_eq!(scenario.uncut, Some(Duration::from_secs(41)), "the length that the file gave it");
    let mut whole = load_shipped("order-burst").unwrap();
    whole.cut(Duration::from_mins(1));
    assert_eq!(whole.uncut, None, "nothing was taken away");
    let mut drill = load_shipped("pay-brownout").unwrap();
    drill.cut(Duration::from_secs(5));
    assert!(drill.faults.is_empty(), "a fault after the end is none");
}

#[test]
fn the_document_lists_every_gate_and_its_example_is_valid() {
    let document = include_str!("../../docs/scenarios.md");
    for metric in loadgen::gate::METRICS {
        assert!(document.contains(&format!("| `{}` | {} |", metric.form, metric.meaning)), "{}", metric.form);
    }
    let example = document.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    Scenario::parse("docs/scenarios.md", example).unwrap_or_else(|error| panic!("{error}"));
}
