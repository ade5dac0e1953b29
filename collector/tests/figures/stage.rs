//! A hub under a clock that the test moves, and telemetry in a few words.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use collector::Hub;
use collector::hub::HubOptions;
use collector::model::{
    Attribute, Kind, MetricKind, MetricPoint, MetricValue, Resource, Span, SpanEvent, SpanId, Status, TraceId, Value,
};
use collector::receiver::Sink;

/// When every test begins, nanoseconds since the epoch.
pub const T0: u64 = 1_800_000_000_000_000_000;

/// A millisecond in nanoseconds.
pub const MS: u64 = 1_000_000;

/// A second in nanoseconds.
pub const S: u64 = 1_000_000_000;

/// A hub and its clock.
pub struct Stage {
    pub hub: Hub,
    clock: Arc<AtomicU64>,
}

impl Stage {
    pub fn new(store_bytes: usize) -> Self {
        Self::with(HubOptions { store_bytes, ..HubOptions::default() })
    }

    pub fn with(options: HubOptions) -> Self {
        let clock = Arc::new(AtomicU64::new(T0));
        let reading = Arc::clone(&clock);
        let options = HubOptions { clock: Arc::new(move || reading.load(Ordering::Relaxed)), ..options };
        Self { hub: Hub::new(options), clock }
    }

    /// Moves the clock to `T0 + offset_ns` and lets the hub do what it does as time passes.
    pub fn at(&self, offset_ns: u64) {
        self.clock.store(T0 + offset_ns, Ordering::Relaxed);
        self.hub.tick();
    }

    pub fn send(&self, spans: impl IntoIterator<Item = SpanText>) {
        self.hub.spans(spans.into_iter().map(|span| Arc::new(span.0)).collect());
    }

    pub fn send_points(&self, points: impl IntoIterator<Item = MetricPoint>) {
        self.hub.metrics(points.into_iter().collect());
    }
}

/// A process: `pay-rpc/1` of `pay-rpc`, or a service with a single instance.
pub fn process(instance: &str) -> Arc<Resource> {
    let service = instance.split('/').next().unwrap_or(instance);
    Arc::new(Resource { service: service.into(), instance: instance.into(), listen: None, attributes: Vec::new() })
}

pub fn trace_id(number: u64) -> TraceId {
    TraceId::from_u128(u128::from(number) + 1).expect("not zero")
}

pub fn span_id(number: u64) -> SpanId {
    SpanId::from_u64(number).expect("not zero")
}

pub fn attribute(key: &str, value: impl Into<Text>) -> Attribute {
    Attribute { key: key.into(), value: value.into().0 }
}

/// Anything that an attribute may hold.
pub struct Text(Value);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Value::Text(text.into()))
    }
}

impl From<i64> for Text {
    fn from(number: i64) -> Self {
        Self(Value::Int(number))
    }
}

impl From<f64> for Text {
    fn from(number: f64) -> Self {
        Self(Value::Float(number))
    }
}

impl From<bool> for Text {
    fn from(flag: bool) -> Self {
        Self(Value::Bool(flag))
    }
}

/// A span that is being written.
pub struct SpanText(Span);

/// A span of a process; `parent` 0 makes it a root. Times are offsets from [`T0`].
pub fn span(instance: &str, name: &str, kind: Kind, trace: u64, id: u64, parent: u64, time: Range<u64>) -> SpanText {
    SpanText(Span {
        trace_id: trace_id(trace),
        span_id: span_id(id),
        parent_id: SpanId::from_u64(parent),
        name: name.into(),
        kind,
        start_ns: T0 + time.start,
        end_ns: T0 + time.end,
        status: Status::Unset,
        status_message: "".into(),
        attributes: Vec::new(),
        events: Vec::new(),
        links: Vec::new(),
        resource: process(instance),
        scope: "".into(),
        dropped_attributes: 0,
        dropped_events: 0,
        dropped_links: 0,
    })
}

impl SpanText {
    pub fn with(mut self, key: &str, value: impl Into<Text>) -> Self {
        self.0.attributes.push(attribute(key, value));
        self
    }

    pub fn event(mut self, name: &str, offset_ns: u64, attributes: Vec<Attribute>) -> Self {
        self.0.events.push(SpanEvent { name: name.into(), unix_ns: T0 + offset_ns, attributes });
        self
    }

    pub fn of(mut self, resource: Arc<Resource>) -> Self {
        self.0.resource = resource;
        self
    }

    pub fn failed(mut self, message: &str) -> Self {
        self.0.status = Status::Error;
        self.0.status_message = message.into();
        self
    }
}

/// A counter's point; the process began to count at [`T0`].
pub fn counter(instance: &str, name: &str, attributes: Vec<Attribute>, at_ns: u64, value: f64) -> MetricPoint {
    point(instance, name, MetricKind::Counter, attributes, at_ns, value)
}

/// A gauge's point.
pub fn gauge(instance: &str, name: &str, attributes: Vec<Attribute>, at_ns: u64, value: f64) -> MetricPoint {
    point(instance, name, MetricKind::Gauge, attributes, at_ns, value)
}

fn point(
    instance: &str,
    name: &str,
    kind: MetricKind,
    attributes: Vec<Attribute>,
    at_ns: u64,
    value: f64,
) -> MetricPoint {
    MetricPoint {
        name: name.into(),
        unit: "".into(),
        kind,
        attributes,
        resource: process(instance),
        start_ns: T0,
        time_ns: T0 + at_ns,
        value: MetricValue::Number(value),
    }
}
