//! The table of error codes.

use std::fmt::Write as _;

use tonic::Code;

/// Why a request failed, as one word: what outcomes are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It did not fail.
    None,
    /// A circuit breaker refused it.
    Breaker,
    /// The load shedder refused it.
    Shed,
    /// A rate limit refused it.
    Limiter,
    /// Too many requests were in flight.
    Maxconns,
    /// A deadline passed.
    Timeout,
    /// A service behind could not be reached or answered badly.
    Downstream,
    /// The request itself is wrong.
    Invalid,
    /// Credentials are missing, wrong or expired.
    Auth,
    /// It contradicts the state of the shop.
    Conflict,
    /// What it names does not exist.
    NotFound,
    /// The shop is at fault.
    Internal,
}

impl Reason {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "ok",
            Self::Breaker => "breaker",
            Self::Shed => "shed",
            Self::Limiter => "limiter",
            Self::Maxconns => "maxconns",
            Self::Timeout => "timeout",
            Self::Downstream => "downstream",
            Self::Invalid => "invalid",
            Self::Auth => "auth",
            Self::Conflict => "conflict",
            Self::NotFound => "not_found",
            Self::Internal => "internal",
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Which error.
    pub error: ErrorCode,
    /// The number in bodies and metadata. Two rows may share one when only their statuses differ.
    pub code: u32,
    /// HTTP status of the gateway's answer.
    pub http: u16,
    /// gRPC code between services.
    pub grpc: Code,
    /// What outcomes are counted by.
    pub reason: Reason,
    /// What it means.
    pub meaning: &'static str,
}

macro_rules! codes {
    ($($name:ident = $code:literal, $http:literal, $grpc:ident, $reason:ident, $meaning:literal;)*) => {
        /// Every error that the shop answers with.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $(#[doc = $meaning] $name,)* }

        impl ErrorCode {
            /// Every row, by number.
            pub const TABLE: &'static [Row] = &[$(Row {
                error: Self::$name, code: $code, http: $http, grpc: Code::$grpc, reason: Reason::$reason, meaning: $meaning,
            },)*];

            /// This error's line of the table.
            pub const fn row(self) -> &'static Row {
                &Self::TABLE[self as usize]
            }
        }
    };
}

codes! {
    Internal = 1000, 500, Internal, Internal, "internal error";
    Invalid = 1001, 400, InvalidArgument, Invalid, "invalid request";
    KeyReused = 1001, 422, AlreadyExists, Conflict, "idempotency key used before with another request";
    Unauthenticated = 1002, 401, Unauthenticated, Auth, "credentials missing, wrong or expired";
    Conflict = 1003, 409, Aborted, Conflict, "contradicts the state of the shop";
    TooLarge = 1004, 413, OutOfRange, Invalid, "request body too large";
    NoRoute = 1005, 404, Unimplemented, NotFound, "no such route";
    NoMethod = 1006, 405, Unimplemented, Invalid, "method not allowed on this route";
    UserNotFound = 2000, 404, NotFound, NotFound, "user not found";
    UserExists = 2001, 409, AlreadyExists, Conflict, "user exists";
    OrderNotFound = 3000, 404, NotFound, NotFound, "order not found";
    InsufficientStock = 3001, 409, FailedPrecondition, Conflict, "insufficient stock";
    ProductNotFound = 3002, 404, NotFound, NotFound, "product not found";
    PaymentNotFound = 4000, 404, NotFound, NotFound, "payment not found";
    AmountMismatch = 4001, 409, FailedPrecondition, Conflict, "amount differs from the payment's";
    Breaker = 5000, 503, Unavailable, Breaker, "circuit breaker is open";
    Shed = 5001, 503, ResourceExhausted, Shed, "shed under load";
    RateLimited = 5002, 429, ResourceExhausted, Limiter, "rate limit exceeded";
    MaxConns = 5003, 503, ResourceExhausted, Maxconns, "too many requests in flight";
    Timeout = 5004, 504, DeadlineExceeded, Timeout, "deadline exceeded";
    Downstream = 5005, 503, Unavailable, Downstream, "a service behind is unavailable";
}

