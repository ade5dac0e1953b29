//! Requests that no route answers: traced, but in no metric and behind no breaker, as in go-zero.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use opentelemetry::KeyValue;
use opentelemetry::context::FutureExt as _;
use opentelemetry::trace::SpanKind;

use super::access::Caller;
use super::drain::retain;
use super::govern::conclude;
use crate::error::{AppError, ErrorCode};
use crate::telemetry::{extract, inject, span};

pub(super) async fn no_route(request: Request) -> Response {
    refuse(request, AppError::new(ErrorCode::NoRoute, "there is no such route")).await
}

pub(super) async fn no_method(request: Request) -> Response {
    refuse(request, AppError::new(ErrorCode::NoMethod, "this route does not answer this method")).await
}

async fn refuse(request: Request, error: AppError) -> Response {
    let (request, rest) = retain(request);
    // Neither the path nor an invented method may name a span: both come from outside, without bound.
    let method = known(request.method());
    let attributes = || {
        let mut attributes = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("url.path", request.uri().path().to_owned()),
        ];
        attributes.extend(Caller::of(request.headers(), request.extensions()).attributes());
        attributes
    };
    let context = span::start(&extract(request.headers()), method, SpanKind::Server, attributes);
    let mut response = async { error.into_response() }.with_context(context.clone()).await;
    conclude(&context, &response);
    inject(&context, response.headers_mut());
    span::end(&context);
    drop(request);
    rest.drain().await;
    response
}

fn known(method: &http::Method) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]
        .into_iter()
        .find(|name| *name == method.as_str())
        .unwrap_or("_OTHER")
}
