//! Traces and logs within a byte budget.
//!
//! Owns: which spans and log records are kept, for how long, and the counters of all that is not. Refuses: meaning (a
//! trace is handed to analysis as its spans) and figures (those are counted before a span gets here, so eviction biases
//! nothing; retention decides on a trace only after that). Knows no clock: every call that depends on time is told it.
//!
//! Invariants: the key of a span is (trace id, span id), the first one wins; a summary is a function of the set of spans,
//! not of their order, but for why the trace is kept, which is what was known when that was decided; the estimated bytes
//! never exceed the limit after an insertion; whatever is lost is counted.

mod log;
mod retention;
mod shard;
mod slow;
mod summary;
mod trace;
mod traces;

pub use log::{LogQuery, LogStore};
pub use retention::{Evidence, Keep, PATIENCE_NS, Priority, Reason, SLOW_NS};
pub use summary::{Marks, Summary, TraceView};
pub use traces::{Absence, Found, Inserted, Listing, Order, QuietTrace, Spans, TraceLimits, TraceStore};