impl ErrorCode {
    /// The error with this number; the gRPC code tells rows of one number apart.
    pub fn from_number(code: u32, grpc: Code) -> Option<Self> {
        let mut rows = Self::TABLE.iter().filter(|row| row.code == code);
        let first = rows.clone().next()?;
        Some(rows.find(|row| row.grpc == grpc).unwrap_or(first).error)
    }

    /// The error that another process's `reason` stands for.
    pub fn from_reason(reason: &str) -> Option<Self> {
        const GENERAL: [ErrorCode; 11] = [
            ErrorCode::Breaker,
            ErrorCode::Shed,
            ErrorCode::RateLimited,
            ErrorCode::MaxConns,
            ErrorCode::Timeout,
            ErrorCode::Downstream,
            ErrorCode::Invalid,
            ErrorCode::Unauthenticated,
            ErrorCode::Conflict,
            ErrorCode::NoRoute,
            ErrorCode::Internal,
        ];
        GENERAL.into_iter().find(|code| code.row().reason.as_str() == reason)
    }

    /// The error that a bare gRPC code stands for.
    pub const fn from_grpc(code: Code) -> Self {
        match code {
            Code::InvalidArgument | Code::OutOfRange => Self::Invalid,
            Code::Unauthenticated | Code::PermissionDenied => Self::Unauthenticated,
            Code::NotFound => Self::NoRoute,
            Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition => Self::Conflict,
            Code::ResourceExhausted => Self::RateLimited,
            Code::DeadlineExceeded => Self::Timeout,
            Code::Unavailable | Code::Cancelled => Self::Downstream,
            Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss | Code::Unimplemented => Self::Internal,
        }
    }
}

/// The table as the Markdown document that `docs/errors.md` holds.
pub fn markdown() -> String {
    let mut document = String::from(
        "# Errors\n\nEvery answer of the gateway that is not a success is JSON: `code`, `message`, `reason`, `trace_id`; a breaker's rejection \
         adds\n`place` (`client`, `server`, `route`) and `name`; a failure after an order was committed is a 503 that adds its `order_id`,\nand \
         the same `Idempotency-Key` resumes at the payment. Kept equal to the code by a test.\n\n\
         | code | HTTP | gRPC | reason | meaning |\n|---|---|---|---|---|\n",
    );
    for Row { code, http, grpc, reason, meaning, .. } in ErrorCode::TABLE {
        let (grpc, reason) = (crate::rpc::code_name(*grpc), reason.as_str());
        let _infallible = writeln!(document, "| {code} | {http} | {grpc} | `{reason}` | {meaning} |");
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_lists_the_same_errors() {
        let document = include_str!("../../../docs/errors.md");
        assert_eq!(
            document,
            markdown(),
            "docs/errors.md differs: write what `cargo run -p mall --example errors` prints"
        );
    }

    #[test]
    fn every_row_is_its_own() {
        for (at, row) in ErrorCode::TABLE.iter().enumerate() {
            assert_eq!(row.error as usize, at);
            assert_eq!(row.error.row().meaning, row.meaning);
            assert_eq!(ErrorCode::from_number(row.code, row.grpc), Some(row.error), "{row:?}");
        }
    }

    #[test]
    fn the_seed_keeps_its_numbers() {
        let seed = [(1000, 500), (1001, 400), (2000, 404), (2001, 409), (3000, 404), (3001, 409)];
        for (code, http) in seed {
            assert!(ErrorCode::TABLE.iter().any(|row| row.code == code && row.http == http), "{code}");
        }
    }

    #[test]
    fn every_reason_but_ok_stands_for_an_error() {
        for row in ErrorCode::TABLE {
            let found = ErrorCode::from_reason(row.reason.as_str());
            assert_eq!(found.map(|error| error.row().reason), Some(row.reason));
        }
        assert_eq!(ErrorCode::from_reason("ok"), None);
    }
}
