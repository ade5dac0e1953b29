//! Forests of broken traces, exact tiling, and requests taken apart.

mod trace_builder;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use collector::analysis::{
    Forest, Replicas, SegmentKind, WarningKind, critical_path, forest, marks, note, on_path, segments, self_times,
    trace_path,
};
use collector::model::{Kind, Span};
use collector_api::vocabulary as words;
use proptest::prelude::*;
use trace_builder::{int, span, text};

/// Spans whose parents are anything: absent, themselves, cycles; ids repeat; times are short and collide.
fn any_spans() -> impl Strategy<Value = Vec<Arc<Span>>> {
    let kinds = prop_oneof![
        Just(Kind::Internal),
        Just(Kind::Server),
        Just(Kind::Client),
        Just(Kind::Producer),
        Just(Kind::Consumer)
    ];
    let one = (1_u64..25, 0_u64..30, 0_u64..60, 0_u64..60, kinds);
    prop::collection::vec(one, 0..40).prop_map(|all| {
        let build = |(id, parent, start, end, kind)| span(id, parent, start, end).kind(kind).build();
        all.into_iter().map(build).collect()
    })
}

fn assert_tiles(forest: &Forest, root: usize, tol_ns: u64) {
    let row = &forest.rows[root];
    let mut cursor = row.end_ns();
    for section in critical_path(forest, root, tol_ns) {
        assert_eq!(section.to_ns, cursor, "sections follow each other without a gap");
        assert!(section.from_ns < section.to_ns, "no section is empty");
        let own = &forest.rows[section.row];
        assert!(own.start_ns() <= section.from_ns && section.to_ns <= own.end_ns(), "a section lies inside its span");
        cursor = section.from_ns;
    }
    assert_eq!(cursor, row.start_ns(), "the first section begins with the root");
}

proptest! {
    #[test]
    fn every_distinct_span_is_one_row_after_its_parent(spans in any_spans()) {
        let forest = forest(&spans);
        let ids: HashSet<_> = spans.iter().map(|span| span.span_id).collect();
        let rows: HashSet<_> = forest.rows.iter().map(|row| row.span.span_id).collect();
        prop_assert_eq!(&ids, &rows);
        let duplicates = forest.warnings.iter().find(|warning| warning.kind == WarningKind::Duplicate);
        prop_assert_eq!(forest.rows.len() + duplicates.map_or(0, |warning| warning.count), spans.len());
        for (number, row) in forest.rows.iter().enumerate() {
            prop_assert_eq!(row.depth, row.parent.map_or(0, |parent| forest.rows[parent].depth + 1));
            if let Some(parent) = row.parent {
                prop_assert!(parent < number);
                prop_assert_eq!(forest.children(parent).filter(|&child| child == number).count(), 1);
            }
        }
        let mut visited = BTreeSet::new();
        let mut open: Vec<usize> = forest.roots().collect();
        while let Some(row) = open.pop() {
            prop_assert!(visited.insert(row));
            open.extend(forest.children(row));
        }
        prop_assert_eq!(visited.len(), forest.rows.len());
    }

    #[test]
    fn the_path_tiles_every_root(spans in any_spans(), tol_ns in 0_u64..5) {
        let forest = forest(&spans);
        for root in forest.roots() {
            assert_tiles(&forest, root, tol_ns);
            let sum: u64 = on_path(&forest, &critical_path(&forest, root, tol_ns)).iter().sum();
            prop_assert_eq!(sum, forest.rows[root].duration_ns());
        }
    }

    #[test]
    fn self_time_is_what_no_child_covers(spans in any_spans()) {
        let forest = forest(&spans);
        for (number, self_ns) in self_times(&forest).into_iter().enumerate() {
            let row = &forest.rows[number];
            let is_covered = |at: &u64| {
                let covers = |child: usize| (forest.rows[child].start_ns()..forest.rows[child].end_ns()).contains(at);
                forest.children(number).any(covers)
            };
            let uncovered = (row.start_ns()..row.end_ns()).filter(|at| !is_covered(at)).count();
            prop_assert_eq!(self_ns, uncovered as u64);
        }
    }

    #[test]
    fn segments_sum_to_the_latency(spans in any_spans(), start in 0_u64..30, length in 0_u64..60, early in 0_u64..20) {
        let load = span(100, 0, 1_000 + start, 1_000 + start + length)
            .of("loadgen", "loadgen")
            .kind(Kind::Client)
            .with(text(words::RUN_ID, "r1"))
            .with(int(words::RUN_INTENDED_UNIX_NS, (1_000 + start - early.min(start)) as i64));
        let below = spans.iter().map(|span| {
            let mut moved = Span::clone(span);
            moved.start_ns += 1_000;
            moved.end_ns += 1_000;
            moved.parent_id = moved.parent_id.or_else(|| collector::model::SpanId::from_u64(100));
            Arc::new(moved)
        });
        let all: Vec<_> = below.chain([load.build()]).collect();
        let attribution = segments(&forest(&all)).expect("an attribution");
        prop_assert_eq!(attribution.run_id.as_deref(), Some("r1"));
        prop_assert_eq!(attribution.latency_ns, length + early.min(start));
        prop_assert_eq!(attribution.segments.iter().map(|(_, ns)| ns).sum::<u64>(), attribution.latency_ns);
        prop_assert!(attribution.segments.iter().all(|(_, ns)| *ns > 0));
    }

    #[test]
    fn foreign_traces_are_taken_apart_too(spans in any_spans()) {
        let forest = forest(&spans);
        match segments(&forest) {
            Some(attribution) => {
                prop_assert_eq!(attribution.latency_ns, forest.rows[attribution.root_row].duration_ns());
                prop_assert_eq!(attribution.segments.iter().map(|(_, ns)| ns).sum::<u64>(), attribution.latency_ns);
            }
            None => prop_assert!(forest.rows.is_empty()),
        }
    }
}

