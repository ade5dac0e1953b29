//! Services whose spans show only a part of their requests.

use std::sync::Arc;

use collector::model::{Attribute, Kind, MetricKind, MetricPoint, MetricValue, Resource};
use collector::rollup::coverage as counted;
use collector_api::console::Coverage;
use collector_api::sketch::Sketch;

use crate::stage::{MS, S, Stage, T0, attribute, counter, process, span};

/// Requests of `legacy/1` so far by metrics: `fast` ones of up to 100 ms, the others up to a second.
fn requests(name: &str, attributes: Vec<Attribute>, at: u64, fast: u64, slow: u64, unit: f64) -> MetricPoint {
    MetricPoint {
        name: name.into(),
        unit: "".into(),
        kind: MetricKind::Histogram,
        attributes,
        resource: process("legacy/1"),
        start_ns: T0,
        time_ns: T0 + at,
        value: MetricValue::Histogram {
            count: fast + slow,
            sum: 0.0,
            bounds: Arc::from([0.1 * unit, unit]),
            counts: vec![fast, slow, 0],
        },
    }
}

fn status(code: i64) -> Vec<Attribute> {
    vec![attribute("http.response.status_code", code)]
}

fn span_count(stage: &Stage, count: u64) {
    stage.send(
        (0..count)
            .map(|number| span("legacy/1", "GET /", Kind::Server, 1_000 + number, number + 1, 0, S / 2..S / 2 + MS)),
    );
}

fn red(stage: &Stage) -> (u64, u64, Sketch, bool) {
    let delta = stage.hub.delta(0, 0);
    let cells = delta.seconds.into_iter().flat_map(|second| second.services);
    cells.filter(|cell| cell.service == "legacy").fold((0, 0, Sketch::new(), false), |mut sum, cell| {
        sum.0 += cell.requests;
        sum.1 += cell.errors;
        sum.2.merge(&cell.latency.as_ref().map(Sketch::from).unwrap_or_default());
        (sum.0, sum.1, sum.2, sum.3 | cell.from_metrics)
    })
}

#[test]
fn a_service_that_says_its_ratio_is_counted_by_its_metrics() {
    let stage = Stage::new(1 << 20);
    let resource = Arc::new(Resource {
        attributes: vec![attribute("mall.sampler.ratio", 0.1)],
        ..Resource::clone(&process("legacy/1"))
    });
    let declared = |point: MetricPoint| MetricPoint { resource: resource.clone(), ..point };
    stage.send_points([
        declared(requests("http.server.request.duration", status(200), S, 80, 10, 1.0)),
        declared(requests("http.server.request.duration", status(503), S, 10, 0, 1.0)),
        // The same requests once more, under go-zero's names.
        declared(requests("http_server_requests_duration_ms", Vec::new(), S, 90, 10, 1_000.0)),
        declared(counter("legacy/1", "http_server_requests_code_total", vec![attribute("code", "503")], S, 10.0)),
    ]);
    let spans = (0..10).map(|number| {
        let span = span("legacy/1", "GET /", Kind::Server, number, number + 1, 0, S / 2..S / 2 + MS);
        span.of(resource.clone())
    });
    stage.send(spans);
    stage.at(2 * S);
    let (count, errors, latency, from_metrics) = red(&stage);
    assert_eq!((count, errors, from_metrics), (110, 10, true), "10 spans of the second before, 100 by metrics");
    assert_eq!(latency.max_us(), 550_000, "the middle of the bucket");
    let coverage = stage.hub.coverage();
    let expected = Coverage {
        service: "legacy".into(),
        ratio: 0.1,
        declared: true,
        by_spans: 10,
        by_metrics: 100,
        from_metrics: true,
    };
    assert_eq!(coverage, [expected]);
}

