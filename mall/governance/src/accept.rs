//! Which gRPC codes count against the callee.

/// Whether a gRPC status code is no failure of the callee, for breakers and for P2C's success score.
///
/// Failures are DEADLINE_EXCEEDED (4), RESOURCE_EXHAUSTED (8), UNIMPLEMENTED (12), INTERNAL (13), UNAVAILABLE (14) and
/// DATA_LOSS (15). Everything else is acceptable, UNKNOWN (2) and codes beyond the standard included: go-zero's choice.
pub fn grpc_acceptable(code: i32) -> bool {
    !matches!(code, 4 | 8 | 12..=15)
}
