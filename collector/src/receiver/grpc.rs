//! OTLP over gRPC: one unary method per signal, framed by hand over raw bytes.
//!
//! A general gRPC server decodes before anyone can count bytes, answers an oversized message with `OUT_OF_RANGE` (which
//! OTLP senders retry for ever) and a broken one with `INTERNAL`. Here a message is taken as bytes, so that limits and
//! codes are OTLP's: `RESOURCE_EXHAUSTED` without `RetryInfo`, and `INVALID_ARGUMENT`.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use tonic::Status;

use super::ReplyBody;
use super::body::{Compression, receive};
use super::handler::{Handler, Signal};
use super::http::media_type;
use super::refusal::{Refusal, quoted};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// Compression flag and length.
const PREFIX: usize = 5;

/// Whether a media type says gRPC.
pub(super) fn is_grpc(media: &str) -> bool {
    media == "application/grpc" || media.starts_with("application/grpc+")
}

/// Answers a request to the OTLP/gRPC port.
pub(super) async fn answer(handler: Arc<Handler>, request: Request<Incoming>) -> Response<ReplyBody> {
    let media = media_type(request.headers());
    if !is_grpc(&media) {
        return super::http::refuse(&handler, &media, &Refusal::HttpOnGrpcPort);
    }
    if request.version() != Version::HTTP_2 {
        return super::http::refuse(&handler, &media, &Refusal::GrpcOverHttp1);
    }
    match export(&handler, &media, request).await {
        Ok(message) => accept(&message),
        Err(refusal) => refuse(&handler, &refusal),
    }
}

async fn export(handler: &Arc<Handler>, media: &str, request: Request<Incoming>) -> Result<Vec<u8>, Refusal> {
    let (head, body) = request.into_parts();
    let signal = match head.uri.path() {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Signal::Traces,
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Signal::Metrics,
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Signal::Logs,
        other => return Err(Refusal::UnknownMethod(quoted(other))),
    };
    if head.method != Method::POST {
        return Err(Refusal::WrongMethod(quoted(head.method.as_str())));
    }
    if media != "application/grpc" && media != "application/grpc+proto" {
        return Err(Refusal::UnsupportedMedia(quoted(media)));
    }
    let compression = Compression::of(head.headers.get("grpc-encoding"))?;
    let mut reservation = handler.in_flight.reserve();
    let frame =
        receive(body, &head.headers, handler.limits.max_body_bytes + PREFIX, &handler.limits, &mut reservation).await?;
    let (compression, message) = unframe(&frame, compression)?;
    handler.handle(signal, compression, message, reservation).await
}

/// The one message of a unary request. No frame at all is taken for an empty message.
fn unframe(frame: &Bytes, declared: Compression) -> Result<(Compression, Bytes), Refusal> {
    let Some((prefix, message)) = frame.split_at_checked(PREFIX) else {
        return if frame.is_empty() {
            Ok((Compression::None, Bytes::new()))
        } else {
            Err(Refusal::BadFrame("it is shorter than its prefix"))
        };
    };
    let [flag, length @ ..] = prefix else { return Err(Refusal::BadFrame("it has no prefix")) };
    let length = length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    if message.len() < length {
        return Err(Refusal::BadFrame("it is shorter than its length says"));
    }
    if message.len() > length {
        return Err(Refusal::BadFrame("something follows the one message of a unary call"));
    }
    let compression = match (flag, declared) {
        (0, _) => Compression::None,
        (1, Compression::Gzip) => Compression::Gzip,
        (1, Compression::None) => return Err(Refusal::BadFrame("it is compressed, grpc-encoding does not say how")),
        _ => return Err(Refusal::BadFrame("its compression flag is neither 0 nor 1")),
    };
    Ok((compression, frame.slice(PREFIX..)))
}

fn accept(message: &[u8]) -> Response<ReplyBody> {
    let mut frame = BytesMut::with_capacity(PREFIX + message.len());
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put_slice(message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(frame.freeze()).with_trailers(std::future::ready(Some(Ok::<_, Infallible>(trailers))));
    let mut response = Response::new(body.boxed());
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

/// Counts a refusal and answers with trailers only.
pub(super) fn refuse(handler: &Handler, refusal: &Refusal) -> Response<ReplyBody> {
    handler.stats.refuse_request(refusal.reason(), &refusal.to_string());
    let mut response = Response::new(Empty::new().boxed());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, GRPC);
    if matches!(refusal, Refusal::UnknownCompression(_)) {
        headers.insert("grpc-accept-encoding", HeaderValue::from_static("identity,gzip"));
    }
    let status = refusal.status(&handler.limits);
    let short = Status::new(refusal.code(), refusal.reason());
    if status.add_header(headers).is_err() && short.add_header(headers).is_err() {
        headers.insert("grpc-status", HeaderValue::from(i32::from(refusal.code())));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(flag: u8, length: u32, message: &[u8]) -> Bytes {
        let mut frame = BytesMut::new();
        frame.put_u8(flag);
        frame.put_u32(length);
        frame.put_slice(message);
        frame.freeze()
    }

    #[test]
    fn a_frame_must_hold_exactly_one_message() {
        let good = unframe(&frame(0, 3, b"abc"), Compression::None);
        assert_eq!(good, Ok((Compression::None, Bytes::from_static(b"abc"))));
        assert_eq!(unframe(&Bytes::new(), Compression::Gzip), Ok((Compression::None, Bytes::new())));
        for (frame, declared) in [
            (frame(0, 4, b"abc"), Compression::None),
            (frame(0, 2, b"abc"), Compression::None),
            (frame(0, u32::MAX, b"abc"), Compression::None),
            (frame(1, 3, b"abc"), Compression::None),
            (frame(2, 3, b"abc"), Compression::Gzip),
            (Bytes::from_static(b"abc"), Compression::None),
        ] {
            assert!(matches!(unframe(&frame, declared), Err(Refusal::BadFrame(_))), "{frame:?}");
        }
    }
}
