//! OTLP over HTTP: paths, methods, content types, and answers in the encoding of the request.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::json;
use tonic::Status;

use super::body::{Compression, receive};
use super::handler::{Handler, Signal};
use super::refusal::{Refusal, quoted};
use super::{Limits, ReplyBody, grpc};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The media type of a request, parameters cut off, in lower case.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Answers a request to the OTLP/HTTP port.
pub(super) async fn answer(handler: Arc<Handler>, request: Request<Incoming>) -> Response<ReplyBody> {
    let media = media_type(request.headers());
    if grpc::is_grpc(&media) {
        return grpc::refuse(&handler, &Refusal::GrpcOnHttpPort);
    }
    match export(&handler, &media, request).await {
        Ok(body) => response(StatusCode::OK, PROTOBUF, Bytes::from(body)),
        Err(refusal) => refuse(&handler, &media, &refusal),
    }
}

async fn export(handler: &Arc<Handler>, media: &str, request: Request<Incoming>) -> Result<Vec<u8>, Refusal> {
    let (head, body) = request.into_parts();
    let signal = match head.uri.path() {
        "/v1/traces" => Signal::Traces,
        "/v1/metrics" => Signal::Metrics,
        "/v1/logs" => Signal::Logs,
        other => return Err(Refusal::UnknownPath(quoted(other))),
    };
    if head.method != Method::POST {
        return Err(Refusal::WrongMethod(quoted(head.method.as_str())));
    }
    if media != "application/x-protobuf" {
        return Err(Refusal::UnsupportedMedia(quoted(media)));
    }
    let compression = Compression::of(head.headers.get(CONTENT_ENCODING))?;
    let mut reservation = handler.in_flight.reserve();
    let body = receive(body, &head.headers, handler.limits.max_body_bytes, &handler.limits, &mut reservation).await?;
    handler.handle(signal, compression, body, reservation).await
}

/// Counts a refusal and puts it into words, for the encoding that the request used.
pub(super) fn refuse(handler: &Handler, media: &str, refusal: &Refusal) -> Response<ReplyBody> {
    handler.stats.refuse_request(refusal.reason(), &refusal.to_string());
    let status = refusal.status(&handler.limits);
    let (content_type, body) = if media == "application/x-protobuf" {
        (PROTOBUF, Bytes::copy_from_slice(status.details()))
    } else {
        (JSON, Bytes::from(json_status(&status)))
    };
    let mut response = response(refusal.http_status(), content_type, body);
    let headers = response.headers_mut();
    if refusal.is_retryable() {
        headers.insert(RETRY_AFTER, retry_after(&handler.limits));
    }
    if matches!(refusal, Refusal::WrongMethod(_)) {
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// The `google.rpc.Status` in its JSON form, without details.
fn json_status(status: &Status) -> String {
    json!({ "code": i32::from(status.code()), "message": status.message() }).to_string()
}

/// Whole seconds, at least one.
fn retry_after(limits: &Limits) -> HeaderValue {
    HeaderValue::from(limits.retry_after.as_secs().max(1))
}

fn response(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<ReplyBody> {
    let mut response = Response::new(Full::new(body).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
