//! What a trace means: its forest, where its time went, and what gated it.
//!
//! Pure functions over [`crate::model`] spans: no clock, no runtime, no storage. Times are integer nanoseconds, sums are
//! exact, and the size or the shape of a trace cannot overflow a stack: everything here iterates.
//!
//! Refuses: rewriting spans (a skewed clock is clamped where it matters, never corrected), and judging traces (that is
//! what queries and rules are for).

mod attribution;
mod critical_path;
mod forest;
mod note;
mod self_time;

pub use attribution::{Attribution, SegmentKey, SegmentKind, segments};
pub use critical_path::{Section, critical_path, on_path, trace_path};
pub use forest::{Forest, Row, Warning, WarningKind, forest};
pub use note::{Replicas, candidates, marks, note};
pub use self_time::self_times;
