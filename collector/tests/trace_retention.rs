//! What the trace store keeps when not everything can stay, and what it counts.

mod spans;

use std::sync::Arc;

use collector::model::Span;
use collector::store::{Absence, Inserted, Listing, Order, TraceLimits, TraceStore};
use spans::{SECOND, child, failed, id, padded, resource, root, trace, with_event};

fn store(bytes: usize) -> TraceStore {
    TraceStore::new(TraceLimits { bytes, ..TraceLimits::default() })
}

fn insert(store: &TraceStore, span: Span, now_ns: u64) -> Inserted {
    store.insert(Arc::new(span), now_ns)
}

/// A plain trace of about a kibibyte that falls quiet at once.
fn plain(store: &TraceStore, number: u128) {
    let now_ns = number as u64 * SECOND;
    insert(store, padded(root(number, now_ns), 1_000), now_ns);
    store.take_quiet(now_ns + SECOND);
}

#[test]
fn a_span_is_kept_once() {
    let store = store(1 << 20);
    assert_eq!(insert(&store, root(1, 5), 0), Inserted::New);
    assert_eq!(insert(&store, root(1, 5), 0), Inserted::Duplicate);
    assert_eq!(insert(&store, failed(root(1, 7)), 0), Inserted::Duplicate, "the first one stays");
    for number in 2..200 {
        assert_eq!(insert(&store, child(1, number, 1, 5), 0), Inserted::New);
    }
    for number in 1..200 {
        assert_eq!(insert(&store, child(1, number, 1, 5), 0), Inserted::Duplicate);
    }
    assert_eq!(insert(&store, root(2, 5), 0), Inserted::New, "the same span id in another trace is another span");
    let stats = store.stats();
    assert_eq!((stats.spans_kept, stats.duplicate_spans, stats.traces_seen, stats.traces_kept), (200, 201, 2, 2));
    assert_eq!(store.summary(trace(1)).map(|summary| (summary.spans, summary.errors)), Some((199, 0)));
}

#[test]
fn a_trace_falls_quiet_once_per_burst() {
    let store = store(1 << 20);
    insert(&store, root(1, 5), 10 * SECOND);
    insert(&store, child(1, 2, 1, 5), 10 * SECOND + SECOND / 2);
    assert!(store.take_quiet(11 * SECOND).is_empty(), "the last span came half a second ago");
    let quiet = store.take_quiet(11 * SECOND + SECOND / 2);
    assert_eq!(quiet.len(), 1);
    assert!(quiet[0].is_first && quiet[0].summary.complete);
    assert_eq!(quiet[0].spans.len(), 2);
    assert!(store.take_quiet(60 * SECOND).is_empty());

    assert_eq!(insert(&store, child(1, 3, 1, 5), 61 * SECOND), Inserted::Late);
    assert_eq!(insert(&store, child(1, 4, 1, 5), 61 * SECOND), Inserted::New);
    assert!(store.summary(trace(1)).is_some_and(|summary| !summary.complete), "it is open again");
    let quiet = store.take_quiet(62 * SECOND);
    assert_eq!((quiet.len(), quiet[0].is_first, quiet[0].spans.len()), (1, false, 4));
    assert_eq!(store.stats().late_spans, 1);
}

#[test]
fn a_trace_without_a_root_is_waited_for_longer() {
    let store = store(1 << 20);
    insert(&store, child(1, 2, 1, 5), 0);
    assert!(store.take_quiet(4 * SECOND).is_empty());
    let quiet = store.take_quiet(5 * SECOND);
    assert!(quiet[0].summary.has_orphans && !quiet[0].summary.complete && !quiet[0].summary.has_root);
    assert_eq!(store.stats().orphan_traces, 1);
    insert(&store, root(1, 1), 60 * SECOND);
    let quiet = store.take_quiet(61 * SECOND);
    assert!(quiet[0].summary.complete && quiet[0].summary.root == id(1));
    assert_eq!(store.stats().orphan_traces, 0, "the parent came after all");
}

#[test]
fn the_budget_holds_and_the_oldest_plain_trace_goes_first() {
    let store = store(800_000);
    for number in 1..=5_000 {
        plain(&store, number);
        assert!(store.stats().bytes <= 800_000);
    }
    let stats = store.stats();
    assert!(stats.bytes > 700_000, "{}", stats.bytes);
    assert_eq!(stats.traces_seen, 5_000);
    assert_eq!(stats.traces_kept + stats.evicted_traces, 5_000);
    assert_eq!(stats.evicted_spans, stats.evicted_traces);
    assert!(store.get(trace(5_000)).is_some());
    assert!(store.get(trace(1)).is_none() && store.absence(trace(1)) == Some(Absence::Evicted));
    assert_eq!(insert(&store, child(1, 2, 1, 5), 6_000 * SECOND), Inserted::Evicted);
    assert_eq!(store.stats().dropped_spans, 1);
}

