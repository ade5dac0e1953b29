//! W3C trace context and baggage in HTTP and gRPC headers.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use std::sync::LazyLock;

static TRACE_CONTEXT: LazyLock<TraceContextPropagator> = LazyLock::new(TraceContextPropagator::new);
static BAGGAGE: LazyLock<BaggagePropagator> = LazyLock::new(BaggagePropagator::new);

/// The context that a caller sent; an empty one when it sent none or a broken one.
pub fn extract(headers: &HeaderMap) -> Context {
    let context = TRACE_CONTEXT.extract_with_context(&Context::new(), &Read(headers));
    if headers.contains_key("baggage") { BAGGAGE.extract_with_context(&context, &Read(headers)) } else { context }
}

/// Writes `context` for the callee, in place of what stood there.
pub fn inject(context: &Context, headers: &mut HeaderMap) {
    TRACE_CONTEXT.inject_context(context, &mut Write(headers));
    if !context.baggage().is_empty() {
        BAGGAGE.inject_context(context, &mut Write(headers));
    }
}

struct Read<'a>(&'a HeaderMap);

impl Extractor for Read<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Write<'a>(&'a mut HeaderMap);

impl Injector for Write<'_> {
    fn set(&mut self, key: &str, value: String) {
        // An empty tracestate says nothing and costs a header on every call.
        if value.is_empty() {
            return;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::KeyValue;
    use opentelemetry::trace::TraceContextExt;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_comes_in_goes_out() {
        let mut incoming = HeaderMap::new();
        incoming.insert("traceparent", HeaderValue::from_static(PARENT));
        incoming.insert("baggage", HeaderValue::from_static("tenant=blue"));
        let context = extract(&incoming);
        assert!(context.span().span_context().is_remote());
        assert_eq!(context.baggage().get("tenant").map(ToString::to_string), Some("blue".to_owned()));

        let mut outgoing = HeaderMap::new();
        inject(&context, &mut outgoing);
        assert_eq!(outgoing, incoming);
    }

    #[test]
    fn a_broken_parent_is_no_parent() {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", HeaderValue::from_static("00-zz-b7ad6b7169203331-01"));
        assert!(!extract(&headers).span().span_context().is_valid());
        let mut outgoing = HeaderMap::new();
        inject(&Context::new().with_baggage([KeyValue::new("a", "b")]), &mut outgoing);
        assert_eq!(outgoing.len(), 1);
    }
}
