//! Spans, metrics and logs, exported over OTLP/gRPC.
//!
//! [`Telemetry`] owns the SDK's providers of the process and their end; [`span`] makes spans, [`Meters`] counts,
//! [`propagation`] carries a trace over a hop, [`Reporter`] tells what the resilience algorithms decide. The module never
//! makes a request wait: a collector that is absent costs spans, and every lost span is counted.

mod counted;
mod export;
mod http_client;
mod logs;
mod meters;
mod reporter;
mod scrape;

pub mod propagation;
pub mod span;

pub use counted::SpanCounts;
pub use export::{Telemetry, TelemetryError};
pub use meters::{Meters, RpcMethod, Side};
pub use propagation::{extract, inject};
pub use reporter::Reporter;
pub use scrape::Page;
pub use span::{in_span, in_span_of};

pub(crate) use reporter::{breaker_key, replica_key};
