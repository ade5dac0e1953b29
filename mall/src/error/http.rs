//! The form that clients of the gateway see: JSON with an honest status.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use serde::Serialize;

use super::AppError;

/// Body of every answer that is not a success.
#[derive(Debug, Serialize)]
pub struct ErrorBody<'a> {
    /// Number of the error code.
    pub code: u32,
    /// For people.
    pub message: &'a str,
    /// What outcomes are counted by.
    pub reason: &'static str,
    /// Trace of the request, 32 hexadecimal digits; empty when there is none.
    pub trace_id: String,
    /// Of a breaker's rejection: `client`, `server` or `route`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<&'a str>,
    /// Of a breaker's rejection: which breaker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// The order that exists although the request failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<i64>,
}

/// Left in a response's extensions, so that the layers outside can tell what a status alone does not.
#[derive(Debug, Clone)]
pub struct Failure(pub AppError);

impl AppError {
    /// HTTP status of the answer. An order that exists although the request failed makes it 503: asking again with the same
    /// key resumes at the payment.
    pub fn http_status(&self) -> StatusCode {
        if self.order_id.is_some() {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        StatusCode::from_u16(self.code.row().http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The answer's body, with the trace of the current context.
    pub fn body(&self) -> ErrorBody<'_> {
        let row = self.code.row();
        ErrorBody {
            code: row.code,
            message: &self.message,
            reason: row.reason.as_str(),
            trace_id: current_trace_id(),
            place: self.place.as_deref(),
            name: self.name.as_deref(),
            order_id: self.order_id,
        }
    }
}

fn current_trace_id() -> String {
    let context = Context::current();
    let span = context.span();
    let span_context = span.span_context();
    if span_context.is_valid() { span_context.trace_id().to_string() } else { String::new() }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let mut response = (self.http_status(), Json(self.body())).into_response();
        response.extensions_mut().insert(Failure(self));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn a_body_names_code_reason_place_and_order() {
        let error = AppError::breaker("client", "pay-rpc/mall.Pay/InitiatePayment").with_order(7);
        let body = serde_json::to_value(error.body()).expect("serialises");
        assert_eq!(error.http_status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body["code"], 5000);
        assert_eq!(body["reason"], "breaker");
        assert_eq!(body["place"], "client");
        assert_eq!(body["order_id"], 7);
        assert_eq!(body["trace_id"], "");
    }

    #[test]
    fn what_does_not_apply_is_absent() {
        let body = serde_json::to_value(AppError::new(ErrorCode::OrderNotFound, "no").body()).expect("serialises");
        let keys: Vec<_> = body.as_object().expect("object").keys().cloned().collect();
        assert_eq!(keys, ["code", "message", "reason", "trace_id"]);
    }
}
