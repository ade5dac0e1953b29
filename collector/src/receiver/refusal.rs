//! Why a request was refused: one table of reason, gRPC code, HTTP status and words.

use http::StatusCode;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::Limits;

/// Bytes of the words that a sender may choose itself: a path, a decoder's complaint.
const QUOTED_BYTES: usize = 160;

/// Text from the wire for an error message: safe to print, and short.
pub(super) fn quoted(text: &str) -> String {
    let cleaned = collector_api::text::clean(text);
    let (cut, was_cut) = collector_api::text::truncate(&cleaned, QUOTED_BYTES);
    if was_cut { format!("{cut}…") } else { cut.to_owned() }
}

/// A request that is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the body is larger than {limit} bytes, also counted after inflating: send smaller batches")]
    TooLarge { limit: usize },
    #[error("the body cannot be inflated as gzip: {0}")]
    BadGzip(String),
    #[error("compression `{0}` is not supported: use gzip or none")]
    UnknownCompression(String),
    #[error("the body is not the protobuf message that this path takes: {0}")]
    Undecodable(String),
    #[error("the body ended early or broke off: {0}")]
    BrokenBody(String),
    #[error("the body did not arrive within {0} s")]
    SlowBody(u64),
    #[error("too much telemetry is being received at once: wait, then send again")]
    Overloaded,
    #[error("the collector failed while it took the request in: this is a defect of the collector")]
    Internal,
    #[error("the collector is stopping")]
    Stopping,
    #[error(
        "no such path `{0}`: send POST to /v1/traces, /v1/metrics or /v1/logs (OTEL_EXPORTER_OTLP_ENDPOINT adds the path, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT and the like are used as they are)"
    )]
    UnknownPath(String),
    #[error("method {0} is not allowed: send POST")]
    WrongMethod(String),
    #[error(
        "content type `{0}` is not supported: send application/x-protobuf (exporters call it http/protobuf); JSON is not read yet"
    )]
    UnsupportedMedia(String),
    #[error("unknown grpc method `{0}`: this port serves Export of the OTLP trace, metrics and logs services")]
    UnknownMethod(String),
    #[error("the grpc frame is wrong: {0}")]
    BadFrame(&'static str),
    #[error("this is the OTLP/HTTP port: send grpc to the OTLP/gRPC port, 4317 by default")]
    GrpcOnHttpPort,
    #[error(
        "this is the OTLP/gRPC port: send HTTP to the OTLP/HTTP port, 4318 by default, with the path /v1/traces, /v1/metrics or /v1/logs"
    )]
    HttpOnGrpcPort,
    #[error("grpc needs HTTP/2, this is HTTP/1: a proxy on the way may have changed it")]
    GrpcOverHttp1,
}

impl Refusal {
    /// The key under which it is counted.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "body too large",
            Self::BadGzip(_) => "bad gzip",
            Self::UnknownCompression(_) => "unknown compression",
            Self::Undecodable(_) => "undecodable body",
            Self::BrokenBody(_) => "broken body",
            Self::SlowBody(_) => "slow body",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal failure",
            Self::Stopping => "stopping",
            Self::UnknownPath(_) => "unknown path",
            Self::WrongMethod(_) => "wrong method",
            Self::UnsupportedMedia(_) => "unsupported content type",
            Self::UnknownMethod(_) => "unknown grpc method",
            Self::BadFrame(_) => "bad grpc frame",
            Self::GrpcOnHttpPort => "grpc on the http port",
            Self::HttpOnGrpcPort => "http on the grpc port",
            Self::GrpcOverHttp1 => "grpc over http/1",
        }
    }

    /// The gRPC code. Only `UNAVAILABLE` invites a sender to try again.
    pub fn code(&self) -> Code {
        match self {
            Self::TooLarge { .. } => Code::ResourceExhausted,
            Self::BadGzip(_)
            | Self::Undecodable(_)
            | Self::BrokenBody(_)
            | Self::BadFrame(_)
            | Self::UnsupportedMedia(_)
            | Self::WrongMethod(_) => Code::InvalidArgument,
            Self::UnknownCompression(_) | Self::UnknownMethod(_) | Self::GrpcOnHttpPort | Self::GrpcOverHttp1 => {
                Code::Unimplemented
            }
            Self::UnknownPath(_) | Self::HttpOnGrpcPort => Code::NotFound,
            Self::SlowBody(_) | Self::Overloaded | Self::Stopping => Code::Unavailable,
            Self::Internal => Code::Internal,
        }
    }

    /// The HTTP status. Only 503 invites a sender to try again.
    pub fn http_status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BadGzip(_) | Self::Undecodable(_) | Self::BrokenBody(_) | Self::BadFrame(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::UnknownCompression(_) | Self::UnsupportedMedia(_) | Self::GrpcOnHttpPort => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Self::SlowBody(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Overloaded | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::UnknownPath(_) | Self::UnknownMethod(_) => StatusCode::NOT_FOUND,
            Self::WrongMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::HttpOnGrpcPort => StatusCode::MISDIRECTED_REQUEST,
            Self::GrpcOverHttp1 => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }

    /// Whether the sender is asked to wait and try again.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Overloaded | Self::Stopping)
    }

    /// The gRPC status, `RetryInfo` included where trying again makes sense. Its details are the `google.rpc.Status`.
    pub fn status(&self, limits: &Limits) -> Status {
        let mut details = ErrorDetails::new();
        if self.is_retryable() {
            details.set_retry_info(Some(limits.retry_after));
        }
        if matches!(self, Self::Undecodable(_) | Self::BadGzip(_) | Self::BrokenBody(_)) {
            details.add_bad_request_violation("body", self.to_string());
        }
        Status::with_error_details(self.code(), self.to_string(), details)
    }
}
