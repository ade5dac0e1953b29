//! Spans and the resources that emit them.

use std::sync::Arc;

use super::{Attribute, SpanId, TraceId, Value, find};

/// OTLP's span kinds, with OTLP's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Kind {
    /// Not said.
    #[default]
    Unspecified = 0,
    /// Work inside a process.
    Internal = 1,
    /// Answers a remote request.
    Server = 2,
    /// Asks a remote side and waits.
    Client = 3,
    /// Hands a message over.
    Producer = 4,
    /// Takes a message.
    Consumer = 5,
}

/// OTLP's span status, with OTLP's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Status {
    /// Nothing said: no failure known.
    #[default]
    Unset = 0,
    /// Declared successful.
    Ok = 1,
    /// Failed.
    Error = 2,
}

/// The process that emitted telemetry.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// `service.name`, or `unknown_service`.
    pub service: Arc<str>,
    /// `service.instance.id`; falls back to `host.name`, then to the service's name.
    pub instance: Arc<str>,
    /// `mall.listen`: where the process listens, when it says so.
    pub listen: Option<Arc<str>>,
    /// All attributes.
    pub attributes: Vec<Attribute>,
}

/// Something that happened at one instant of a span.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanEvent {
    /// Its name.
    pub name: Arc<str>,
    /// When, nanoseconds since the epoch.
    pub unix_ns: u64,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
}

impl SpanEvent {
    /// The value of an attribute.
    pub fn get(&self, key: &str) -> Option<&Value> {
        find(&self.attributes, key)
    }
}

/// A relation to another span that is not its parent.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Trace of the other span.
    pub trace_id: TraceId,
    /// The other span.
    pub span_id: SpanId,
    /// Attributes of the relation.
    pub attributes: Vec<Attribute>,
}

/// One span.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Trace it belongs to.
    pub trace_id: TraceId,
    /// Its identity in the trace.
    pub span_id: SpanId,
    /// Its parent; `None` for a root. May name the span itself or form a cycle: the forest cuts those.
    pub parent_id: Option<SpanId>,
    /// Operation name.
    pub name: Arc<str>,
    /// Its role.
    pub kind: Kind,
    /// Begin, nanoseconds since the epoch.
    pub start_ns: u64,
    /// End, nanoseconds since the epoch; before `start_ns` on broken clocks, 0 when unfinished.
    pub end_ns: u64,
    /// Outcome.
    pub status: Status,
    /// What the status says, empty when nothing.
    pub status_message: Arc<str>,
    /// Attributes, under current conventions.
    pub attributes: Vec<Attribute>,
    /// Events in the order of arrival.
    pub events: Vec<SpanEvent>,
    /// Links.
    pub links: Vec<Link>,
    /// Who emitted it.
    pub resource: Arc<Resource>,
    /// Instrumentation scope's name.
    pub scope: Arc<str>,
    /// Attributes lost by the emitter or cut by our limits.
    pub dropped_attributes: u32,
    /// Events lost by the emitter or cut by our limits.
    pub dropped_events: u32,
    /// Links lost by the emitter or cut by our limits.
    pub dropped_links: u32,
}

impl Span {
    /// Length in nanoseconds; 0 when it ends before it starts or has not ended.
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }

    /// The value of an attribute.
    pub fn get(&self, key: &str) -> Option<&Value> {
        find(&self.attributes, key)
    }

    /// The first event of a name.
    pub fn event(&self, name: &str) -> Option<&SpanEvent> {
        self.events.iter().find(|event| &*event.name == name)
    }

    /// Whether it answers a remote request or takes a message: what RED figures count.
    pub fn is_entry(&self) -> bool {
        matches!(self.kind, Kind::Server | Kind::Consumer)
    }

    /// Whether it failed.
    pub fn is_error(&self) -> bool {
        self.status == Status::Error
    }

    /// Bytes that the span occupies, an estimate that grows with its texts: what the store's budget counts.
    pub fn weight_bytes(&self) -> usize {
        fn attributes(list: &[Attribute]) -> usize {
            let text = |value: &Value| match value {
                Value::Text(text) | Value::Json(text) => 16 + text.len(),
                _ => 0,
            };
            list.iter().map(|attribute| 44 + text(&attribute.value)).sum()
        }
        let events: usize = self.events.iter().map(|event| 56 + attributes(&event.attributes)).sum();
        let links: usize = self.links.iter().map(|link| 56 + attributes(&link.attributes)).sum();
        240 + self.status_message.len() + attributes(&self.attributes) + events + links
    }
}
