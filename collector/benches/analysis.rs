//! What a trace of one order costs to analyse, and what an export of metrics costs to keep.
//!
//! Each figure stands beside a floor measured in the same run: a pass over the same spans, a pass over the same points.

use std::hint::black_box;
use std::sync::Arc;

use collector::alert::{Evaluator, Rules};
use collector::analysis::{forest, segments, self_times, trace_path};
use collector::model::{
    Attribute, Kind, MetricKind, MetricPoint, MetricValue, Resource, Span, SpanId, Status, TraceId, Value,
};
use collector::query::parse;
use collector::rollup::metrics::{MetricLimits, MetricStore};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const SECOND: u64 = 1_000_000_000;
const SPANS: u64 = 23;

/// Three steps of a flow below a root, each with calls, answers and statements.
fn order() -> Vec<Arc<Span>> {
    let resource = Arc::new(Resource {
        service: Arc::from("order-rpc"),
        instance: Arc::from("order-rpc/1"),
        listen: None,
        attributes: Vec::new(),
    });
    let span = |id: u64| {
        let depth = (id - 1) % 7;
        let step = (id - 1) / 7;
        let attribute = Attribute { key: Arc::from("http.route"), value: Value::Text(Arc::from("/api/order/create")) };
        Arc::new(Span {
            trace_id: TraceId::from_u128(1).unwrap_or_else(|| unreachable!("not zero")),
            span_id: SpanId::from_u64(id).unwrap_or_else(|| unreachable!("not zero")),
            parent_id: SpanId::from_u64(if depth == 0 { id.min(2) - 1 } else { id - 1 }),
            name: Arc::from("mall.Order/Create"),
            kind: if id.is_multiple_of(2) { Kind::Client } else { Kind::Server },
            start_ns: SECOND + step * 1_000_000 + depth * 10_000,
            end_ns: SECOND + (step + 1) * 1_000_000 - depth * 10_000 + u64::from(id == 1) * 5_000_000,
            status: Status::Unset,
            status_message: Arc::from(""),
            attributes: vec![attribute],
            events: Vec::new(),
            links: Vec::new(),
            resource: Arc::clone(&resource),
            scope: Arc::from(""),
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
        })
    };
    (1..=SPANS).map(span).collect()
}

fn traces(criterion: &mut Criterion) {
    let spans = order();
    let query = parse("service=order-rpc && duration>50us && .http.route~=order").unwrap_or_default();
    let mut group = criterion.benchmark_group("trace of 23 spans");
    group.throughput(Throughput::Elements(SPANS));
    group.bench_function("floor: sum of durations", |bench| {
        bench.iter(|| black_box(&spans).iter().map(|span| span.duration_ns()).sum::<u64>());
    });
    group.bench_function("forest", |bench| bench.iter(|| forest(black_box(&spans))));
    group.bench_function("forest, self time, critical path", |bench| {
        bench.iter(|| {
            let forest = forest(black_box(&spans));
            (self_times(&forest), trace_path(&forest, 0))
        });
    });
    group.bench_function("forest and attribution", |bench| bench.iter(|| segments(&forest(black_box(&spans)))));
    group.bench_function("query", |bench| bench.iter(|| query.matches(black_box(&spans))));
    group.finish();
}

/// What a gateway exports each second: counters by route and code, and duration histograms.
fn export(second: u64) -> Vec<MetricPoint> {
    let resource = Arc::new(Resource {
        service: Arc::from("gateway"),
        instance: Arc::from("gateway/1"),
        listen: None,
        attributes: Vec::new(),
    });
    let point = |name: &str, kind, code: &str, route: u64, value| MetricPoint {
        name: Arc::from(name),
        unit: Arc::from(""),
        kind,
        attributes: vec![
            Attribute { key: Arc::from("path"), value: Value::Text(Arc::from(format!("/api/{route}"))) },
            Attribute { key: Arc::from("method"), value: Value::Text(Arc::from("POST")) },
            Attribute { key: Arc::from("code"), value: Value::Text(Arc::from(code)) },
        ],
        resource: Arc::clone(&resource),
        start_ns: SECOND,
        time_ns: second * SECOND,
        value,
    };
    let mut points = Vec::new();
    for route in 0..12 {
        for code in ["200", "400", "500", "503"] {
            let count = MetricValue::Number((second * 50) as f64);
            points.push(point("http_server_requests_code_total", MetricKind::Counter, code, route, count));
        }
        let edges = [5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 750.0, 1000.0];
        let histogram = MetricValue::Histogram {
            count: second * 10,
            sum: 1.0,
            bounds: Arc::from(edges),
            counts: vec![second; edges.len() + 1],
        };
        points.push(point("http_server_requests_duration_ms", MetricKind::Histogram, "200", route, histogram));
    }
    points
}

fn metrics(criterion: &mut Criterion) {
    let exports: Vec<Vec<MetricPoint>> = (100..400).map(export).collect();
    let points = exports.first().map_or(0, Vec::len) as u64;
    let mut group = criterion.benchmark_group("export of a gateway");
    group.throughput(Throughput::Elements(points));
    group.bench_function("floor: sum of values", |bench| {
        bench.iter(|| {
            black_box(&exports).iter().flatten().take(points as usize).filter_map(MetricPoint::number).sum::<f64>()
        });
    });
    group.bench_function("ingest", |bench| {
        let mut store = MetricStore::new(MetricLimits::default());
        let mut round = 100_u64;
        bench.iter(|| {
            for point in export(round) {
                store.ingest(&point, point.time_ns);
            }
            round += 1;
        });
    });
    group.bench_function("building the export itself", |bench| bench.iter(|| export(black_box(100))));
    group.finish();

    let mut store = MetricStore::new(MetricLimits::default());
    for point in exports.iter().flatten() {
        store.ingest(point, point.time_ns);
    }
    let text = include_str!("../../deploy/prometheus/mall-demo.rules.yml");
    let mut evaluator = Evaluator::new(Rules::parse("mall-demo.rules.yml", text).unwrap_or_default());
    let mut now_ns = 399 * SECOND;
    criterion.bench_function("demo rules, once", |bench| {
        bench.iter(|| {
            now_ns += SECOND;
            evaluator.eval(now_ns, &store)
        });
    });
}

criterion_group!(benches, traces, metrics);
criterion_main!(benches);