#[test]
fn failures_marks_and_slow_traces_outlive_plain_ones() {
    let store = store(2_000_000);
    for number in 1..=20_u128 {
        let now_ns = number as u64;
        insert(&store, failed(root(number, now_ns)), now_ns);
        insert(&store, with_event(root(100 + number, now_ns), "breaker.rejected"), now_ns);
    }
    for number in 1_000..1_200 {
        plain(&store, number);
    }
    let slow = Span { end_ns: 3_000 * SECOND, ..root(2_000, 2_000 * SECOND) };
    insert(&store, slow, 2_000 * SECOND);
    let quiet = store.take_quiet(2_001 * SECOND);
    assert!(quiet.iter().any(|quiet| quiet.summary.trace_id == trace(2_000) && quiet.summary.slow));
    for number in 3_000..8_000 {
        plain(&store, number);
    }
    for number in (1..=20).chain(101..=120).chain([2_000]) {
        assert!(store.get(trace(number)).is_some(), "trace {number}");
    }
    assert!(store.get(trace(1_100)).is_none());
    let found = store.list(&Listing { limit: 100, ..Listing::default() }, |view| {
        view.summary.marks.names().any(|mark| mark == "breaker")
    });
    assert_eq!(found.matched, 20);
}

#[test]
fn failures_do_not_crowd_out_everything_else() {
    let store = store(1_600_000);
    for number in 1..=4_000_u128 {
        let now_ns = number as u64 * SECOND;
        insert(&store, failed(padded(root(number, now_ns), 1_000)), now_ns);
        store.take_quiet(now_ns + SECOND);
    }
    for number in 5_000..5_100 {
        plain(&store, number);
    }
    let kept = (5_000..5_100).filter(|number| store.get(trace(*number)).is_some()).count();
    assert!(kept > 90, "{kept} of the newest 100 plain traces");
    assert!(store.stats().traces_kept > 500);
}

#[test]
fn a_noisy_service_leaves_the_others_their_newest() {
    let store = store(1_600_000);
    for number in 1..=40_u128 {
        insert(&store, Span { resource: resource("quiet-service"), ..root(number, number as u64) }, number as u64);
    }
    for number in 1_000..10_000 {
        plain(&store, number);
    }
    let kept = (1..=40).filter(|number| store.get(trace(*number)).is_some()).count();
    assert!((20..=40).contains(&kept), "{kept} of 40");
}

#[test]
fn a_pinned_trace_stays() {
    let store = TraceStore::new(TraceLimits { bytes: 400_000, pins: 1, ..TraceLimits::default() });
    plain(&store, 1);
    plain(&store, 2);
    assert!(store.pin(trace(1)) && store.pin(trace(1)));
    assert!(!store.pin(trace(2)), "one pin is the limit here");
    assert!(!store.pin(trace(99)), "it is not there");
    for number in 1_000..3_000 {
        plain(&store, number);
    }
    assert!(store.get(trace(1)).is_some() && store.get(trace(2)).is_none());
    store.unpin(trace(1));
    for number in 3_000..5_000 {
        plain(&store, number);
    }
    assert!(store.get(trace(1)).is_none());
}

#[test]
fn a_giant_trace_has_an_end() {
    let store = TraceStore::new(TraceLimits { spans_per_trace: 1_000, ..TraceLimits::default() });
    for number in 1..=1_500 {
        let expected = if number <= 1_000 { Inserted::New } else { Inserted::TraceFull };
        assert_eq!(insert(&store, child(1, number, number - 1, 5), 0), expected);
    }
    assert_eq!(store.stats().dropped_spans, 500);
    let quiet = store.take_quiet(SECOND * 10);
    assert!(!quiet[0].summary.complete && quiet[0].summary.dropped_spans == 500);

    let small = self::store(160_000);
    let outcomes: Vec<_> =
        (1..=100).map(|number| insert(&small, padded(child(1, number, number - 1, 5), 1_000), 0)).collect();
    assert!(outcomes.contains(&Inserted::TraceFull) && small.stats().bytes <= 10_000 + 1_500, "half a shard at most");
    assert_eq!(small.stats().evicted_traces, 0);
}

#[test]
fn open_traces_go_only_when_nothing_else_is_left() {
    let store = store(400_000);
    for number in 1..=2_000 {
        insert(&store, padded(root(number, 5), 1_000), number as u64);
        assert!(store.stats().bytes <= 400_000);
    }
    let stats = store.stats();
    assert!(stats.evicted_traces > 1_000 && store.get(trace(2_000)).is_some() && store.get(trace(1)).is_none());
    assert_eq!(store.take_quiet(100 * SECOND).len() as u64, stats.traces_kept);
}

#[test]
fn lists_are_ordered_filtered_and_bounded() {
    let store = store(1 << 20);
    for number in 1..=50_u64 {
        insert(
            &store,
            Span { end_ns: number * SECOND + (60 - number), ..root(u128::from(number), number * SECOND) },
            0,
        );
    }
    let newest = store.list(&Listing { limit: 3, ..Listing::default() }, |_| true);
    assert_eq!(newest.matched, 50);
    assert_eq!(newest.traces.iter().map(|summary| summary.start_ns / SECOND).collect::<Vec<_>>(), [50, 49, 48]);
    let slowest = store
        .list(&Listing { limit: 2, order: Order::Slowest, from_ns: 10 * SECOND, to_ns: 20 * SECOND }, |view| {
            view.spans.len() == 1
        });
    assert_eq!(slowest.matched, 10);
    assert_eq!(slowest.traces.iter().map(|summary| summary.start_ns / SECOND).collect::<Vec<_>>(), [10, 11]);
    assert_eq!(store.list(&Listing::default(), |_| false).matched, 0);
}
