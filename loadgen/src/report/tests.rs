//! The shape of `run.json` and the words of the readable report.

use std::collections::BTreeMap;

use collector_api::console::{Cohort, Event, Segment};
use serde_json::Value;

use super::*;
use crate::outcome::{Answer, judge};
use crate::record::{Recorder, Times};
use crate::scenario::Expect;

fn totals() -> Totals {
    let recorder = Recorder::new(["create".to_owned(), "detail".to_owned()]);
    let expect = Expect { allow_reasons: vec!["breaker".into()], ..Expect::default() };
    let body = serde_json::json!({ "reason": "breaker", "place": "client" });
    let refused = Answer::Response { status: 503, body: Some(body) };
    let fine = Answer::Response { status: 200, body: None };
    for n in 0..98_u64 {
        let times = Times { intended_us: 10_000 + n, service_us: 8_000, ttfb_us: Some(7_000) };
        recorder.request((n % 2) as usize, &judge(&fine, &expect), true, times);
    }
    for answer in [&refused, &Answer::Timeout, &Answer::Unsent] {
        let times = Times { intended_us: 2_000_000, service_us: 1_000_000, ttfb_us: None };
        recorder.request(0, &judge(answer, &expect), true, times);
    }
    recorder.started(Some(900));
    recorder.totals()
}

fn report(settled: Option<RunSettled>) -> Report {
    let facts = Facts {
        scenario: "order-burst".into(),
        summary: "steady orders".into(),
        target: "http://127.0.0.1:8888".into(),
        seed: 7,
        started_unix_ns: 1_000_000_000,
        duration: Duration::from_secs(10),
        cut: None,
        totals: totals(),
        offered: 101,
        started: 101,
        limited_because: None,
        cpu_s: 0.5,
        host: HostShare::default(),
        stack: None,
        settled,
        spans_acknowledged: 100,
        spans_lost: 0,
        faults: Vec::new(),
    };
    let gates = ["unexpected == 0", "join_rate >= 99%", "p99(latency) < 3s"].map(|expr| Gate::parse(expr).unwrap());
    Report::new("r1".into(), "try".into(), facts, gates.into())
}

fn settled() -> RunSettled {
    let segments = [("self", 600_333), ("network", 399_667)].map(|(kind, sum_ns)| Segment {
        service: "pay-rpc".into(),
        kind: kind.into(),
        sum_ns,
        ..Segment::default()
    });
    RunSettled {
        join: Some(Join { sampled: 100, joined: 99, missing: 1, ..Join::default() }),
        settle_ns: 1_500_000_000,
        cohorts: vec![Cohort {
            name: "p0-50".into(),
            count: 1,
            sum_ns: 1_000_000,
            segments: segments.into(),
            ..Cohort::default()
        }],
        events: vec![Event {
            kind: "breaker".into(),
            begins_unix_ns: 3_000_000_000,
            ends_unix_ns: 5_500_000_000,
            service: "gateway".into(),
            detail: "tripped".into(),
            ..Event::default()
        }]
        .into_iter()
        .chain([("", 6), ("pay-rpc", 7)].map(|(service, second)| Event {
            kind: "alert".into(),
            begins_unix_ns: second * 1_000_000_000,
            ends_unix_ns: 9_000_000_000,
            service: service.into(),
            target: "HighErrorRate".into(),
            detail: "HighErrorRate resolved after 2.00 s; was: 88.89 % fail".into(),
            ..Event::default()
        }))
        .collect(),
        rejections_by_place: [("client".to_owned(), 1)].into(),
        caveats: vec!["user-rpc sends 10 % of its spans".to_owned()],
        ..RunSettled::default()
    }
}

/// Paths of all fields, lists taken by their first element.
fn shape(value: &Value, at: &str, paths: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| shape(value, &format!("{at}.{key}"), paths)),
        Value::Array(items) => items.iter().take(1).for_each(|item| shape(item, &format!("{at}[]"), paths)),
        _ => paths.push(at.trim_start_matches('.').to_owned()),
    }
}