#[test]
fn a_service_whose_metrics_count_far_more_than_its_spans_is_found_out() {
    let stage = Stage::new(1 << 20);
    span_count(&stage, 40);
    // go-zero's histogram of RPCs does not say the outcome; its counter of codes does.
    let code = |code: &str, value: f64| {
        counter("legacy/1", "rpc_server_requests_code_total", vec![attribute("code", code)], S, value)
    };
    stage.send_points([requests("rpc_server_requests_duration_ms", Vec::new(), S, 190, 10, 1_000.0)]);
    stage.send_points([code("0", 170.0), code("14", 20.0), code("5", 10.0)]);
    stage.at(2 * S);
    let [coverage] = stage.hub.coverage().try_into().expect("one service");
    assert_eq!((coverage.service.as_str(), coverage.declared, coverage.from_metrics), ("legacy", false, true));
    assert_eq!((coverage.by_spans, coverage.by_metrics, coverage.ratio), (40, 200, 0.2));
    let (_, errors, _, from_metrics) = red(&stage);
    assert_eq!((errors, from_metrics), (20, true), "UNAVAILABLE is the server's fault, NOT_FOUND is not");
}

#[test]
fn a_service_that_samples_everything_is_counted_by_its_spans() {
    let stage = Stage::new(1 << 20);
    span_count(&stage, 190);
    stage.send_points([requests("http.server.request.duration", status(200), S, 190, 10, 1.0)]);
    stage.at(2 * S);
    assert!(stage.hub.coverage().is_empty(), "a few spans on their way are no sampling");
    let (count, _, _, from_metrics) = red(&stage);
    assert_eq!((count, from_metrics), (190, false));
}

#[test]
fn few_requests_prove_nothing() {
    let stage = Stage::new(1 << 20);
    stage.send_points([requests("http.server.request.duration", status(200), S, 99, 0, 1.0)]);
    stage.at(2 * S);
    assert!(stage.hub.coverage().is_empty());
}

/// A hundred requests of each of some pods, which have just started and sample; answers how many were counted.
fn rollout(coverage: &mut counted::Coverage, pods: std::ops::Range<u64>, at: u64) -> u64 {
    let counts = pods.map(|pod| {
        let resource = Arc::new(Resource {
            attributes: vec![attribute("mall.sampler.ratio", 0.1)],
            ..Resource::clone(&process(&format!("legacy/{pod}")))
        });
        let point = requests("http.server.request.duration", status(200), at, 100, 0, 1.0);
        let point = MetricPoint { resource, start_ns: T0 + at - S, ..point };
        coverage.observe_point(&point, T0, T0 + at).map_or(0, |(_, red)| red.requests)
    });
    counts.sum()
}

#[test]
fn pods_of_earlier_rollouts_make_room() {
    let mut coverage = counted::Coverage::default();
    // More processes than fit at once, of which no two rollouts live at the same time.
    for number in 0..6 {
        let at = (1 + number * 700) * S;
        coverage.age(T0 + at);
        assert_eq!(rollout(&mut coverage, number * 400..number * 400 + 400, at), 40_000, "rollout {number}");
    }
    assert_eq!(coverage.overflowed(), 0);
}

#[test]
fn processes_that_do_not_fit_are_counted() {
    let mut coverage = counted::Coverage::default();
    assert_eq!(rollout(&mut coverage, 0..1_030, S), 102_400);
    assert_eq!(coverage.overflowed(), 6);
    coverage.age(T0 + 2 * S);
    assert_eq!(rollout(&mut coverage, 1_030..1_031, 2 * S), 0, "nobody has gone yet");
}

#[test]
fn a_process_that_comes_back_is_not_counted_twice() {
    let stage = Stage::new(1 << 20);
    let so_far = |count: u64, at: u64| {
        stage.send_points([requests("http.server.request.duration", status(200), at, count, 0, 1.0)]);
        stage.at(at + S);
    };
    so_far(1_000, S);
    stage.at(900 * S);
    assert!(stage.hub.coverage().is_empty(), "it was silent for long");
    so_far(1_500, 901 * S);
    assert!(stage.hub.coverage().is_empty(), "what it counted before is only a base");
    so_far(1_700, 902 * S);
    assert_eq!(stage.hub.coverage()[0].by_metrics, 200);
}
