//! Requests that no route answers: traced and logged, but in no metric and behind no breaker, as in go-zero.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use opentelemetry::context::FutureExt as _;

use super::drain::retain;
use super::observed::Observed;
use crate::error::{AppError, ErrorCode};

pub(super) async fn no_route(request: Request) -> Response {
    refuse(request, AppError::new(ErrorCode::NoRoute, "there is no such route")).await
}

pub(super) async fn no_method(request: Request) -> Response {
    refuse(request, AppError::new(ErrorCode::NoMethod, "this route does not answer this method")).await
}

async fn refuse(request: Request, error: AppError) -> Response {
    let (request, rest) = retain(request);
    // Neither the path nor an invented method may name a span or a line: both come from outside, without bound.
    let observed = Observed::off_route(&request, known(request.method()));
    drop(request);
    let mut response = async { error.into_response() }.with_context(observed.context()).await;
    observed.conclude(&mut response);
    rest.drain().await;
    response
}

fn known(method: &http::Method) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]
        .into_iter()
        .find(|name| *name == method.as_str())
        .unwrap_or("_OTHER")
}
