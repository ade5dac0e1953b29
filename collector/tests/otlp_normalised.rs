//! What the receiver makes of telemetry: safe, bounded, under current names, cumulative.

mod otlp;

use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Wire;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource as WireResource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use prost::Message;

use collector::model::{MetricKind, MetricValue, Value};
use collector::receiver::Limits;
use otlp::{PROTOBUF, Running, attribute, resource, span, start, text, traces};

const DELTA: i32 = 1;
const CUMULATIVE: i32 = 2;

#[tokio::test]
async fn what_is_too_much_is_cut_and_counted() {
    let running = start(Limits::default()).await;
    let mut huge = span(1);
    huge.attributes = vec![text("huge", &"é".repeat(1 << 20))];
    huge.attributes.extend((0..1_000).map(|number| text(&format!("key {number}"), "value")));
    huge.events = vec![Event { name: "event".into(), ..Default::default() }; 1_000];
    huge.events[0].attributes = huge.attributes.clone();
    huge.links = vec![Link { trace_id: vec![1; 16], span_id: vec![2; 8], ..Default::default() }; 200];
    huge.links[0].span_id = vec![0; 8];
    huge.dropped_links_count = 5;
    huge.name = "n".repeat(10_000);
    assert_eq!(running.post("/v1/traces", PROTOBUF, traces(vec![huge]).encode_to_vec()).await.status(), 200);

    let kept = running.memory.spans().pop().expect("a span");
    assert_eq!((kept.attributes.len(), kept.events.len(), kept.links.len()), (128, 128, 127));
    let value = kept.get("huge").and_then(Value::as_text).expect("the value");
    assert!(value.ends_with('…') && value.len() < 4_096 + 4, "{}", value.len());
    assert_eq!(kept.dropped_attributes, 1_001 - 128 + 1, "those over the limit and the one that was cut");
    assert_eq!(kept.dropped_events, 1_000 - 128);
    assert_eq!(kept.dropped_links, 200 - 127 + 5);
    assert!(kept.name.len() < 4_096 + 4);
    assert_eq!(kept.events[0].attributes.len(), 128);
    assert_eq!(running.stats.cut_values(), 3);
}

#[tokio::test]
async fn texts_are_safe_and_resources_are_recognised() {
    let running = start(Limits::default()).await;
    let mut evil = span(1);
    evil.name = "GET /\x1b[2J".into();
    evil.attributes = vec![text("k\x07", "two\nlines \u{202e}")];
    evil.kind = 99;
    let mut request = traces(vec![evil]);
    let shop = WireResource {
        attributes: vec![
            text("service.name", "pay-rpc"),
            text("service.instance.id", "pay-rpc/2"),
            text("mall.listen", "127.0.0.1:9"),
        ],
        ..Default::default()
    };
    let host =
        WireResource { attributes: vec![text("service.name", "cart"), text("host.name", "box")], ..Default::default() };
    for (number, resource) in [(2, Some(shop)), (3, Some(host)), (4, None)] {
        let mut other = traces(vec![span(number)]);
        other.resource_spans[0].resource = resource;
        request.resource_spans.append(&mut other.resource_spans);
    }
    assert_eq!(running.post("/v1/traces", PROTOBUF, request.encode_to_vec()).await.status(), 200);
    let spans = running.memory.spans();
    assert_eq!((&*spans[0].name, &*spans[0].attributes[0].key), ("GET /\\u{1b}[2J", "k\\u{7}"));
    assert_eq!(spans[0].attributes[0].value, Value::Text("two lines \\u{202e}".into()));
    let who: Vec<_> = spans
        .iter()
        .map(|span| (&*span.resource.service, &*span.resource.instance, span.resource.listen.as_deref()))
        .collect();
    assert_eq!(
        who,
        [
            ("order-rpc", "order-rpc/1", None),
            ("pay-rpc", "pay-rpc/2", Some("127.0.0.1:9")),
            ("cart", "box", None),
            ("unknown_service", "unknown_service", None)
        ]
    );
}

#[tokio::test]
async fn names_without_end_become_other() {
    let running = start(Limits { operations: 10, services: 3, ..Limits::default() }).await;
    let spans = (1..=30).map(span).collect();
    assert_eq!(running.post("/v1/traces", PROTOBUF, traces(spans).encode_to_vec()).await.status(), 200);
    let kept = running.memory.spans();
    assert_eq!(kept.iter().filter(|span| &*span.name == "__other__").count(), 20);
    assert_eq!(running.stats.overflowed_names(), 20);
    for number in 0..5 {
        let mut request = traces(vec![span(100)]);
        request.resource_spans[0].resource = Some(resource(&format!("service-{number}")));
        running.post("/v1/traces", PROTOBUF, request.encode_to_vec()).await;
    }
    let kept = running.memory.spans();
    assert_eq!(kept.iter().filter(|span| &*span.resource.service == "__other__").count(), 3);
}

#[tokio::test]
async fn times_may_be_absurd() {
    let running = start(Limits::default()).await;
    let mut spans: Vec<_> = (1..=3).map(span).collect();
    (spans[0].start_time_unix_nano, spans[0].end_time_unix_nano) = (u64::MAX, 1);
    (spans[1].start_time_unix_nano, spans[1].end_time_unix_nano) = (0, u64::MAX);
    (spans[2].start_time_unix_nano, spans[2].end_time_unix_nano) = (0, 0);
    assert_eq!(running.post("/v1/traces", PROTOBUF, traces(spans).encode_to_vec()).await.status(), 200);
    let durations: Vec<_> = running.memory.spans().iter().map(|span| span.duration_ns()).collect();
    assert_eq!(durations, [0, u64::MAX, 0]);
}

