//! Spans and log records in full, in the protocol's words.

use collector_api::console::{self, SpanDetail, attribute};

use crate::model::{Attribute, Link, LogRecord, Span, SpanEvent, SpanId, Status, Value};
use crate::rollup::operations::kind_name;

/// Everything that is known of a span.
pub fn span(span: &Span) -> SpanDetail {
    SpanDetail {
        span_id: span.span_id.as_u64(),
        parent_id: span.parent_id.map_or(0, SpanId::as_u64),
        service: span.resource.service.to_string(),
        instance: span.resource.instance.to_string(),
        operation: span.name.to_string(),
        kind: kind_name(span.kind).to_owned(),
        status: status_name(span.status).to_owned(),
        status_message: span.status_message.to_string(),
        start_unix_ns: span.start_ns,
        end_unix_ns: span.end_ns,
        attributes: attributes(&span.attributes),
        resource: attributes(&span.resource.attributes),
        events: span.events.iter().map(event).collect(),
        links: span.links.iter().map(link).collect(),
        scope: span.scope.to_string(),
        dropped_attributes: span.dropped_attributes,
        dropped_events: span.dropped_events,
        dropped_links: span.dropped_links,
    }
}

/// A log record.
pub fn log(record: &LogRecord) -> console::LogRecord {
    console::LogRecord {
        unix_ns: record.unix_ns,
        service: record.resource.service.to_string(),
        instance: record.resource.instance.to_string(),
        severity: record.severity,
        severity_text: record.severity_text.to_string(),
        body: record.body.to_string(),
        trace_id: record.trace_id.map(|trace| trace.to_bytes().to_vec()).unwrap_or_default(),
        span_id: record.span_id.map_or(0, SpanId::as_u64),
        attributes: attributes(&record.attributes),
    }
}

fn event(event: &SpanEvent) -> console::SpanEvent {
    console::SpanEvent {
        name: event.name.to_string(),
        unix_ns: event.unix_ns,
        attributes: attributes(&event.attributes),
    }
}

fn link(link: &Link) -> console::SpanLink {
    console::SpanLink {
        trace_id: link.trace_id.to_bytes().to_vec(),
        span_id: link.span_id.as_u64(),
        attributes: attributes(&link.attributes),
    }
}

fn attributes(list: &[Attribute]) -> Vec<console::Attribute> {
    list.iter().map(attribute).collect()
}

fn attribute(attribute: &Attribute) -> console::Attribute {
    let value = match &attribute.value {
        Value::Text(text) => attribute::Value::Text(text.to_string()),
        Value::Int(number) => attribute::Value::Integer(*number),
        Value::Float(number) => attribute::Value::Number(*number),
        Value::Bool(flag) => attribute::Value::Flag(*flag),
        Value::Json(json) => attribute::Value::Json(json.to_string()),
    };
    console::Attribute { key: attribute.key.to_string(), value: Some(value) }
}

fn status_name(status: Status) -> &'static str {
    match status {
        Status::Unset => "unset",
        Status::Ok => "ok",
        Status::Error => "error",
    }
}
