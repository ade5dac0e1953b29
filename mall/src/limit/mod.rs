//! Rate limits of routes: go-zero's two limiters, over Redis or within the process.
//!
//! [`Limits`] holds what `Mall.Limits` asks for: a quota in each period ([`PeriodLimit`]) or a rate with a burst
//! ([`TokenLimiter`]), per route or per user. With `Redis` configured the replicas count together; without it each
//! process counts for itself, and the limit of a route is then a limit of each process.
//!
//! While Redis is away a quota lets calls pass (go-zero leaves that to the caller, and its users let pass), a rate goes on
//! within the process. Both are counted as rescued, and neither is an error of the request.

mod bounded;
mod limits;
mod period;
mod token;

pub use self::limits::{LimitError, Limits, Rejected};
pub use self::period::PeriodLimit;
pub use self::token::{RedisBuckets, Taken, TokenLimiter};
pub use governance::limit::PeriodReply;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

/// Keys that one limit remembers within the process; a key takes about 150 bytes.
const KEYS: usize = 20_000;

/// Counts keys that were forgotten too early because there were too many of them.
#[derive(Clone, Default)]
pub struct Evictions {
    counter: Option<(Counter<u64>, [KeyValue; 2])>,
}

impl Evictions {
    fn on(counter: Counter<u64>, attributes: [KeyValue; 2]) -> Self {
        counter.add(0, &attributes);
        Self { counter: Some((counter, attributes)) }
    }

    fn add(&self, evicted: u64) {
        if let (Some((counter, attributes)), 1..) = (&self.counter, evicted) {
            counter.add(evicted, attributes);
        }
    }
}