#[test]
fn a_chain_of_fifty_thousand_spans_overflows_nothing() {
    let depth = 50_000;
    let spans: Vec<_> = (1..=depth).rev().map(|id| span(id, id - 1, id, 200_000 - id).build()).collect();
    let forest = forest(&spans);
    assert_eq!(forest.rows.last().map(|row| row.depth), Some(depth as u32 - 1));
    assert_tiles(&forest, 0, 0);
    assert_eq!(self_times(&forest).iter().sum::<u64>(), forest.rows[0].duration_ns());
}

#[test]
fn a_cycle_of_fifty_thousand_spans_is_cut_once() {
    let length = 50_000;
    let spans: Vec<_> = (1..=length).map(|id| span(id, id % length + 1, 10 + id % 977, 5_000).build()).collect();
    let forest = forest(&spans);
    assert_eq!(forest.rows.len() as u64, length);
    assert_eq!(forest.roots().count(), 1);
    let cycles: Vec<_> = forest.warnings.iter().filter(|warning| warning.kind == WarningKind::Cycle).collect();
    assert_eq!(cycles.len(), 1);
    assert_eq!(cycles[0].count, 1);
    assert_eq!(forest.rows[0].start_ns(), 10, "it was cut at the earliest span");
}

#[test]
fn a_hundred_thousand_children_are_one_level() {
    let width = 100_000;
    let children = (2..width + 2).map(|id| span(id, 1, id * 10, id * 10 + 15).build());
    let spans: Vec<_> = children.chain([span(1, 0, 0, width * 10 + 50).build()]).collect();
    let forest = forest(&spans);
    assert_eq!(forest.children(0).count() as u64, width);
    assert_tiles(&forest, 0, 0);
}

