//! Builds spans for tests.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::Arc;

use collector::model::{Attribute, Kind, Resource, Span, SpanEvent, SpanId, Status, TraceId, Value};

/// A span under construction.
pub struct Builder(Span);

/// A span of the only trace, by number; parent 0 is a root.
pub fn span(id: u64, parent: u64, start_ns: u64, end_ns: u64) -> Builder {
    Builder(Span {
        trace_id: TraceId::from_u128(7).expect("not zero"),
        span_id: SpanId::from_u64(id).expect("not zero"),
        parent_id: SpanId::from_u64(parent),
        name: Arc::from(format!("span {id}")),
        kind: Kind::Internal,
        start_ns,
        end_ns,
        status: Status::Unset,
        status_message: Arc::from(""),
        attributes: Vec::new(),
        events: Vec::new(),
        links: Vec::new(),
        resource: resource("shop", "shop/1"),
        scope: Arc::from(""),
        dropped_attributes: 0,
        dropped_events: 0,
        dropped_links: 0,
    })
}

/// A resource without attributes.
pub fn resource(service: &str, instance: &str) -> Arc<Resource> {
    Arc::new(Resource {
        service: Arc::from(service),
        instance: Arc::from(instance),
        listen: None,
        attributes: Vec::new(),
    })
}

/// A text attribute.
pub fn text(key: &str, value: &str) -> Attribute {
    Attribute { key: Arc::from(key), value: Value::Text(Arc::from(value)) }
}

/// An integer attribute.
pub fn int(key: &str, value: i64) -> Attribute {
    Attribute { key: Arc::from(key), value: Value::Int(value) }
}

impl Builder {
    pub fn named(mut self, name: &str) -> Self {
        self.0.name = Arc::from(name);
        self
    }

    pub fn kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    pub fn of(mut self, service: &str, instance: &str) -> Self {
        self.0.resource = resource(service, instance);
        self
    }

    pub fn failed(mut self) -> Self {
        self.0.status = Status::Error;
        self
    }

    pub fn with(mut self, attribute: Attribute) -> Self {
        self.0.attributes.push(attribute);
        self
    }

    pub fn event(mut self, name: &str, attributes: Vec<Attribute>) -> Self {
        self.0.events.push(SpanEvent { name: Arc::from(name), unix_ns: self.0.start_ns, attributes });
        self
    }

    pub fn build(self) -> Arc<Span> {
        Arc::new(self.0)
    }
}
