//! What the collector keeps of telemetry, after normalisation.
//!
//! Owns: the shapes of a span, a metric point and a log record as every other room sees them, with times in integer
//! nanoseconds and text already made safe to print. Refuses: wire formats (receiver), storage (store), meaning (analysis).
//! Values are immutable once built and shared by `Arc`.

mod attribute;
mod grpc;
mod id;
mod log;
mod metric;
mod span;

pub use attribute::{Attribute, Value, find};
pub use grpc::grpc_code_name;
pub use id::{SpanId, TraceId};
pub use log::LogRecord;
pub use metric::{MetricKind, MetricPoint, MetricValue};
pub use span::{Kind, Link, Resource, Span, SpanEvent, Status};
