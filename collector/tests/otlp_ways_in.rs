//! The same telemetry, by whichever way it comes, is the same.

mod otlp;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum};
use prost::Message;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;

use collector::receiver::Limits;
use otlp::{PROTOBUF, gzip, resource, span, start, text, traces};

fn logs() -> ExportLogsServiceRequest {
    let record = LogRecord {
        observed_time_unix_nano: 5,
        severity_number: 17,
        body: Some(AnyValue { value: Some(Value::StringValue("payment failed".into())) }),
        trace_id: 7_u128.to_be_bytes().to_vec(),
        span_id: vec![0; 8],
        attributes: vec![text("k", "v")],
        ..Default::default()
    };
    let scope_logs = vec![ScopeLogs { log_records: vec![record], ..Default::default() }];
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { resource: Some(resource("pay-rpc")), scope_logs, ..Default::default() }],
    }
}

fn metrics() -> ExportMetricsServiceRequest {
    let point = NumberDataPoint { value: Some(Number::AsInt(3)), time_unix_nano: 9, ..Default::default() };
    let sum = Sum { data_points: vec![point], aggregation_temporality: 2, is_monotonic: true };
    let metric =
        Metric { name: "breaker.trips".into(), unit: "1".into(), data: Some(Data::Sum(sum)), ..Default::default() };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..Default::default() }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource("pay-rpc")),
            scope_metrics,
            ..Default::default()
        }],
    }
}

#[tokio::test]
async fn grpc_and_http_plain_and_gzip_bring_the_same_telemetry() {
    let by_http = start(Limits::default()).await;
    let by_http_gzip = start(Limits::default()).await;
    let by_grpc = start(Limits::default()).await;
    let by_grpc_gzip = start(Limits::default()).await;
    let request = traces((1..=300).map(span).collect());

    for (path, body) in [
        ("/v1/traces", request.encode_to_vec()),
        ("/v1/metrics", metrics().encode_to_vec()),
        ("/v1/logs", logs().encode_to_vec()),
    ] {
        let answer = by_http.post(path, PROTOBUF, body.clone()).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers().get("content-type").expect("a content type"), PROTOBUF);
        assert!(answer.bytes().await.expect("a body").is_empty(), "full success is an empty message");
        let url = format!("http://{}{path}", by_http_gzip.http);
        let zipped = by_http_gzip
            .client
            .post(url)
            .header("content-type", PROTOBUF)
            .header("content-encoding", "gzip")
            .body(gzip(&body));
        assert_eq!(zipped.send().await.expect("an answer").status(), 200);
    }
    for (running, encoding) in [(&by_grpc, None), (&by_grpc_gzip, Some(CompressionEncoding::Gzip))] {
        let channel = Channel::from_shared(format!("http://{}", running.grpc))
            .expect("an address")
            .connect()
            .await
            .expect("a connection");
        let (mut trace, mut metric, mut log) = (
            TraceServiceClient::new(channel.clone()),
            MetricsServiceClient::new(channel.clone()),
            LogsServiceClient::new(channel),
        );
        if let Some(encoding) = encoding {
            trace = trace.send_compressed(encoding);
            metric = metric.send_compressed(encoding);
            log = log.send_compressed(encoding);
        }
        let answer = trace.export(request.clone()).await.expect("success").into_inner();
        assert_eq!(answer, ExportTraceServiceResponse { partial_success: None });
        metric.export(metrics()).await.expect("success");
        log.export(logs()).await.expect("success");
    }

    let spans = by_http.memory.spans();
    assert_eq!(spans.len(), 300);
    assert_eq!(by_http.stats.snapshot().spans, 300);
    for other in [&by_http_gzip, &by_grpc, &by_grpc_gzip] {
        assert_eq!(other.memory.spans(), spans);
        assert_eq!(other.memory.points(), by_http.memory.points());
        assert_eq!(other.memory.records(), by_http.memory.records());
    }
    let record = by_http.memory.records().pop().expect("a record");
    assert_eq!((record.unix_ns, &*record.severity_text, record.span_id), (5, "ERROR", None));
    assert!(record.trace_id.is_some());
    let point = by_http.memory.points().pop().expect("a point");
    assert_eq!((&*point.name, point.number()), ("breaker.trips", Some(3.0)));
}
