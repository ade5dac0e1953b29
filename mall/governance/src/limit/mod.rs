//! go-zero's two limiters as arithmetic, without the store that keeps their state.

mod period;
mod token;

pub use period::{PeriodReply, period_reply};
pub use token::{TokenBucket, TokenLimit};
