//! Refusals of shedders and limits are told in bursts.

use collector::model::Kind;
use collector_api::console::EventPhase;

use crate::stage::{MS, S, SpanText, Stage, T0, attribute, span};

fn refused(number: u64, at: u64) -> SpanText {
    span("gateway", "POST /api/order/create", Kind::Server, number, number, 0, at..at + MS)
        .failed("too many connections")
        .event("limiter.reject", at, vec![attribute("limiter", "max_connections")])
}

#[test]
fn a_burst_is_one_event_with_its_count_and_traces() {
    let stage = Stage::new(1 << 20);
    stage.send((1..=20_u64).map(|number| refused(number, S + number * 10 * MS)));
    stage.at(2 * S);
    let told = stage.hub.event_list("limiter", 0, 0).events;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].phase(), EventPhase::Open);
    assert_eq!(told[0].begins_unix_ns, T0 + S + 10 * MS);
    assert_eq!(told[0].detail, "max_connections of gateway refused 20 requests");
    assert_eq!(told[0].exemplars.len(), 8);
    stage.at(5 * S);
    assert_eq!(stage.hub.event_list("limiter", 0, 0).events[0].phase(), EventPhase::Closed);
    stage.send([refused(30, 6 * S)]);
    stage.at(6 * S);
    assert_eq!(stage.hub.event_list("limiter", 0, 0).events.len(), 2, "a later burst is its own event");
}

#[test]
fn two_limits_of_one_route_refuse_in_bursts_of_their_own() {
    let stage = Stage::new(1 << 20);
    let refused = |number: u64, per: &str| {
        let limit = vec![attribute("limiter", "POST /api/user/login"), attribute("key", per)];
        span("gateway", "POST /api/user/login", Kind::Server, number, number, 0, S..S + MS)
            .failed("too many requests")
            .event("limiter.reject", S + number * MS, limit)
    };
    stage.send([refused(1, "route"), refused(2, "user"), refused(3, "user")]);
    stage.at(2 * S);
    let mut told: Vec<_> = stage.hub.event_list("limiter", 0, 0).events;
    told.sort_by_key(|event| event.begins_unix_ns);
    let told: Vec<_> = told.iter().map(|event| (event.fields["per"].as_str(), event.detail.as_str())).collect();
    assert_eq!(
        told,
        [
            ("route", "POST /api/user/login per route of gateway refused 1 requests"),
            ("user", "POST /api/user/login per user of gateway refused 2 requests"),
        ]
    );
}
