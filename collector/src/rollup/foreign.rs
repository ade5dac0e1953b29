//! What a span says of a breaker that does not speak for itself.
//!
//! Stock go-zero emits no breaker telemetry. A rejection on the calling side is a CLIENT span of an RPC with status
//! Error, the message below and no RPC status code; on the answering side a SERVER span with the same message.

use std::sync::Arc;

use super::cell::BreakerKey;
use crate::model::{Kind, Span, Value, grpc_code_name};

/// RPC statuses that a breaker counts as failures.
const FAILURES: [&str; 6] =
    ["DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"];

/// What go-zero's breaker says when it refuses a call.
const BREAKER_OPEN: &str = "circuit breaker is open";

/// The place at which a foreign breaker refused this span's call.
pub fn rejected_at(span: &Span) -> Option<&'static str> {
    let is_rpc = span.get("rpc.system.name").is_some() || span.get("rpc.method").is_some();
    if !is_rpc || !span.is_error() || !span.status_message.contains(BREAKER_OPEN) {
        return None;
    }
    match span.kind {
        Kind::Client if span.get("rpc.response.status_code").is_none() => Some("client"),
        Kind::Server => Some("server"),
        _ => None,
    }
}

/// Whether a breaker guards the call of a span: they share the process, and the breaker's name is or ends with the
/// span's, where a route is written `METHOD://path` and a span `METHOD path`.
pub fn guards(key: &BreakerKey, span: &Span) -> bool {
    if key.caller != span.resource.instance {
        return false;
    }
    let is_same =
        |name: &str| name == &*span.name || name.strip_suffix(&*span.name).is_some_and(|rest| rest.ends_with('/'));
    match &*key.place {
        "client" => span.kind == Kind::Client && is_same(&key.name),
        "server" => span.kind == Kind::Server && is_same(&key.name),
        "route" => span.kind == Kind::Server && key.name.replacen("://", " ", 1) == *span.name,
        _ => false,
    }
}

/// Whether a breaker counts the call of a failed span as a failure: go-zero accepts business errors such as NOT_FOUND.
pub fn is_breaker_failure(span: &Span) -> bool {
    if !matches!(span.kind, Kind::Client | Kind::Server) {
        return false;
    }
    match span.get("rpc.response.status_code") {
        Some(Value::Text(code)) => FAILURES.contains(&&**code),
        Some(code) => FAILURES.contains(&rpc_code_name(code.as_int())),
        None => span.get("http.response.status_code").and_then(Value::as_int).is_none_or(|status| status >= 500),
    }
}

/// The status of a failed call in words: the RPC's code, the HTTP status, or the kind of error.
pub fn status_code(span: &Span) -> Arc<str> {
    match span.get("rpc.response.status_code") {
        Some(Value::Text(code)) => return code.clone(),
        Some(code) => return Arc::from(rpc_code_name(code.as_int())),
        None => {}
    }
    let http = span.get("http.response.status_code").map(|code| Arc::from(format!("HTTP {code}")));
    let other = || span.get("error.type").map(|kind| Arc::from(kind.to_string()));
    http.or_else(other).unwrap_or_else(|| Arc::from("error"))
}

fn rpc_code_name(code: Option<i64>) -> &'static str {
    code.and_then(grpc_code_name).unwrap_or("UNKNOWN")
}
