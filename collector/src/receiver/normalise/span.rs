//! Spans.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span as WireSpan;
use opentelemetry_proto::tonic::trace::v1::span::{Event as WireEvent, Link as WireLink};

use super::{Normaliser, Rejected, convention};
use crate::model::{Kind, Link, Resource, Span, SpanEvent, SpanId, Status, TraceId};

const BAD_TRACE_ID: &str = "bad trace id";
const BAD_SPAN_ID: &str = "bad span id";
const BAD_PARENT_ID: &str = "bad parent id";

fn kind(number: i32) -> Kind {
    match number {
        1 => Kind::Internal,
        2 => Kind::Server,
        3 => Kind::Client,
        4 => Kind::Producer,
        5 => Kind::Consumer,
        _ => Kind::Unspecified,
    }
}

fn status(number: i32) -> Status {
    match number {
        1 => Status::Ok,
        2 => Status::Error,
        _ => Status::Unset,
    }
}

/// A parent: none when empty or all zero.
fn parent(bytes: &[u8]) -> Result<Option<SpanId>, &'static str> {
    match (bytes.len(), SpanId::from_bytes(bytes)) {
        (0 | 8, parent) => Ok(parent),
        _ => Err(BAD_PARENT_ID),
    }
}

fn identities(span: &WireSpan) -> Result<(TraceId, SpanId, Option<SpanId>), &'static str> {
    let trace_id = TraceId::from_bytes(&span.trace_id).ok_or(BAD_TRACE_ID)?;
    let span_id = SpanId::from_bytes(&span.span_id).ok_or(BAD_SPAN_ID)?;
    Ok((trace_id, span_id, parent(&span.parent_span_id)?))
}

impl Normaliser {
    /// The spans of a request, and those that were refused because their identities are invalid.
    pub fn spans(&self, request: ExportTraceServiceRequest) -> (Vec<Arc<Span>>, Rejected) {
        let scopes = request.resource_spans.iter().flat_map(|of_resource| &of_resource.scope_spans);
        let mut spans = Vec::with_capacity(scopes.map(|of_scope| of_scope.spans.len()).sum());
        let mut rejected = Rejected::default();
        for of_resource in request.resource_spans {
            let resource = self.resource(of_resource.resource);
            for of_scope in of_resource.scope_spans {
                let scope = self.word(&of_scope.scope.unwrap_or_default().name);
                for wire in of_scope.spans {
                    match identities(&wire) {
                        Ok(identities) => spans.push(Arc::new(self.span(wire, identities, &resource, &scope))),
                        Err(reason) => rejected.reject(reason, || wire.name.clone()),
                    }
                }
            }
        }
        (spans, rejected)
    }

    fn span(
        &self,
        wire: WireSpan,
        (trace_id, span_id, parent_id): (TraceId, SpanId, Option<SpanId>),
        resource: &Arc<Resource>,
        scope: &Arc<str>,
    ) -> Span {
        let kind = kind(wire.kind);
        let (mut attributes, lost_attributes) = self.attributes(wire.attributes);
        convention::modernise(&mut attributes, kind, &self.words);
        let (events, lost_events) = self.events(wire.events);
        let (links, lost_links) = self.links(wire.links);
        let wire_status = wire.status.unwrap_or_default();
        Span {
            trace_id,
            span_id,
            parent_id,
            name: self.name(&self.operations, if wire.name.is_empty() { "unnamed" } else { &wire.name }),
            kind,
            start_ns: wire.start_time_unix_nano,
            end_ns: wire.end_time_unix_nano,
            status: status(wire_status.code),
            status_message: self.word(&wire_status.message),
            attributes,
            events,
            links,
            resource: Arc::clone(resource),
            scope: Arc::clone(scope),
            dropped_attributes: wire.dropped_attributes_count.saturating_add(lost_attributes),
            dropped_events: wire.dropped_events_count.saturating_add(lost_events),
            dropped_links: wire.dropped_links_count.saturating_add(lost_links),
        }
    }

    fn events(&self, list: Vec<WireEvent>) -> (Vec<SpanEvent>, u32) {
        let lost = list.len().saturating_sub(self.limits.events) as u32;
        let event = |wire: WireEvent| SpanEvent {
            name: self.word(&wire.name),
            unix_ns: wire.time_unix_nano,
            attributes: self.attributes(wire.attributes).0,
        };
        (list.into_iter().take(self.limits.events).map(event).collect(), lost)
    }

    fn links(&self, list: Vec<WireLink>) -> (Vec<Link>, u32) {
        let count = list.len();
        let link = |wire: WireLink| {
            let trace_id = TraceId::from_bytes(&wire.trace_id)?;
            let span_id = SpanId::from_bytes(&wire.span_id)?;
            Some(Link { trace_id, span_id, attributes: self.attributes(wire.attributes).0 })
        };
        let links: Vec<Link> = list.into_iter().take(self.limits.links).filter_map(link).collect();
        let lost = (count - links.len()) as u32;
        (links, lost)
    }
}
