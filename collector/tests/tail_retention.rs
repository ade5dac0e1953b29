//! Which traces stay when a ratio of them shall: the rules, when they are applied, and what they count.

mod spans;

use std::sync::Arc;

use collector::model::{Attribute, Kind, Link, Span, Value};
use collector::store::{Absence, Inserted, Keep, PATIENCE_NS, Reason, SLOW_NS, TraceLimits, TraceStore};
use proptest::prelude::*;
use spans::{SECOND, child, failed, root, trace, with_event};

fn store(ratio: f64) -> TraceStore {
    TraceStore::new(TraceLimits { keep: Keep::new(ratio), ..TraceLimits::default() })
}

fn with(mut span: Span, key: &str, value: Value) -> Span {
    span.attributes.push(Attribute { key: Arc::from(key), value });
    span
}

/// Sends the spans of trace `number` at its second and lets it fall quiet.
fn settle(store: &TraceStore, spans: impl IntoIterator<Item = Span>) -> usize {
    let mut at = 0;
    for span in spans {
        at = at.max(span.start_ns);
        store.insert(Arc::new(span), at);
    }
    store.take_quiet(at + SECOND).len()
}

fn reason(store: &TraceStore, number: u128) -> Option<Reason> {
    store.summary(trace(number)).and_then(|summary| summary.reason)
}

#[test]
fn every_reason_outlives_a_ratio_of_zero() {
    let store = store(0.0);
    let asks = |value: f64| with(root(7, SECOND), "sampling.priority", Value::Float(value));
    let cases: [(u128, Vec<Span>, Option<Reason>); 13] = [
        (1, vec![root(1, SECOND)], None),
        (2, vec![root(2, SECOND), failed(child(2, 2, 1, SECOND))], Some(Reason::Error)),
        (3, vec![with_event(root(3, SECOND), "shed.drop")], Some(Reason::Event)),
        (4, vec![Span { end_ns: SECOND + SLOW_NS, ..root(4, SECOND) }], Some(Reason::Slow)),
        (5, vec![root(5, SECOND), with(child(5, 2, 1, SECOND), "payment.id", Value::Int(9))], Some(Reason::Payment)),
        (6, vec![root(6, SECOND), with(child(6, 2, 1, SECOND), "user.vip", Value::Bool(true))], Some(Reason::Vip)),
        (7, vec![asks(1.0)], Some(Reason::Asked)),
        (8, vec![with_event(root(8, SECOND), "limiter.reject")], Some(Reason::Event)),
        (9, vec![with_event(root(9, SECOND), "breaker.tripped")], Some(Reason::Event)),
        (10, vec![with_event(root(10, SECOND), "fault.injected")], Some(Reason::Event)),
        (11, vec![with_event(root(11, SECOND), "p2c.pick")], None),
        (12, vec![with(root(12, SECOND), "user.vip", Value::Bool(false))], None),
        (13, vec![Span { trace_id: trace(13), ..asks(0.0) }], None),
    ];
    for (number, spans, expected) in cases {
        assert_eq!(settle(&store, spans), 1, "every trace is handed to analysis, kept or not");
        assert_eq!(reason(&store, number), expected, "trace {number}");
        assert_eq!(store.holds(trace(number)), expected.is_some(), "trace {number}");
    }
    let stats = store.stats();
    assert_eq!(
        (stats.traces_seen, stats.traces_kept, stats.sampled_out_traces, stats.sampled_out_spans),
        (13, 9, 4, 4)
    );
    assert_eq!(stats.kept_by_reason.values().sum::<u64>(), 9);
    assert_eq!((stats.evicted_traces, stats.dropped_spans), (0, 0), "what the ratio drops is not lost");
    assert_eq!(stats.kept_by_reason.get("event"), Some(&4));
}

#[test]
fn a_trace_slower_than_the_99th_percentile_of_its_root_stays() {
    let store = store(0.0);
    for number in 1..=400_u128 {
        settle(&store, [root(number, number as u64 * SECOND)]);
    }
    let slow = root(500, 500 * SECOND);
    settle(&store, [Span { end_ns: slow.end_ns + SECOND / 100, ..slow }]);
    assert_eq!(reason(&store, 500), Some(Reason::Slow), "11 ms where others take one");
    let other = Span { name: Arc::from("GET /report"), ..root(501, 501 * SECOND) };
    settle(&store, [Span { end_ns: other.end_ns + SECOND / 100, ..other }]);
    assert!(!store.holds(trace(501)), "nobody knows what is slow for an operation that was never seen");
}

#[test]
fn late_spans_follow_the_decision() {
    let store = store(0.0);
    settle(&store, [root(1, SECOND)]);
    assert_eq!(store.absence(trace(1)), Some(Absence::SampledOut));
    let late = failed(child(1, 2, 1, SECOND));
    assert_eq!(store.insert(Arc::new(late), 5 * SECOND), Inserted::SampledOut);
    assert!(store.take_quiet(30 * SECOND).is_empty(), "it does not begin the trace anew");

    settle(&store, [failed(root(2, SECOND))]);
    assert_eq!(store.insert(Arc::new(child(2, 2, 1, SECOND)), 40 * SECOND), Inserted::Late);
    assert_eq!(store.take_quiet(41 * SECOND).len(), 1);
    assert_eq!(store.summary(trace(2)).map(|summary| (summary.spans, summary.reason)), Some((2, Some(Reason::Error))));
    let stats = store.stats();
    assert_eq!((stats.sampled_out_traces, stats.sampled_out_spans, stats.late_spans), (1, 2, 2));
    assert_eq!(stats.kept_by_reason.get("error"), Some(&1), "decided once");
}