#[test]
fn orphans_of_one_missing_parent_stand_together() {
    let spans = [
        span(5, 99, 30, 40).build(),
        span(6, 98, 20, 25).build(),
        span(7, 99, 10, 15).build(),
        span(1, 0, 22, 90).build(),
    ];
    let forest = forest(&spans);
    let order: Vec<u64> = forest.rows.iter().map(|row| row.span.span_id.as_u64()).collect();
    assert_eq!(order, [7, 5, 6, 1]);
    assert!(forest.rows[0].orphan && !forest.rows[3].orphan);
    assert_eq!(forest.main_root(), Some(3), "a true root counts before longer orphans");
    let warning = &forest.warnings[0];
    assert_eq!((warning.kind, warning.count), (WarningKind::MissingParent, 3));
    assert!(warning.to_string().starts_with("3 spans name a parent that never arrived"), "{warning}");
}

#[test]
fn a_client_and_a_server_may_share_an_id() {
    let server = span(2, 1, 20, 80).kind(Kind::Server).of("pay", "pay/1").build();
    let client = span(2, 1, 10, 90).kind(Kind::Client).build();
    let below = span(3, 2, 30, 40).of("pay", "pay/1").build();
    let root = span(1, 0, 0, 100).build();
    for spans in [vec![root.clone(), client.clone(), server.clone(), below.clone()], vec![below, server, client, root]]
    {
        let forest = forest(&spans);
        let kinds: Vec<(Kind, u32)> = forest.rows.iter().map(|row| (row.span.kind, row.depth)).collect();
        assert_eq!(kinds, [(Kind::Internal, 0), (Kind::Client, 1), (Kind::Server, 2), (Kind::Internal, 3)]);
        assert_eq!(forest.warnings, []);
    }
}

#[test]
fn what_a_consumer_does_gates_no_producer() {
    let spans = [
        span(1, 0, 0, 100).kind(Kind::Producer).build(),
        span(2, 1, 10, 60).kind(Kind::Consumer).build(),
        span(3, 1, 70, 80).build(),
    ];
    let forest = forest(&spans);
    let path: Vec<(usize, u64, u64)> =
        trace_path(&forest, 0).iter().map(|section| (section.row, section.from_ns, section.to_ns)).collect();
    assert_eq!(path, [(0, 80, 100), (2, 70, 80), (0, 0, 70)]);
}

/// loadgen CLIENT → gateway SERVER → gateway CLIENT → pay-rpc SERVER → database.
fn order_trace() -> Vec<Arc<Span>> {
    vec![
        span(1, 0, 1_000, 2_000)
            .of("loadgen", "loadgen")
            .named("POST /api/order/create")
            .kind(Kind::Client)
            .with(text(words::RUN_ID, "r1"))
            .with(int(words::RUN_INTENDED_UNIX_NS, 700))
            .build(),
        span(2, 1, 1_050, 1_950).of("gateway", "gateway/1").named("POST /api/order/create").kind(Kind::Server).build(),
        span(3, 2, 1_100, 1_900).of("gateway", "gateway/1").named("initiate_payment").build(),
        span(4, 3, 1_200, 1_800).of("gateway", "gateway/1").named("pay.Pay/Initiate").kind(Kind::Client).build(),
        span(5, 4, 1_300, 1_700).of("pay-rpc", "pay-rpc/2").named("pay.Pay/Initiate").kind(Kind::Server).build(),
        span(6, 5, 1_400, 1_600)
            .of("pay-rpc", "pay-rpc/2")
            .named("INSERT payments")
            .kind(Kind::Client)
            .with(text("db.system.name", "sqlite"))
            .build(),
    ]
}

fn parts(spans: &[Arc<Span>]) -> Vec<(String, String, &'static str, u64)> {
    let attribution = segments(&forest(spans)).expect("an attribution");
    let part = |(key, ns): &(collector::analysis::SegmentKey, u64)| {
        (key.instance.to_string(), key.operation.to_string(), key.kind.as_str(), *ns)
    };
    let mut parts: Vec<_> = attribution.segments.iter().map(part).collect();
    parts.sort();
    parts
}

