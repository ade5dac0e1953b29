//! The form between services: a gRPC status with an `ErrorInfo`.

use std::borrow::Cow;
use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{AppError, ErrorCode};
use crate::rpc::DOMAIN;

/// Metadata: the number of the error code.
pub const META_CODE: &str = "code";
/// Metadata: the place of the breaker that refused.
pub const META_PLACE: &str = "place";
/// Metadata: the name of the breaker that refused.
pub const META_NAME: &str = "name";

impl From<AppError> for Status {
    fn from(error: AppError) -> Self {
        let row = error.code.row();
        let mut metadata = HashMap::from([(META_CODE.to_owned(), row.code.to_string())]);
        if let Some(place) = error.place {
            metadata.insert(META_PLACE.to_owned(), place.into_owned());
        }
        if let Some(name) = error.name {
            metadata.insert(META_NAME.to_owned(), name);
        }
        let details = ErrorDetails::with_error_info(row.reason.as_str(), DOMAIN, metadata);
        Status::with_error_details(row.grpc, error.message, details)
    }
}

impl From<Status> for AppError {
    fn from(status: Status) -> Self {
        let Some(mut info) = status.get_details_error_info().filter(|info| info.domain == DOMAIN) else {
            return without_info(&status);
        };
        let by_number = info.metadata.get(META_CODE).and_then(|code| code.parse().ok());
        let code = by_number
            .and_then(|code| ErrorCode::from_number(code, status.code()))
            .or_else(|| ErrorCode::from_reason(&info.reason))
            .unwrap_or_else(|| ErrorCode::from_grpc(status.code()));
        Self {
            place: info.metadata.remove(META_PLACE).map(Into::into),
            name: info.metadata.remove(META_NAME),
            ..Self::new(code, status.message().to_owned())
        }
    }
}

/// Only messages that a caller can act on pass through; the rest would leak how the inside is built.
fn without_info(status: &Status) -> AppError {
    let code = ErrorCode::from_grpc(status.code());
    let message: Cow<'static, str> = match status.code() {
        Code::DeadlineExceeded => "a service behind did not answer in time".into(),
        Code::Unavailable | Code::Cancelled => "a service behind is unavailable: retry later".into(),
        Code::InvalidArgument | Code::NotFound | Code::ResourceExhausted => status.message().to_owned().into(),
        _ => return AppError { code, ..AppError::internal() },
    };
    AppError::new(code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_survives_the_hop() {
        for row in ErrorCode::TABLE {
            let sent = AppError::new(row.error, "what happened");
            let received = AppError::from(Status::from(sent.clone()));
            assert_eq!(received, sent);
        }
    }

    #[test]
    fn a_breaker_keeps_place_and_name() {
        let sent = AppError::breaker("server", "/mall.Pay/InitiatePayment");
        let status = Status::from(sent.clone());
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(AppError::from(status), sent);
    }

    #[test]
    fn a_reason_without_number_is_understood() {
        let metadata = HashMap::from([(META_PLACE.to_owned(), "client".to_owned())]);
        let details = ErrorDetails::with_error_info("breaker", DOMAIN, metadata);
        let error = AppError::from(Status::with_error_details(Code::Unavailable, "open", details));
        assert_eq!((error.code, error.place.as_deref()), (ErrorCode::Breaker, Some("client")));
    }

    #[test]
    fn bare_statuses_are_read_by_code() {
        let cases = [
            (Status::deadline_exceeded("x"), ErrorCode::Timeout),
            (Status::unavailable("tcp connect error"), ErrorCode::Downstream),
            (Status::internal("h2 protocol error"), ErrorCode::Internal),
            (Status::unknown("?"), ErrorCode::Internal),
        ];
        for (status, code) in cases {
            let hidden = status.message().to_owned();
            let error = AppError::from(status);
            assert_eq!(error.code, code);
            assert!(!error.message.contains(&hidden) || hidden.len() < 2, "{} leaks", error.message);
        }
    }
}
