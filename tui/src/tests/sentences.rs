//! The sentence names what happened, when, and who.

use collector_api::console::EventPhase;

use crate::fmt;
use crate::model::Model;
use crate::msg::Msg;
use crate::simulate::{self, BEGIN_S, Drill, FAULT_AT, Shop};
use crate::update::update;
use crate::{Format, Launch, capture};

fn sentence(shop: &Shop) -> String {
    shop.model().live.sentence.text()
}

#[test]
fn a_slow_replica_is_named_with_its_share_and_its_fault() {
    let words = sentence(&Shop::run(Drill::SlowReplica, FAULT_AT + 8));
    let moment = fmt::clock(BEGIN_S + FAULT_AT);
    assert!(words.starts_with("p99 "), "{words}");
    assert!(words.contains(&format!("at {moment}, when fault 'latency pay-rpc/1' began (injected)")), "{words}");
    assert!(words.contains("of the slowest 1 % is pay-rpc/1"), "{words}");
    assert!(words.contains("pay-rpc/1 share 3"), "{words}");
}

#[test]
fn a_replica_that_fails_fast_is_named_with_its_share_above_the_fair_third() {
    let words = sentence(&Shop::run(Drill::FastFail, FAULT_AT + 8));
    assert!(words.starts_with("errors 0.0 -> "), "{words}");
    assert!(words.contains("pay-rpc/2 fails 5") && words.contains("no breaker trips"), "{words}");
    assert!(words.contains("(fair 33 %)"), "{words}");
}

#[test]
fn a_breaker_that_drops_is_named_with_its_place_and_its_rejections() {
    let shop = Shop::run(Drill::Brownout, FAULT_AT + 20);
    let words = sentence(&shop);
    let rejected: u64 = shop.tallies[shop.tallies.len() - 10..].iter().map(|tally| tally.breaker.2).sum();
    assert!(words.starts_with("client breaker pay-rpc mall.Pay/InitiatePayment throttles since "), "{words}");
    assert!(words.contains(&format!("{} of 4,000 rejected in 10 s", fmt::count(rejected))), "{words}");
    assert!(words.contains("when fault 'error pay-rpc' began (injected)"), "{words}");
}

#[test]
fn an_overload_is_told_by_who_refuses() {
    let shop = Shop::run(Drill::Overload, FAULT_AT + 12);
    let words = sentence(&shop);
    let shed: u64 = shop.tallies.iter().map(|tally| tally.refused.0).sum();
    assert!(words.starts_with("errors 0.0 -> "), "{words}");
    assert!(words.contains(&format!("shedder of gateway refused {shed} requests")), "{words}");
}

#[test]
fn calm_is_said_with_its_count() {
    let words = sentence(&Shop::run(Drill::None, 60));
    assert!(words.starts_with("steady: p99 ") && words.contains("0 errors, n=4,000"), "{words}");
}

fn uneven_calm(picks: impl Fn(u64) -> [u64; 3], fault: Option<&str>) -> String {
    let shop = Shop::run(Drill::None, 60);
    let mut delta = shop.delta();
    for second in &mut delta.seconds {
        let picks = picks(second.unix_s - BEGIN_S);
        second.balance.iter_mut().zip(picks).for_each(|(cell, picks)| cell.picks = picks);
    }
    delta.events.extend(fault.map(|target| collector_api::console::Event {
        id: 9,
        kind: "fault".to_owned(),
        phase: collector_api::console::EventPhase::Open.into(),
        begins_unix_ns: (BEGIN_S + 40) * 1_000_000_000,
        ends_unix_ns: (BEGIN_S + 90) * 1_000_000_000,
        target: target.to_owned(),
        ..Default::default()
    }));
    let mut model = Model::new("x", Launch::Watch);
    update(&mut model, Msg::Connected(Box::new(simulate::hello())));
    update(&mut model, Msg::Delta(Box::new(delta)));
    model.live.sentence.text()
}

#[test]
fn a_share_that_was_uneven_all_along_is_no_news() {
    let words = uneven_calm(|_| [4, 198, 198], None);
    assert!(words.starts_with("steady: ") && !words.contains("share"), "{words}");
}

