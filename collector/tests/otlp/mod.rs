//! A receiver on loopback whose sink remembers, and requests to send to it.

#![allow(dead_code, reason = "each behaviour uses its own part of this")]

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use collector::model::{LogRecord, MetricPoint, Span};
use collector::receiver::{Limits, Receiver, Sink, Stats};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as WireSpan};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const PROTOBUF: &str = "application/x-protobuf";

#[derive(Default)]
pub struct Memory {
    pub spans: Mutex<Vec<Arc<Span>>>,
    pub points: Mutex<Vec<MetricPoint>>,
    pub records: Mutex<Vec<LogRecord>>,
}

impl Sink for Memory {
    fn spans(&self, spans: Vec<Arc<Span>>) {
        assert!(spans.iter().all(|span| &*span.name != "panic in the sink"), "as the test asked");
        self.spans.lock().expect("no panic under the lock").extend(spans);
    }

    fn metrics(&self, points: Vec<MetricPoint>) {
        self.points.lock().expect("no panic under the lock").extend(points);
    }

    fn logs(&self, records: Vec<LogRecord>) {
        self.records.lock().expect("no panic under the lock").extend(records);
    }
}

impl Memory {
    pub fn spans(&self) -> Vec<Arc<Span>> {
        self.spans.lock().expect("no panic under the lock").clone()
    }

    pub fn points(&self) -> Vec<MetricPoint> {
        self.points.lock().expect("no panic under the lock").clone()
    }

    pub fn records(&self) -> Vec<LogRecord> {
        self.records.lock().expect("no panic under the lock").clone()
    }
}

pub struct Running {
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    pub memory: Arc<Memory>,
    pub stats: Arc<Stats>,
    pub stop: CancellationToken,
    pub served: JoinHandle<()>,
    pub client: reqwest::Client,
}

pub fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub async fn start(limits: Limits) -> Running {
    let memory = Arc::new(Memory::default());
    let receiver =
        Receiver::bind(loopback(), loopback(), limits, Arc::clone(&memory) as Arc<dyn Sink>).await.expect("free ports");
    let (grpc, http) = receiver.addresses();
    let (stats, stop) = (receiver.stats(), CancellationToken::new());
    let served = tokio::spawn(receiver.serve(stop.clone()));
    Running { grpc, http, memory, stats, stop, served, client: reqwest::Client::new() }
}

impl Running {
    /// Sends a body to the HTTP port.
    pub async fn post(&self, path: &str, content_type: &str, body: Vec<u8>) -> reqwest::Response {
        let url = format!("http://{}{path}", self.http);
        reqwest::Client::new()
            .post(url)
            .header("content-type", content_type)
            .body(body)
            .send()
            .await
            .expect("an answer")
    }

    pub fn refused(&self, reason: &str) -> u64 {
        self.stats.snapshot().refused_by_reason.get(reason).copied().unwrap_or_default()
    }
}

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

pub fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

pub fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

pub fn resource(service: &str) -> Resource {
    let attributes = vec![text("service.name", service), text("service.instance.id", &format!("{service}/1"))];
    Resource { attributes, ..Default::default() }
}

/// A span of trace 7 whose id and times follow from its number.
pub fn span(number: u64) -> WireSpan {
    WireSpan {
        trace_id: 7_u128.to_be_bytes().to_vec(),
        span_id: number.to_be_bytes().to_vec(),
        parent_span_id: if number == 1 { Vec::new() } else { 1_u64.to_be_bytes().to_vec() },
        name: format!("operation {number}"),
        kind: 2,
        start_time_unix_nano: 1_000_000_000 + number,
        end_time_unix_nano: 2_000_000_000 + number,
        attributes: vec![
            text("http.route", "/api/order/create"),
            attribute("http.response.status_code", Value::IntValue(200)),
        ],
        events: vec![Event {
            time_unix_nano: 1_500_000_000,
            name: "something".into(),
            attributes: vec![text("k", "v")],
            ..Default::default()
        }],
        ..Default::default()
    }
}

pub fn traces(spans: Vec<WireSpan>) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans { spans, ..Default::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource("order-rpc")),
            scope_spans,
            ..Default::default()
        }],
    }
}

/// What a raw gRPC call was answered with.
#[derive(Debug)]
pub struct GrpcAnswer {
    pub code: i32,
    pub message: String,
    pub has_retry_info: bool,
    pub payload: Vec<u8>,
}

/// Sends a body to a method of the gRPC port, as it is: frames are the caller's business.
pub async fn call(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> GrpcAnswer {
    use http_body_util::{BodyExt, Full};
    use tonic_types::StatusExt;

    let stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.expect("a handshake");
    let driver = tokio::spawn(connection);
    let mut request = http::Request::post(format!("http://{address}{path}")).header("content-type", "application/grpc");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(bytes::Bytes::from(body))).expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    let (head, body) = response.into_parts();
    let collected = body.collect().await.expect("a body");
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let status = tonic::Status::from_header_map(&head.headers).or_else(|| tonic::Status::from_header_map(&trailers));
    let status = status.expect("a grpc status");
    let payload = collected.to_bytes().to_vec();
    drop(sender);
    driver.abort();
    GrpcAnswer {
        code: i32::from(status.code()),
        message: status.message().to_owned(),
        has_retry_info: status.get_details_retry_info().is_some(),
        payload,
    }
}

pub const EXPORT_TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A gRPC frame.
pub fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a message below 4 GiB");
    [&[flag][..], &length.to_be_bytes(), message].concat()
}