#[test]
fn a_trace_that_misses_something_is_waited_for() {
    let store = store(0.0);
    let call = Span { kind: Kind::Client, ..root(1, SECOND) };
    assert_eq!(settle(&store, [call]), 1);
    let orphan = child(2, 2, 1, SECOND);
    store.insert(Arc::new(orphan), SECOND);
    assert_eq!(store.take_quiet(6 * SECOND).len(), 1);
    assert!(store.holds(trace(1)) && store.holds(trace(2)), "neither is whole, so neither is decided on");

    store.insert(Arc::new(failed(root(2, SECOND))), 7 * SECOND);
    assert_eq!(store.take_quiet(8 * SECOND).len(), 1);
    assert_eq!(reason(&store, 2), Some(Reason::Error), "the root came, and with it the reason");
    store.take_quiet(SECOND + PATIENCE_NS - 1);
    assert!(store.holds(trace(1)));
    store.take_quiet(SECOND + PATIENCE_NS);
    assert!(!store.holds(trace(1)), "the other side never came");
    assert_eq!(store.stats().sampled_out_traces, 1);
}

#[test]
fn a_poll_that_waits_is_neither_slow_nor_waited_for() {
    let store = store(0.0);
    let poll = Span { kind: Kind::Client, end_ns: 6 * SECOND, ..root(1, SECOND) };
    store.insert(Arc::new(with(poll, "db.system.name", Value::Text(Arc::from("redis")))), 6 * SECOND);
    store.take_quiet(7 * SECOND);
    assert_eq!(store.absence(trace(1)), Some(Absence::SampledOut));
}

#[test]
fn what_figures_refer_to_stays() {
    let store = store(0.0);
    for number in 1..=3 {
        store.insert(Arc::new(root(number, SECOND)), SECOND);
    }
    store.cite(trace(1));
    assert!(store.pin(trace(2)));
    store.take_quiet(2 * SECOND);
    let reasons = [1, 2, 3].map(|number| reason(&store, number));
    assert_eq!(reasons, [Some(Reason::Cited), Some(Reason::Cited), None]);
    store.cite(trace(3));
    assert!(!store.holds(trace(3)), "too late");
}

#[test]
fn a_consumer_whose_trace_begins_with_a_link_is_whole() {
    let store = store(0.0);
    let link = Link { trace_id: trace(99), span_id: spans::id(7), attributes: Vec::new() };
    let consumer = Span { kind: Kind::Consumer, links: vec![link], ..root(1, SECOND) };
    let call = with(child(1, 2, 1, SECOND), "db.system.name", Value::Text(Arc::from("mariadb")));
    store.insert(Arc::new(consumer), SECOND);
    store.insert(Arc::new(call), SECOND);
    let quiet = store.take_quiet(2 * SECOND);
    assert!(quiet[0].summary.complete && !quiet[0].summary.has_orphans);
    assert_eq!((store.stats().orphan_traces, store.stats().sampled_out_traces), (0, 1), "decided at once");
    let forest = collector::analysis::forest(&quiet[0].spans);
    assert!(forest.warnings.is_empty(), "{:?}", forest.warnings);
    assert!(forest.rows.iter().all(|row| !row.orphan));
}

proptest! {
    /// Two collectors that get the same spans in any order keep the same traces.
    #[test]
    fn two_collectors_agree(
        numbers in prop::collection::hash_set(1_u128.., 1..60),
        ratio in 0.0..=1.0_f64,
        failures in any::<u64>(),
    ) {
        let spans = |number: u128| {
            let root = root(number, SECOND);
            let is_failed = failures >> (number % 64) & 1 == 1;
            [if is_failed { failed(root) } else { root }, child(number, 2, 1, SECOND)]
        };
        let (here, there) = (store(ratio), store(ratio));
        for number in &numbers {
            for span in spans(*number) {
                here.insert(Arc::new(span), SECOND);
            }
        }
        let mut backwards: Vec<_> = numbers.iter().copied().collect();
        backwards.sort_unstable();
        for number in backwards.into_iter().rev() {
            for span in spans(number).into_iter().rev() {
                there.insert(Arc::new(span), SECOND);
            }
        }
        here.take_quiet(2 * SECOND);
        there.take_quiet(2 * SECOND);
        for number in &numbers {
            prop_assert_eq!(reason(&here, *number), reason(&there, *number));
        }
        let (a, b) = (here.stats(), there.stats());
        prop_assert_eq!(&a, &b);
        prop_assert_eq!(a.kept_by_reason.values().sum::<u64>() + a.sampled_out_traces, numbers.len() as u64);
        prop_assert_eq!(a.spans_kept + a.sampled_out_spans, 2 * numbers.len() as u64);
    }
}