#[test]
fn a_share_that_changed_is_told_with_what_it_was() {
    let words = uneven_calm(|second| if second < 50 { [100, 150, 150] } else { [4, 198, 198] }, None);
    assert!(words.starts_with("steady: ") && words.ends_with("; pay-rpc/1 share 25 -> 1 %"), "{words}");
}

#[test]
fn a_share_of_a_replica_that_a_fault_names_is_told() {
    let words = uneven_calm(|_| [4, 198, 198], Some("pay-rpc/1"));
    assert!(words.ends_with("; pay-rpc/1 share 1 % (fair 33 %)"), "{words}");
    let words = uneven_calm(|_| [4, 198, 198], Some("user-rpc/2"));
    assert!(!words.contains("share"), "{words}");
}

#[test]
fn injected_is_never_said_without_a_fault_event() {
    let shop = Shop::run(Drill::SlowReplica, FAULT_AT + 8);
    let mut delta = shop.delta();
    delta.events.clear();
    let mut model = Model::new("x", Launch::Watch);
    update(&mut model, Msg::Connected(Box::new(simulate::hello())));
    update(&mut model, Msg::Delta(Box::new(delta)));
    let words = model.live.sentence.text();
    assert!(words.starts_with("p99 ") && !words.contains("injected"), "{words}");
}

/// The sentence when calls became slow without a fault, while other things happened then.
fn slow_when(happened: &[(&str, &str)]) -> String {
    let shop = Shop::run(Drill::SlowReplica, FAULT_AT + 8);
    let mut delta = shop.delta();
    delta.events.clear();
    let event = |id: usize, second: u64, (kind, detail): (&str, &str)| collector_api::console::Event {
        id: id as u64 + 1,
        kind: kind.to_owned(),
        phase: collector_api::console::EventPhase::Point.into(),
        begins_unix_ns: (BEGIN_S + second) * 1_000_000_000,
        detail: detail.to_owned(),
        ..Default::default()
    };
    delta.events.push(event(0, 10, ("load", "stage 2/3, 400/s")));
    delta.events.extend(happened.iter().enumerate().map(|(at, happened)| event(at + 1, FAULT_AT, *happened)));
    let mut model = Model::new("x", Launch::Watch);
    update(&mut model, Msg::Connected(Box::new(simulate::hello())));
    update(&mut model, Msg::Delta(Box::new(delta)));
    model.live.sentence.text()
}

#[test]
fn a_load_is_a_cause_when_it_grew_and_never_when_it_shrank() {
    let grown = slow_when(&[("load", "stage 3/3, 1200/s")]);
    assert!(grown.starts_with("p99 ") && grown.contains("when the load became stage 3/3, 1200/s"), "{grown}");
    for detail in ["stage 3/3, 100/s", "stage 3/3, 400/s", "finishing", "paused"] {
        let words = slow_when(&[("load", detail)]);
        assert!(words.starts_with("p99 ") && !words.contains("when"), "{detail}: {words}");
    }
}

#[test]
fn a_process_that_started_anew_is_named_before_a_load_that_grew() {
    let words = slow_when(&[("restart", "pay-rpc/1 restarted"), ("load", "stage 3/3, 1200/s")]);
    assert!(words.contains("when pay-rpc/1 restarted") && !words.contains("load became"), "{words}");
}

#[test]
fn the_end_of_a_fault_is_a_recovery() {
    let slow = Shop::run(Drill::SlowReplica, FAULT_AT + 20);
    let calm = Shop::run(Drill::None, 20);
    let mut model = slow.model();
    let mut delta = calm.delta();
    let shift = FAULT_AT + 20;
    delta.now_unix_ns += shift * 1_000_000_000;
    delta.seconds.iter_mut().for_each(|second| second.unix_s += shift);
    delta.events.clear();
    let mut fault = slow.delta().events.remove(1);
    fault.phase = collector_api::console::EventPhase::Closed.into();
    fault.ends_unix_ns = (BEGIN_S + shift) * 1_000_000_000;
    delta.events.push(fault);
    update(&mut model, Msg::Delta(Box::new(delta)));
    let words = model.live.sentence.text();
    assert!(words.starts_with("recovered at "), "{words}");
    assert!(words.contains("after fault 'latency pay-rpc/1' ended"), "{words}");
}

