//! What receiving costs beyond decoding: spans a second through the handler into a full, evicting store, beside the same
//! bytes decoded and dropped. The last line is the ratio, measured in alternation within one run.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use collector::model::{LogRecord, MetricPoint, Span};
use collector::receiver::{Limits, Receiver, Signal, Sink};
use collector::store::{TraceLimits, TraceStore};
use criterion::{BatchSize, Criterion, Throughput};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as WireSpan};
use prost::Message;

const SPANS: u64 = 512;
const SPANS_PER_TRACE: u64 = 20;
const ROUNDS: u32 = 400;

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

/// First half of every trace id: found again in the encoded bytes to make each body's traces new.
const MARK: [u8; 8] = *b"\xfebench\xca\xfe";

fn span(number: u64) -> WireSpan {
    let pick = Event {
        name: "p2c.pick".into(),
        time_unix_nano: 1_700_000_000_000_000_000,
        attributes: vec![
            text("a.target", "127.0.0.1:9001"),
            text("b.target", "127.0.0.1:9002"),
            text("chosen", "127.0.0.1:9001"),
        ],
        ..Default::default()
    };
    WireSpan {
        trace_id: [MARK, (number / SPANS_PER_TRACE).to_be_bytes()].concat(),
        span_id: (number + 1).to_be_bytes().to_vec(),
        parent_span_id: if number.is_multiple_of(SPANS_PER_TRACE) { Vec::new() } else { number.to_be_bytes().to_vec() },
        name: format!("order.Order/Operation{}", number % 12),
        kind: 2 + (number % 2) as i32,
        start_time_unix_nano: 1_700_000_000_000_000_000 + number,
        end_time_unix_nano: 1_700_000_000_001_000_000 + number * 1_000,
        attributes: vec![
            text("rpc.system.name", "grpc"),
            text("rpc.method", "order.Order/CreateOrder"),
            text("rpc.response.status_code", "OK"),
            text("server.address", "127.0.0.1"),
            attribute("server.port", Value::IntValue(9_001)),
            text("loadbalancer.algorithm", "p2c"),
            text("loadbalancer.target", "127.0.0.1:9001"),
            attribute("order.id", Value::IntValue(number as i64)),
        ],
        events: if number % 2 == 1 { vec![pick] } else { Vec::new() },
        ..Default::default()
    }
}

/// An encoded request of which each copy holds other traces.
struct Bodies {
    template: Vec<u8>,
    positions: Vec<usize>,
    next: u64,
}

impl Bodies {
    fn new() -> Self {
        let resource = Resource {
            attributes: vec![text("service.name", "order-rpc"), text("service.instance.id", "order-rpc/1")],
            ..Default::default()
        };
        let scope_spans = vec![ScopeSpans { spans: (0..SPANS).map(span).collect(), ..Default::default() }];
        let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans, ..Default::default() }];
        let template = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let positions: Vec<usize> =
            template.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK).map(|(at, _)| at).collect();
        assert_eq!(positions.len() as u64, SPANS);
        Self { template, positions, next: 0 }
    }

    fn body(&mut self) -> Bytes {
        self.next += 1;
        let mut body = self.template.clone();
        for at in &self.positions {
            body[*at..*at + 8].copy_from_slice(&self.next.to_be_bytes());
        }
        Bytes::from(body)
    }
}

/// Keeps spans as the collector does, without its figures.
struct Keep {
    store: TraceStore,
    now_ns: AtomicU64,
}

impl Sink for Keep {
    fn spans(&self, spans: Vec<Arc<Span>>) {
        // A body every millisecond: traces fall quiet a thousand bodies later.
        let now_ns = self.now_ns.fetch_add(1_000_000, Ordering::Relaxed);
        for span in spans {
            self.store.insert(span, now_ns);
        }
        if now_ns.is_multiple_of(250_000_000) {
            black_box(self.store.take_quiet(now_ns));
        }
    }

    fn metrics(&self, _: Vec<MetricPoint>) {}
    fn logs(&self, _: Vec<LogRecord>) {}
}

struct Drop;

impl Sink for Drop {
    fn spans(&self, spans: Vec<Arc<Span>>) {
        black_box(spans);
    }

    fn metrics(&self, _: Vec<MetricPoint>) {}
    fn logs(&self, _: Vec<LogRecord>) {}
}

fn receiver(sink: Arc<dyn Sink>) -> Receiver {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let loopback = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    runtime.block_on(Receiver::bind(loopback, loopback, Limits::default(), sink)).expect("free ports")
}

fn decode(body: Bytes) {
    black_box(ExportTraceServiceRequest::decode(body).expect("a request"));
}

fn take_in(receiver: &Receiver, body: Bytes) {
    black_box(receiver.take_in(Signal::Traces, body).expect("a good request"));
}

fn timed(total: &mut Duration, work: impl FnOnce()) {
    let begin = Instant::now();
    work();
    *total += begin.elapsed();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut bodies = Bodies::new();
    let keep = Arc::new(Keep {
        store: TraceStore::new(TraceLimits { bytes: 64 << 20, ..TraceLimits::default() }),
        now_ns: AtomicU64::new(0),
    });
    let (keeping, dropping) = (receiver(Arc::clone(&keep) as Arc<dyn Sink>), receiver(Arc::new(Drop)));

    let mut group = criterion.benchmark_group("ingest 512 spans");
    group.throughput(Throughput::Elements(SPANS));
    let ways: [(&str, &dyn Fn(Bytes)); 3] = [
        ("decode and drop", &decode),
        ("normalise and drop", &|body| take_in(&dropping, body)),
        ("normalise and keep", &|body| take_in(&keeping, body)),
    ];
    for (name, way) in ways {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(|| bodies.body(), way, BatchSize::SmallInput);
        });
    }
    group.finish();

    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let (mut floor, mut ours) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        let (first, second) = (bodies.body(), bodies.body());
        timed(&mut floor, || decode(first));
        timed(&mut ours, || take_in(&keeping, second));
    }
    let rate = |total: Duration| f64::from(ROUNDS) * SPANS as f64 / total.as_secs_f64() / 1e3;
    let stats = keep.store.stats();
    println!(
        "decode and drop {:.0} k spans/s, normalise and keep {:.0} k spans/s, ratio {:.2}",
        rate(floor),
        rate(ours),
        ours.as_secs_f64() / floor.as_secs_f64()
    );
    println!(
        "store: {} of {} bytes, {} traces kept, {} evicted",
        stats.bytes, stats.byte_limit, stats.traces_kept, stats.evicted_traces
    );
}
