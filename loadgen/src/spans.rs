//! The load tool's own CLIENT spans: exported over OTLP/gRPC, acknowledged, retried, and never dropped in silence.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use collector_api::vocabulary;
use flume::{Receiver, Sender};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span, status};
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

/// Spans that may wait for the collector.
const QUEUE: usize = 65_536;
/// Spans in one export.
const BATCH: usize = 512;
/// Longest time that a span waits for others.
const LINGER: Duration = Duration::from_millis(200);
/// First and last pause between attempts.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How long a batch is retried before it is given up and counted.
const GIVE_UP: Duration = Duration::from_secs(15);
/// Time limit of one attempt.
const ATTEMPT: Duration = Duration::from_secs(5);

/// One request as the load tool saw it.
#[derive(Debug, Clone)]
pub struct ClientSpan {
    /// Trace that the target continues.
    pub trace_id: [u8; 16],
    /// Span that the target's span has as its parent.
    pub span_id: [u8; 8],
    /// `POST /api/order/create`.
    pub name: Arc<str>,
    /// Flow of the scenario.
    pub flow: Arc<str>,
    /// Step of the flow.
    pub step: Arc<str>,
    /// HTTP method.
    pub method: http::Method,
    /// Path without its query.
    pub path: String,
    /// When the request should have been sent.
    pub intended_unix_ns: u64,
    /// When it was.
    pub start_unix_ns: u64,
    /// When the last byte was read.
    pub end_unix_ns: u64,
    /// Status of the answer.
    pub status: Option<u16>,
    /// `ok`, or why it failed.
    pub outcome: String,
    /// Whether it was as expected.
    pub ok: bool,
}

/// What became of the spans.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Acknowledged by the collector.
    pub acknowledged: AtomicU64,
    /// Refused by the collector, or given up after many attempts.
    pub lost: AtomicU64,
}

/// What the exporter is told. `None` ends it: a worker that was given up may hold its handle for ever.
type Item = Option<Box<ClientSpan>>;

/// Takes spans; cheap to clone.
#[derive(Debug, Clone)]
pub struct Spans {
    queue: Sender<Item>,
    delivery: Arc<Delivery>,
}

/// The task that sends.
#[derive(Debug)]
pub struct Exporter {
    queue: Sender<Item>,
    task: JoinHandle<()>,
    delivery: Arc<Delivery>,
}

/// Who sends, and about what.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Run id.
    pub run_id: String,
    /// Host of the target.
    pub server_address: String,
    /// Its port.
    pub server_port: u16,
}

/// Starts the exporter; the connection is made when the first span is sent.
pub fn start(collector: SocketAddr, origin: Origin) -> Result<(Spans, Exporter), tonic::transport::Error> {
    let channel = Endpoint::from_shared(format!("http://{collector}"))?.timeout(ATTEMPT).connect_lazy();
    let (queue, spans) = flume::bounded(QUEUE);
    let delivery = Arc::new(Delivery::default());
    let task = tokio::spawn(export(channel, spans, origin, delivery.clone()));
    Ok((Spans { queue: queue.clone(), delivery: delivery.clone() }, Exporter { queue, task, delivery }))
}

impl Spans {
    /// Hands a span over; a full queue counts it as lost.
    pub fn send(&self, span: ClientSpan) {
        if self.queue.try_send(Some(Box::new(span))).is_err() {
            self.delivery.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Exporter {
    /// Waits until every span is acknowledged or given up; tells how many were acknowledged and lost.
    pub async fn finish(self) -> (u64, u64) {
        let _ = self.queue.send_async(None).await;
        let _ = self.task.await;
        (self.delivery.acknowledged.load(Ordering::Relaxed), self.delivery.lost.load(Ordering::Relaxed))
    }
}

async fn export(channel: Channel, spans: Receiver<Item>, origin: Origin, delivery: Arc<Delivery>) {
    let mut client = TraceServiceClient::new(channel);
    let resource = Resource {
        attributes: vec![
            text("service.name", vocabulary::LOADGEN_SERVICE),
            text("service.instance.id", &format!("{}/{}", vocabulary::LOADGEN_SERVICE, origin.run_id)),
            text("service.version", env!("CARGO_PKG_VERSION")),
        ],
        ..Resource::default()
    };
    let mut batches = Batches { spans, ended: false };
    while let Some(batch) = batches.next().await {
        let size = batch.len() as u64;
        let spans = batch.into_iter().map(|span| to_otlp(&span, &origin)).collect();
        let scope = InstrumentationScope { name: "loadgen".into(), ..InstrumentationScope::default() };
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(resource.clone()),
                scope_spans,
                ..ResourceSpans::default()
            }],
        };
        let rejected = deliver(&mut client, request, size).await;
        delivery.lost.fetch_add(rejected, Ordering::Relaxed);
        delivery.acknowledged.fetch_add(size - rejected, Ordering::Relaxed);
    }
}

