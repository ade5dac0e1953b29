//! Error codes and reasons: one table, three forms.
//!
//! An [`AppError`] is what went wrong in the shop's own words. Between services it travels as a gRPC status with an
//! `ErrorInfo` (reason, domain [`rpc::DOMAIN`](crate::rpc::DOMAIN), metadata `code`, `place`, `name`); the gateway answers it as JSON
//! `{code, message, reason, trace_id}` with an honest HTTP status. A status that carries no `ErrorInfo` (a foreign server, a
//! broken connection) is read by its gRPC code alone.

mod codes;
mod http;
mod status;

use std::borrow::Cow;

pub use self::codes::{ErrorCode, Reason, Row, markdown};
pub use self::http::{ErrorBody, Failure};
pub use self::status::{META_CODE, META_NAME, META_PLACE};

/// What a service or the gateway says went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AppError {
    /// Row of the table: number, statuses and reason.
    pub code: ErrorCode,
    /// For people: what, why and the mend, lower-case, without secrets.
    pub message: Cow<'static, str>,
    /// Of a breaker's rejection: `client`, `server` or `route`.
    pub place: Option<Cow<'static, str>>,
    /// Of a breaker's rejection: which breaker.
    pub name: Option<String>,
    /// The order that exists although the request failed.
    pub order_id: Option<i64>,
}

impl AppError {
    /// An error of this code with its own words.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), place: None, name: None, order_id: None }
    }

    /// A request that can never succeed as it is.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Invalid, message)
    }

    /// A missing, wrong or expired credential.
    pub fn unauthenticated(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Unauthenticated, message)
    }

    /// A fault of the shop itself. The cause belongs in the log, not in the answer.
    pub fn internal() -> Self {
        Self::new(ErrorCode::Internal, "internal error: the service's log names the cause under this trace id")
    }

    /// A rejection by the breaker `name` at `place` (`client`, `server`, `route`).
    pub fn breaker(place: impl Into<Cow<'static, str>>, name: impl Into<String>) -> Self {
        Self {
            place: Some(place.into()),
            name: Some(name.into()),
            ..Self::new(ErrorCode::Breaker, "circuit breaker is open: retry later")
        }
    }

    /// The same error, naming the order that was committed before it.
    pub fn with_order(mut self, order_id: i64) -> Self {
        self.order_id = Some(order_id);
        self
    }

    /// The word that load runs count by.
    pub fn reason(&self) -> Reason {
        self.code.row().reason
    }
}

/// Result of the shop's operations.
pub type AppResult<T> = Result<T, AppError>;
