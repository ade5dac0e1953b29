//! Spans for the store, without a wire.

#![allow(dead_code, reason = "each behaviour uses its own part of this")]

use std::sync::Arc;

use collector::model::{Attribute, Kind, Resource, Span, SpanEvent, SpanId, Status, TraceId, Value};

pub const SECOND: u64 = 1_000_000_000;

pub fn trace(number: u128) -> TraceId {
    TraceId::from_u128(number).expect("not zero")
}

pub fn id(number: u64) -> SpanId {
    SpanId::from_u64(number).expect("not zero")
}

pub fn resource(service: &str) -> Arc<Resource> {
    Arc::new(Resource {
        service: Arc::from(service),
        instance: Arc::from(format!("{service}/1")),
        listen: None,
        attributes: Vec::new(),
    })
}

/// A root of the gateway that takes a millisecond; fields are for the test to change.
pub fn root(trace_number: u128, start_ns: u64) -> Span {
    Span {
        trace_id: trace(trace_number),
        span_id: id(1),
        parent_id: None,
        name: Arc::from("POST /api/order/create"),
        kind: Kind::Server,
        start_ns,
        end_ns: start_ns + SECOND / 1_000,
        status: Status::Unset,
        status_message: Arc::from(""),
        attributes: Vec::new(),
        events: Vec::new(),
        links: Vec::new(),
        resource: resource("gateway"),
        scope: Arc::from(""),
        dropped_attributes: 0,
        dropped_events: 0,
        dropped_links: 0,
    }
}

pub fn child(trace_number: u128, number: u64, parent: u64, start_ns: u64) -> Span {
    Span {
        span_id: id(number),
        parent_id: SpanId::from_u64(parent),
        name: Arc::from("SELECT"),
        kind: Kind::Client,
        ..root(trace_number, start_ns)
    }
}

pub fn failed(span: Span) -> Span {
    Span { status: Status::Error, ..span }
}

pub fn with_event(mut span: Span, name: &str) -> Span {
    span.events.push(SpanEvent { name: Arc::from(name), unix_ns: span.start_ns, attributes: Vec::new() });
    span
}

pub fn padded(mut span: Span, bytes: usize) -> Span {
    span.attributes.push(Attribute { key: Arc::from("padding"), value: Value::Text(Arc::from("x".repeat(bytes))) });
    span
}
