//! A summary tells of a set of spans, whatever their order was.

mod spans;

use std::sync::Arc;

use collector::model::{Span, SpanId, Status};
use collector::store::{Summary, TraceLimits, TraceStore};
use proptest::prelude::*;
use spans::{SECOND, id, resource, root, trace, with_event};

fn any_span() -> impl Strategy<Value = Span> {
    let identity = (1_u128..4, 1_u64..40, 0_u64..40);
    let times = (prop_oneof![Just(0), 1_u64..50, Just(u64::MAX)], prop_oneof![Just(0), 1_u64..90, Just(u64::MAX)]);
    (identity, times, any::<(bool, bool)>(), 0_usize..3).prop_map(
        |((trace, number, parent), (start_ns, end_ns), (has_failed, is_marked), service)| {
            let span = Span {
                span_id: id(number),
                parent_id: SpanId::from_u64(parent),
                end_ns,
                start_ns,
                name: Arc::from(format!("operation {number}")),
                status: if has_failed { Status::Error } else { Status::Unset },
                resource: resource(["a", "b", "c"][service]),
                ..root(trace, 1)
            };
            if is_marked { with_event(span, "shed.drop") } else { span }
        },
    )
}

/// Spans without duplicates, which the first one would win and so make order matter.
fn unique(spans: Vec<Span>) -> Vec<Arc<Span>> {
    let mut seen = std::collections::HashSet::new();
    spans.into_iter().filter(|span| seen.insert((span.trace_id, span.span_id))).map(Arc::new).collect()
}

/// What the spans alone decide: why a trace is kept is what was known when that was decided.
fn summaries(spans: &[Arc<Span>]) -> Vec<Summary> {
    let store = TraceStore::new(TraceLimits::default());
    for (at, span) in spans.iter().enumerate() {
        // Quiet in between, so that late spans open traces again.
        let now_ns = at as u64 * SECOND / 4;
        store.insert(Arc::clone(span), now_ns);
        store.take_quiet(now_ns);
    }
    store.take_quiet(1_000 * SECOND);
    let summaries = (1..4).filter_map(|number| store.summary(trace(number)));
    let without_reason = |mut summary: Summary| {
        summary.reason = None;
        summary
    };
    summaries.map(without_reason).collect()
}

#[test]
fn a_trace_whose_start_nobody_told_is_not_slow() {
    let of = |start_ns: u64| Arc::new(Span { span_id: id(1 + start_ns), start_ns, end_ns: 60 * SECOND, ..root(1, 1) });
    let without_start = summaries(&[of(0)]);
    assert_eq!((without_start[0].duration_ns(), without_start[0].slow), (0, false));
    let late = summaries(&[of(0), of(60 * SECOND)]);
    assert_eq!((late[0].duration_ns(), late[0].slow), (0, false), "known later: it took no time");
    let slow = summaries(&[of(0), of(50 * SECOND)]);
    assert_eq!((slow[0].duration_ns(), slow[0].slow), (10 * SECOND, true));
}

proptest! {
    #[test]
    fn order_does_not_matter(spans in prop::collection::vec(any_span(), 1..60), seed in any::<u64>()) {
        let spans = unique(spans);
        let mut shuffled = spans.clone();
        let mut state = seed;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        prop_assert_eq!(summaries(&spans), summaries(&shuffled));
    }

    #[test]
    fn a_summary_agrees_with_its_spans(spans in prop::collection::vec(any_span(), 1..60)) {
        let spans = unique(spans);
        for summary in summaries(&spans) {
            let own: Vec<_> = spans.iter().filter(|span| span.trace_id == summary.trace_id).collect();
            prop_assert_eq!(summary.spans as usize, own.len());
            prop_assert_eq!(summary.errors as usize, own.iter().filter(|span| span.is_error()).count());
            let services: std::collections::HashSet<_> = own.iter().map(|span| &span.resource.service).collect();
            prop_assert_eq!(summary.services as usize, services.len());
            prop_assert_eq!(summary.has_root, own.iter().any(|span| span.parent_id.is_none()));
            let is_there = |parent: SpanId| own.iter().any(|span| span.span_id == parent);
            prop_assert_eq!(summary.has_orphans, own.iter().any(|span| span.parent_id.is_some_and(|parent| !is_there(parent))));
            prop_assert_eq!(summary.complete, summary.has_root && !summary.has_orphans);
            prop_assert_eq!(summary.end_ns, own.iter().map(|span| span.end_ns.max(span.start_ns)).max().unwrap_or_default());
            let starts = own.iter().map(|span| span.start_ns).filter(|start_ns| *start_ns > 0);
            prop_assert_eq!(summary.start_ns, starts.min().unwrap_or_default());
        }
    }
}
