//! One call as telemetry sees it, from its first moment to its end.

use super::method::Method;
use super::status::code_name;
use crate::telemetry::{Meters, Side, span};
use opentelemetry::trace::{SpanKind, Status as SpanStatus, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use std::sync::Arc;
use tokio::time::Instant;
use tonic::Code;

/// A call under way: its span, and its time. Dropped without [`Observed::conclude`], it was cancelled.
pub(super) struct Observed {
    context: Context,
    method: Arc<Method>,
    meters: Meters,
    side: Side,
    began: Instant,
    is_concluded: bool,
}

impl Observed {
    /// Begins a span under `parent`.
    pub(super) fn begin(side: Side, parent: &Context, method: Arc<Method>, meters: Meters) -> Self {
        let kind = match side {
            Side::Client => SpanKind::Client,
            Side::Server => SpanKind::Server,
        };
        let attributes = || method.rpc.span_attributes().to_vec();
        let context = span::start(parent, method.rpc.name.to_string(), kind, attributes);
        Self { context, method, meters, side, began: Instant::now(), is_concluded: false }
    }

    /// The context that holds the span.
    pub(super) fn context(&self) -> Context {
        self.context.clone()
    }

    /// Ends the call with its status.
    pub(super) fn conclude(mut self, code: Code, message: &str) {
        self.end(code, message);
    }

    fn end(&mut self, code: Code, message: &str) {
        if std::mem::replace(&mut self.is_concluded, true) {
            return;
        }
        let span = self.context.span();
        if span.is_recording() {
            let name = code_name(code);
            span.set_attribute(KeyValue::new("rpc.response.status_code", name));
            if is_error(self.side, code) {
                span.set_attribute(KeyValue::new("error.type", name));
                span.set_status(SpanStatus::error(message.to_owned()));
            }
        }
        span::end(&self.context);
        self.meters.rpc_call(self.side, &self.method.rpc, code, self.began.elapsed());
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.end(Code::Cancelled, "cancelled by the caller");
    }
}

/// By the semantic conventions: to a caller every code but OK is an error, to a server only what is its own fault.
fn is_error(side: Side, code: Code) -> bool {
    match side {
        Side::Client => code != Code::Ok,
        Side::Server => matches!(
            code,
            Code::Unknown
                | Code::DeadlineExceeded
                | Code::Unimplemented
                | Code::Internal
                | Code::Unavailable
                | Code::DataLoss
        ),
    }
}
