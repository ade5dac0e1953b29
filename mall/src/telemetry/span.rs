//! Spans, straight on the OpenTelemetry API: a span costs half a microsecond, its attributes only when it is recorded.

use futures::FutureExt as _;
use opentelemetry::context::FutureExt as _;
use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;
use std::borrow::Cow;
use std::sync::OnceLock;

/// One tracer per process: the first one that is installed stays.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Makes `tracer` the process's tracer; false when there is one already.
pub fn install(tracer: SdkTracer) -> bool {
    TRACER.set(tracer).is_ok()
}

/// Starts a span under `parent` and returns the context that holds it. Without a tracer the parent is returned.
///
/// Who starts a span ends it with [`end`]; a dropped context ends it too, without a status.
pub fn start(
    parent: &Context,
    name: impl Into<Cow<'static, str>>,
    kind: SpanKind,
    attributes: impl FnOnce() -> Vec<KeyValue>,
) -> Context {
    let Some(tracer) = TRACER.get() else { return parent.clone() };
    let span = tracer.build_with_context(SpanBuilder::from_name(name).with_kind(kind), parent);
    let context = parent.with_span(span);
    if context.span().is_recording() {
        context.span().set_attributes(attributes());
    }
    context
}

/// Ends the span of a context that [`start`] returned.
pub fn end(context: &Context) {
    // Without a tracer the context is the parent's, whose span is not ours to end.
    if TRACER.get().is_some() {
        context.span().end();
    }
}

/// Runs `future` in a span of its own, a child of the current one. The span begins now and ends with the future, also when
/// that is dropped.
///
/// A plain function on purpose: an `async fn` would hold `future` twice, and nested spans would double it each time.
pub fn in_span<T, N, A, F>(name: N, kind: SpanKind, attributes: A, future: F) -> impl Future<Output = T>
where
    N: Into<Cow<'static, str>>,
    A: FnOnce() -> Vec<KeyValue>,
    F: Future<Output = T>,
{
    in_span_of(&Context::current(), name, kind, attributes, future)
}

/// [`in_span`] with a given parent: the extracted context of a request, or an empty one for a trace of its own.
pub fn in_span_of<T, N, A, F>(
    parent: &Context,
    name: N,
    kind: SpanKind,
    attributes: A,
    future: F,
) -> impl Future<Output = T> + use<T, N, A, F>
where
    N: Into<Cow<'static, str>>,
    A: FnOnce() -> Vec<KeyValue>,
    F: Future<Output = T>,
{
    let context = start(parent, name, kind, attributes);
    let ended = context.clone();
    let ending = future.map(move |output| {
        end(&ended);
        output
    });
    ending.with_context(context)
}

/// Sets an attribute of the current span.
pub fn set(attribute: KeyValue) {
    Context::map_current(|context| context.span().set_attribute(attribute));
}

/// Adds an event to the current span; the attributes are built only when it is recorded.
pub fn event(name: impl Into<Cow<'static, str>>, attributes: impl FnOnce() -> Vec<KeyValue>) {
    Context::map_current(|context| {
        let span = context.span();
        if span.is_recording() {
            span.add_event(name, attributes());
        }
    });
}

/// Marks the current span as failed.
pub fn fail(message: impl Into<Cow<'static, str>>) {
    Context::map_current(|context| context.span().set_status(Status::error(message)));
}

/// Whether the current span is recorded.
pub fn is_recording() -> bool {
    Context::map_current(|context| context.span().is_recording())
}

/// The current trace's id in hex; `None` outside of any trace.
pub fn trace_id() -> Option<String> {
    Context::map_current(|context| {
        let span = context.span();
        let id = span.span_context();
        id.is_valid().then(|| id.trace_id().to_string())
    })
}
