//! OTLP over gRPC and HTTP.
//!
//! Owns: sockets, wire formats, limits on what strangers send, and the normalisation of telemetry into [`crate::model`].
//! Refuses: to keep or judge anything; what is accepted goes to a [`Sink`]. Emits no telemetry of its own.
//!
//! Both ports lead to one handler over raw bytes, so limits, status codes and partial success are decided once. A body is
//! at most [`Limits::max_body_bytes`], also after inflating; all bodies together hold at most
//! [`Limits::max_in_flight_bytes`]; whatever is refused is counted by reason in [`Stats`].

mod body;
mod connection;
mod grpc;
mod handler;
mod http;
mod limits;
mod normalise;
mod refusal;
mod server;
mod stats;
mod watch;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;

pub use handler::Signal;
pub use limits::Limits;
pub use server::{BindError, Receiver};
pub use stats::Stats;

use crate::model::{LogRecord, MetricPoint, Span};

/// Where accepted telemetry goes. Called on the receiver's threads: must not block.
///
/// A panic inside refuses the request that caused it and is counted; it does not end the connection.
pub trait Sink: Send + Sync + 'static {
    /// Takes spans, identities valid, texts safe to print, attributes under current conventions.
    fn spans(&self, spans: Vec<Arc<Span>>);
    /// Takes points; sums and histograms are cumulative.
    fn metrics(&self, points: Vec<MetricPoint>);
    /// Takes log records.
    fn logs(&self, records: Vec<LogRecord>);
}

/// The body of an answer, on either port.
type ReplyBody = BoxBody<Bytes, Infallible>;