#[test]
fn run_json_keeps_the_fields_of_its_schema() {
    let json = report(Some(settled())).to_json();
    let mut paths = Vec::new();
    shape(&json, "", &mut paths);
    let promised = [
        "schema",
        "run_id",
        "scenario",
        "policy",
        "seed",
        "started_unix_ns",
        "duration_s",
        "requests.sent",
        "requests.ok",
        "requests.failed",
        "requests.unexpected",
        "requests.by_outcome.ok",
        "requests.rejected_by_place.client",
        "join.sent",
        "join.sampled",
        "join.joined",
        "join.missing",
        "join.late",
        "join.rate",
        "join.settle_s",
        "latency_us.intended.p50",
        "latency_us.intended.p90",
        "latency_us.intended.p99",
        "latency_us.intended.p999",
        "latency_us.intended.max",
        "latency_us.intended.mean",
        "latency_us.intended.count",
        "latency_us.service.p99",
        "latency_us.ttfb.p99",
        "steps[].name",
        "steps[].requests",
        "steps[].latency_us.intended.p99",
        "offered_rate",
        "achieved_rate",
        "generator.lag_p99_us",
        "generator.cpu_s",
        "generator.limited",
        "host.cpu_share.loadgen",
        "host.cpu_share.collector",
        "host.cpu_share.console",
        "host.cpu_share.shop",
        "host.steal",
        "attribution[].cohort",
        "attribution[].count",
        "attribution[].mean_us",
        "attribution[].segments[].service",
        "attribution[].segments[].operation",
        "attribution[].segments[].instance",
        "attribution[].segments[].kind",
        "attribution[].segments[].share",
        "attribution[].segments[].us",
        "events[].t_ns",
        "events[].kind",
        "events[].service",
        "events[].target",
        "events[].detail",
        "gates[].expr",
        "gates[].observed",
        "gates[].ok",
        "gates[].exemplar_trace_id",
        "spans.received",
        "spans.stored",
        "spans.dropped",
        "spans.orphan_traces",
    ];
    for path in promised {
        assert!(paths.iter().any(|known| known == path), "{path} is missing");
    }
    assert!(json["findings"].is_array() && json["processes"].is_array());
    assert_eq!(json["caveats"], serde_json::json!(["user-rpc sends 10 % of its spans"]));
}

#[test]
fn figures_agree_with_each_other() {
    let json = report(Some(settled())).to_json();
    let requests = &json["requests"];
    assert_eq!((&requests["sent"], &requests["ok"], &requests["failed"]), (&100.into(), &98.into(), &2.into()));
    assert_eq!((&requests["unsent"], &requests["unexpected"]), (&1.into(), &2.into()));
    let outcomes: BTreeMap<String, u64> = serde_json::from_value(requests["by_outcome"].clone()).unwrap();
    assert_eq!(outcomes, [("breaker/client".into(), 1), ("ok".into(), 98), ("timeout".into(), 1)].into());
    assert_eq!(json["join"]["rate"], 0.99);
    let segments = json["attribution"][0]["segments"].as_array().unwrap();
    let sum: u64 = segments.iter().map(|segment| segment["us"].as_u64().unwrap()).sum();
    assert_eq!((sum, &json["attribution"][0]["mean_us"]), (1_000, &1_000.into()));
    assert_eq!(json["gates"][0]["ok"], false);
    assert_eq!(json["gates"][1]["ok"], true);
}

#[test]
fn the_readable_report_says_what_matters() {
    let text = report(Some(settled())).to_text();
    for line in [
        "order-burst against http://127.0.0.1:8888: run r1 (try), 10.0 s, seed 7",
        "requests   100 sent (10.0/s), 98 ok, 2 failed, 2 unexpected",
        "           1 connections refused: never sent, outside the join",
        "join       99 joined of 100 sampled of 100 sent (99.000 %), 0 late, 1 missing",
        "breakers   1 rejections at place client seen by the client, 1 in the ledger",
        "           not limited: it kept the schedule",
        "note       user-rpc sends 10 % of its spans",
        "      2.0 s  breaker  gateway tripped for 2.5 s",
        "      5.0 s  alert    HighErrorRate resolved after 2.00 s; was: 88.89 % fail",
        "      6.0 s  alert    pay-rpc HighErrorRate resolved after 2.00 s; was: 88.89 % fail",
        "  FAIL  unexpected == 0                              observed 2",
        "  ok    join_rate >= 99%                             observed 99%",
    ] {
        assert!(text.lines().any(|written| written == line), "{line}\nis not in\n{text}");
    }
    let alone = report(None).to_text();
    assert!(alone.contains("join       unknown: no collector was asked"));
    assert!(alone.contains("FAIL  join_rate >= 99%                             observed not measured"));
}

#[test]
fn a_cut_schedule_says_what_it_was_cut_from() {
    let mut report = report(None);
    assert!(report.to_json()["cut"].is_null());
    report.facts.cut = Some(Cut { at: Duration::from_secs(10), of: Duration::from_secs(41) });
    assert!(report.to_text().lines().any(|line| line == "cut at 10 s of 41 s: steady orders"), "{}", report.to_text());
    assert_eq!(report.to_json()["cut"], serde_json::json!({ "at_s": 10.0, "of_s": 41.0 }));
    report.facts.summary.clear();
    assert!(report.to_text().lines().any(|line| line == "cut at 10 s of 41 s"), "{}", report.to_text());
}

#[test]
fn a_late_generator_is_limited() {
    let recorder = Recorder::new([]);
    recorder.started(Some(4_000));
    assert_eq!(limited(&recorder.totals(), 100, 99), None);
    assert!(limited(&recorder.totals(), 100, 97).is_some_and(|why| why.contains("97.0 %")));
    for _ in 0..100 {
        recorder.started(Some(8_000));
    }
    assert!(limited(&recorder.totals(), 101, 101).is_some_and(|why| why.contains("lateness")));
}