fn metric(name: &str, data: Data) -> Metric {
    Metric { name: name.into(), data: Some(data), ..Default::default() }
}

fn number(start_ns: u64, time_ns: u64, value: f64, key: &str) -> NumberDataPoint {
    NumberDataPoint {
        start_time_unix_nano: start_ns,
        time_unix_nano: time_ns,
        value: Some(Number::AsDouble(value)),
        attributes: vec![text("key", key), attribute("n", Wire::IntValue(1))],
        ..Default::default()
    }
}

fn sum(temporality: i32, points: Vec<NumberDataPoint>) -> Data {
    Data::Sum(Sum { data_points: points, aggregation_temporality: temporality, is_monotonic: true })
}

fn histogram(time_ns: u64, bounds: &[f64], counts: &[u64]) -> Data {
    let point = HistogramDataPoint {
        time_unix_nano: time_ns,
        count: counts.iter().sum(),
        sum: Some(1.5),
        bucket_counts: counts.to_vec(),
        explicit_bounds: bounds.to_vec(),
        ..Default::default()
    };
    Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: DELTA })
}

async fn send(running: &Running, metrics: Vec<Metric>) -> Option<(i64, String)> {
    let scope_metrics = vec![ScopeMetrics { metrics, ..Default::default() }];
    let resource_metrics =
        vec![ResourceMetrics { resource: Some(resource("pay-rpc")), scope_metrics, ..Default::default() }];
    let answer =
        running.post("/v1/metrics", PROTOBUF, ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()).await;
    assert_eq!(answer.status(), 200);
    let answer = ExportMetricsServiceResponse::decode(answer.bytes().await.expect("a body")).expect("a response");
    answer.partial_success.map(|partial| (partial.rejected_data_points, partial.error_message))
}

#[tokio::test]
async fn deltas_add_up_per_stream_and_repetitions_do_not() {
    let running = start(Limits::default()).await;
    for (start_ns, time_ns, value, key) in
        [(10, 20, 1.0, "a"), (20, 30, 2.0, "a"), (20, 30, 2.0, "a"), (20, 30, 5.0, "b"), (30, 40, 4.0, "a")]
    {
        assert_eq!(
            send(&running, vec![metric("calls", sum(DELTA, vec![number(start_ns, time_ns, value, key)]))]).await,
            None
        );
    }
    let seen: Vec<_> =
        running.memory.points().iter().map(|point| (point.start_ns, point.time_ns, point.number())).collect();
    assert_eq!(seen, [(10, 20, Some(1.0)), (10, 30, Some(3.0)), (20, 30, Some(5.0)), (10, 40, Some(7.0))]);

    let running = start(Limits::default()).await;
    send(&running, vec![metric("latency", histogram(10, &[1.0, 2.0], &[1, 0, 2]))]).await;
    send(&running, vec![metric("latency", histogram(20, &[1.0, 2.0], &[0, 1, 1]))]).await;
    send(&running, vec![metric("latency", histogram(30, &[5.0], &[1, 1]))]).await;
    let values: Vec<_> = running.memory.points().into_iter().map(|point| point.value).collect();
    let MetricValue::Histogram { count, sum, counts, .. } = &values[1] else { panic!("not a histogram") };
    assert_eq!((*count, *sum, counts.as_slice()), (5, 3.0, &[1, 1, 3][..]));
    let MetricValue::Histogram { count, counts, .. } = &values[2] else { panic!("not a histogram") };
    assert_eq!((*count, counts.as_slice()), (2, &[1, 1][..]), "other bounds begin anew");
}

#[tokio::test]
async fn kinds_are_kept_and_what_is_not_read_is_named() {
    let running = start(Limits { delta_streams: 2, ..Limits::default() }).await;
    let gauge = Data::Gauge(Gauge { data_points: vec![number(0, 5, -1.5, "a")] });
    let up_down = Data::Sum(Sum {
        data_points: vec![number(1, 5, 2.0, "a")],
        aggregation_temporality: CUMULATIVE,
        is_monotonic: false,
    });
    let paused = NumberDataPoint { flags: 1, time_unix_nano: 5, ..Default::default() };
    let good = vec![
        metric("g", gauge),
        metric("u", up_down),
        metric("c", sum(CUMULATIVE, vec![number(1, 5, 3.0, "a"), paused])),
    ];
    assert_eq!(send(&running, good).await, None);
    let kinds: Vec<_> = running.memory.points().iter().map(|point| point.kind).collect();
    assert_eq!(kinds, [MetricKind::Gauge, MetricKind::UpDownCounter, MetricKind::Counter]);

    let exponential = ExponentialHistogram {
        data_points: vec![ExponentialHistogramDataPoint::default(); 2],
        aggregation_temporality: CUMULATIVE,
    };
    let bad = vec![
        metric("e", Data::ExponentialHistogram(exponential)),
        metric("t", sum(0, vec![number(0, 5, 1.0, "a")])),
        metric("v", sum(CUMULATIVE, vec![NumberDataPoint::default()])),
        metric("b", histogram(5, &[1.0], &[1])),
        metric("d", histogram(5, &[2.0, 1.0], &[1, 1, 1])),
        metric("s", sum(DELTA, vec![number(1, 5, 1.0, "a"), number(1, 5, 1.0, "b"), number(1, 5, 1.0, "c")])),
    ];
    let (count, message) = send(&running, bad).await.expect("some points were refused");
    assert_eq!(count, 7);
    for reason in [
        "2 × exponential histogram",
        "unspecified temporality",
        "point without a value",
        "buckets do not match",
        "bounds do not ascend",
        "1 × too many delta streams",
    ] {
        assert!(message.contains(reason), "{message}");
    }
    assert_eq!(running.refused("exponential histogram"), 2);
    assert_eq!(running.memory.points().len(), 5);
}