#[test]
fn preparation_is_what_the_run_says() {
    let mut model = Shop::run(Drill::None, 5).model();
    model.live.runs[0].phase = "preparing".to_owned();
    model.live.runs[0].detail = "preparing 63/100 logins (not measured)".to_owned();
    model.live.resentence();
    assert_eq!(model.live.sentence.text(), "preparing 63/100 logins (not measured)");
}

#[test]
fn what_happens_while_a_run_prepares_is_not_compared() {
    let mut delta = Shop::run(Drill::None, 30).delta();
    for second in delta.seconds.iter_mut().take(8) {
        second.run = None;
        let logins: Vec<u32> = vec![500; 1];
        second.entry_ok = Some(collector_api::console::Sketch { index: logins, count: vec![2], ..Default::default() });
    }
    let mut model = Model::new("x", Launch::Watch);
    update(&mut model, Msg::Connected(Box::new(simulate::hello())));
    update(&mut model, Msg::Delta(Box::new(delta)));
    let words = model.live.sentence.text();
    assert!(words.starts_with("steady: "), "{words}");
}

#[test]
fn without_requests_nothing_fails_any_more() {
    let mut delta = Shop::run(Drill::FastFail, FAULT_AT + 8).delta();
    delta.now_unix_ns += 20_000_000_000;
    let mut model = Model::new("x", Launch::Watch);
    update(&mut model, Msg::Connected(Box::new(simulate::hello())));
    update(&mut model, Msg::Delta(Box::new(delta)));
    assert_eq!(model.live.sentence.text(), "quiet: no requests for 20 s");
}

fn drawn(model: &Model, size: (u16, u16)) -> String {
    capture::snapshot(model, size, Format::Text)
}

/// The brownout of a shop, whose database went away instead: at `since`, until `until` where that is known.
fn outage(drill: Drill, until: Option<u64>) -> Model {
    let shop = Shop::run(drill, FAULT_AT + 12);
    let mut delta = shop.delta();
    delta.events.retain(|event| event.kind != "fault");
    delta.events.push(collector_api::console::Event {
        id: 9,
        kind: "server".to_owned(),
        phase: if until.is_some() { EventPhase::Closed } else { EventPhase::Open }.into(),
        begins_unix_ns: (BEGIN_S + FAULT_AT) * 1_000_000_000,
        ends_unix_ns: until.unwrap_or(0) * 1_000_000_000,
        service: "mysql".to_owned(),
        target: "127.0.0.1:3306".to_owned(),
        detail: "mysql at 127.0.0.1:3306 does not answer: refused".to_owned(),
        ..Default::default()
    });
    let mut model = Model::new("x", Launch::Watch);
    update(&mut model, Msg::Connected(Box::new(simulate::hello())));
    update(&mut model, Msg::Delta(Box::new(delta)));
    model
}

#[test]
fn a_server_that_is_away_is_named_before_the_breakers_above_it() {
    let model = outage(Drill::Brownout, None);
    let words = model.live.sentence.text();
    let moment = fmt::clock(BEGIN_S + FAULT_AT);
    let expected = format!("mysql at 127.0.0.1:3306 does not answer: refused, since {moment}; ");
    assert!(words.starts_with(&expected) && words.ends_with(" of requests fail"), "{words}");
    for (width, height) in [(80, 24), (200, 60)] {
        let screen = drawn(&model, (width, height));
        let head = screen.lines().next().expect("a head");
        assert!(head.contains("mysql AWAY 1"), "{head}");
        assert!(screen.contains("mysql away"), "the lane says it too: {screen}");
    }
    let words = outage(Drill::None, None).live.sentence.text();
    assert!(words.ends_with("; no request fails"), "{words}");
}

#[test]
fn breakers_that_still_throttle_tell_of_the_server_that_is_back() {
    let model = outage(Drill::Brownout, Some(BEGIN_S + FAULT_AT + 7));
    let words = model.live.sentence.text();
    assert!(words.starts_with("client breaker "), "{words}");
    assert!(words.contains("when mysql at 127.0.0.1:3306 stopped answering"), "{words}");
    assert!(!drawn(&model, (200, 60)).contains("AWAY"));
}
