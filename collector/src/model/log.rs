//! Log records.

use std::sync::Arc;

use super::{Attribute, Resource, SpanId, TraceId};

/// One log record.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRecord {
    /// When, nanoseconds since the epoch (the observed time where the record has none).
    pub unix_ns: u64,
    /// OTLP severity number, 0 when not said.
    pub severity: u32,
    /// Severity in words.
    pub severity_text: Arc<str>,
    /// The message, safe to print.
    pub body: Arc<str>,
    /// Trace it belongs to.
    pub trace_id: Option<TraceId>,
    /// Span it belongs to.
    pub span_id: Option<SpanId>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Who emitted it.
    pub resource: Arc<Resource>,
}
