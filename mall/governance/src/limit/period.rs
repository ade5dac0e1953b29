//! At most `quota` calls in a period that begins with its first call.

/// The answer to one call of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeriodReply {
    /// Allowed.
    Allowed,
    /// Allowed, and the last one of the period.
    HitQuota,
    /// Not allowed.
    OverQuota,
}

/// The answer to the call that made a period's count `value` (counted from 1).
///
/// Source: go-zero `core/limit/periodscript.lua`: below the quota allowed, at the quota the last, above it refused.
pub fn period_reply(value: u64, quota: u64) -> PeriodReply {
    match value.cmp(&quota) {
        std::cmp::Ordering::Less => PeriodReply::Allowed,
        std::cmp::Ordering::Equal => PeriodReply::HitQuota,
        std::cmp::Ordering::Greater => PeriodReply::OverQuota,
    }
}