/// Groups spans that wait.
struct Batches {
    spans: Receiver<Item>,
    ended: bool,
}

impl Batches {
    /// The next spans: as many as wait, at least one; `None` when no more will come.
    async fn next(&mut self) -> Option<Vec<ClientSpan>> {
        if self.ended {
            return None;
        }
        let first = self.spans.recv_async().await.ok()??;
        let mut batch = Vec::with_capacity(BATCH);
        batch.push(*first);
        let deadline = tokio::time::Instant::now() + LINGER;
        while batch.len() < BATCH && !self.ended {
            match tokio::time::timeout_at(deadline, self.spans.recv_async()).await {
                Ok(Ok(Some(span))) => batch.push(*span),
                Ok(Ok(None) | Err(_)) => self.ended = true,
                Err(_) => break,
            }
        }
        Some(batch)
    }
}

/// Sends until acknowledged; tells how many spans were not taken.
async fn deliver(client: &mut TraceServiceClient<Channel>, request: ExportTraceServiceRequest, size: u64) -> u64 {
    let begin = Instant::now();
    let mut pause = BACK_OFF.0;
    loop {
        match client.export(request.clone()).await {
            Ok(reply) => {
                let rejected = reply.into_inner().partial_success.map_or(0, |partial| partial.rejected_spans);
                return u64::try_from(rejected).unwrap_or(0).min(size);
            }
            Err(status) if begin.elapsed() > GIVE_UP || !is_transient(status.code()) => {
                tracing::warn!(%status, spans = size, "the collector does not take our spans");
                return size;
            }
            Err(_) => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(BACK_OFF.1);
    }
}

/// The codes that OTLP allows to be retried.
fn is_transient(code: tonic::Code) -> bool {
    use tonic::Code;
    matches!(
        code,
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
            | Code::ResourceExhausted
    )
}

fn to_otlp(client: &ClientSpan, origin: &Origin) -> Span {
    let mut attributes = vec![
        text(vocabulary::RUN_ID, &origin.run_id),
        text(vocabulary::RUN_FLOW, &client.flow),
        text(vocabulary::RUN_STEP, &client.step),
        integer(vocabulary::RUN_INTENDED_UNIX_NS, client.intended_unix_ns as i64),
        text(vocabulary::RUN_OUTCOME, &client.outcome),
        text("http.request.method", client.method.as_str()),
        text("url.path", &client.path),
        text("server.address", &origin.server_address),
        integer("server.port", i64::from(origin.server_port)),
    ];
    if let Some(status) = client.status {
        attributes.push(integer("http.response.status_code", i64::from(status)));
    }
    if !client.ok {
        attributes.push(text("error.type", &client.outcome));
    }
    let code = if client.ok { status::StatusCode::Unset } else { status::StatusCode::Error };
    Span {
        trace_id: client.trace_id.to_vec(),
        span_id: client.span_id.to_vec(),
        name: client.name.to_string(),
        kind: span::SpanKind::Client as i32,
        start_time_unix_nano: client.start_unix_ns,
        end_time_unix_nano: client.end_unix_ns,
        attributes,
        status: Some(Status { code: code as i32, ..Status::default() }),
        flags: 1,
        ..Span::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn integer(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
