//! gRPC statuses that say why, and their names.

use http::HeaderMap;
use std::collections::HashMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Domain of every `ErrorInfo` of the shop.
pub const DOMAIN: &str = "mall";

/// A status with an `ErrorInfo` of `reason` and `metadata`.
pub fn explained(
    code: Code,
    message: impl Into<String>,
    reason: &str,
    metadata: impl IntoIterator<Item = (&'static str, String)>,
) -> Status {
    let metadata: HashMap<String, String> = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Status::with_error_details(code, message, ErrorDetails::with_error_info(reason, DOMAIN, metadata))
}

/// What a breaker answers: UNAVAILABLE, reason `breaker`, with its `place` and `name`.
pub fn rejected(place: &'static str, name: &str) -> Status {
    let metadata = [("place", place.to_owned()), ("name", name.to_owned())];
    explained(Code::Unavailable, "circuit breaker is open", "breaker", metadata)
}

/// What an expired deadline answers: DEADLINE_EXCEEDED, reason `timeout`.
pub fn expired() -> Status {
    explained(Code::DeadlineExceeded, "deadline exceeded", "timeout", [])
}

/// What a shedder answers: RESOURCE_EXHAUSTED, reason `shed`.
pub fn overloaded() -> Status {
    explained(Code::ResourceExhausted, "service overloaded", "shed", [])
}

/// The code's name in the specification, as `rpc.response.status_code` wants it.
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Every code by its name, for words that people write.
pub const CODES: [Code; 17] = [
    Code::Ok,
    Code::Cancelled,
    Code::Unknown,
    Code::InvalidArgument,
    Code::DeadlineExceeded,
    Code::NotFound,
    Code::AlreadyExists,
    Code::PermissionDenied,
    Code::ResourceExhausted,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::OutOfRange,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
    Code::Unauthenticated,
];

/// The `grpc-status` among headers or trailers; `None` when there is none.
pub(super) fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|value| Code::from_bytes(value.as_bytes()))
}

/// The `grpc-message` among headers or trailers, as it stands there.
pub(super) fn message_in(headers: &HeaderMap) -> Option<&str> {
    headers.get("grpc-message").and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_says_where_it_happened() {
        let status = rejected("client", "pay-rpc/mall.Pay/InitiatePayment");
        assert_eq!(status.code(), Code::Unavailable);
        let details = status.get_error_details();
        let info = details.error_info().expect("has an ErrorInfo");
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("breaker", DOMAIN));
        assert_eq!(info.metadata.get("place").map(String::as_str), Some("client"));
        assert_eq!(info.metadata.get("name").map(String::as_str), Some("pay-rpc/mall.Pay/InitiatePayment"));
    }

    #[test]
    fn names_are_distinct() {
        let names: std::collections::HashSet<_> = CODES.into_iter().map(code_name).collect();
        assert_eq!(names.len(), CODES.len());
    }
}