#[test]
fn a_request_is_taken_apart_by_role() {
    let part = |instance: &str, operation: &str, kind, ns| (instance.to_owned(), operation.to_owned(), kind, ns);
    assert_eq!(
        parts(&order_trace()),
        [
            part("gateway/1", "POST /api/order/create", "self", 100),
            part("gateway/1", "initiate_payment", "self", 200),
            part("gateway/1", "pay.Pay/Initiate", "network", 200),
            part("loadgen", "POST /api/order/create", "network", 100),
            part("loadgen", "POST /api/order/create", "queue", 300),
            part("pay-rpc/2", "INSERT payments", "wait", 200),
            part("pay-rpc/2", "pay.Pay/Initiate", "self", 200),
        ]
    );
    let attribution = segments(&forest(&order_trace())).expect("an attribution");
    assert_eq!((attribution.intended_ns, attribution.end_ns, attribution.latency_ns), (700, 2_000, 1_300));
    assert!(!attribution.partial);
}

#[test]
fn a_request_that_the_system_never_saw_is_the_clients() {
    let only = &order_trace()[..1];
    let kinds: Vec<_> =
        segments(&forest(only)).expect("an attribution").segments.into_iter().map(|(key, ns)| (key.kind, ns)).collect();
    assert_eq!(kinds, [(SegmentKind::Client, 1_000), (SegmentKind::Queue, 300)]);
}

#[test]
fn refusals_and_retries_have_their_own_kinds() {
    let call = |id: u64| span(id, 1, 10, 20).kind(Kind::Client);
    let root = || span(1, 0, 10, 20).kind(Kind::Server).build();
    let cases = [
        (call(2).event(words::BREAKER_REJECTED, vec![]).build(), SegmentKind::Breaker),
        (call(2).event(words::SHED_DROP, vec![]).build(), SegmentKind::Limiter),
        (call(2).event(words::LIMITER_REJECT, vec![]).build(), SegmentKind::Limiter),
        (call(2).with(int("http.request.resend_count", 1)).build(), SegmentKind::Retry),
        (call(2).event(words::P2C_PICK, vec![]).build(), SegmentKind::Wait),
    ];
    for (span, kind) in cases {
        let attribution = segments(&forest(&[root(), span])).expect("an attribution");
        assert_eq!(attribution.segments.iter().map(|(key, _)| key.kind).collect::<Vec<_>>(), [kind]);
    }
}

#[test]
fn a_trace_without_its_root_is_partial() {
    let attribution = segments(&forest(&order_trace()[1..])).expect("an attribution");
    assert!(attribution.partial && attribution.run_id.is_none());
    assert_eq!(attribution.latency_ns, 900);
}

#[test]
fn vocabulary_events_become_one_line_and_marks() {
    let picked = span(1, 0, 0, 9)
        .event(
            words::P2C_PICK,
            vec![
                text(words::P2C_A_TARGET, "127.0.0.1:1"),
                int(words::P2C_A_LOAD, 90),
                text(words::P2C_B_TARGET, "127.0.0.1:2"),
                int(words::P2C_B_LOAD, 12),
                text(words::P2C_CHOSEN, "127.0.0.1:2"),
            ],
        )
        .event(words::FAULT_INJECTED, vec![text(words::FAULT_ID, "f1"), text(words::FAULT_KIND, "latency")])
        .build();
    assert_eq!(
        note(&picked, &Replicas::new()).as_deref(),
        Some("picked 127.0.0.1:2 (load 12) over 127.0.0.1:1 (load 90) · fault f1: latency")
    );
    let known = Replicas::from([("127.0.0.1:2".into(), "pay-rpc/3".into())]);
    assert_eq!(
        note(&picked, &known).as_deref(),
        Some("picked pay-rpc/3 (load 12) over 127.0.0.1:1 (load 90) · fault f1: latency"),
        "a replica is named where its address is known"
    );
    let refused = span(2, 0, 0, 9).event(words::BREAKER_REJECTED, vec![]).build();
    assert_eq!(marks([&*picked, &*refused]), ["breaker", "fault"]);
    assert_eq!(note(&span(3, 0, 0, 9).event("exception", vec![]).build(), &known), None);
}
