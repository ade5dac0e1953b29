//! Bounds of what a sender may send.

use std::time::Duration;

/// Bounds of the receiver. Everything beyond is refused or cut, and counted.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one body, also after inflating. OTLP recommends 64 MiB.
    pub max_body_bytes: usize,
    /// Bytes of all bodies that are being received or handled.
    pub max_in_flight_bytes: usize,
    /// Open connections of each port.
    pub max_connections: usize,
    /// Concurrent requests of one HTTP/2 connection.
    pub max_streams: u32,
    /// Bytes of a request's headers.
    pub max_header_bytes: usize,
    /// Attributes of a span, an event, a link, a point, a record or a resource.
    pub attributes: usize,
    /// Events of a span.
    pub events: usize,
    /// Links of a span.
    pub links: usize,
    /// Bytes of a text value, a name, or an array or map rendered as JSON.
    pub value_bytes: usize,
    /// Bytes of the body of a log record.
    pub log_body_bytes: usize,
    /// Levels of arrays and maps inside a value; deeper ones are shown as an ellipsis.
    pub value_depth: usize,
    /// Different service names, and different instances; further ones become `__other__`.
    pub services: usize,
    /// Different operation names; further ones become `__other__`.
    pub operations: usize,
    /// Different metric names; points of further ones are refused.
    pub metric_names: usize,
    /// Delta streams that are added up; points of further ones are refused.
    pub delta_streams: usize,
    /// Time for a request's headers, and for the first byte of a connection.
    pub header_timeout: Duration,
    /// Time for a request's body.
    pub body_timeout: Duration,
    /// Time that a connection may stay without a request.
    pub idle_timeout: Duration,
    /// What an overloaded receiver asks its senders to wait.
    pub retry_after: Duration,
    /// Time for open requests when the receiver stops.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 64 << 20,
            max_in_flight_bytes: 256 << 20,
            max_connections: 1_024,
            max_streams: 256,
            max_header_bytes: 64 << 10,
            attributes: 128,
            events: 128,
            links: 128,
            value_bytes: 4_096,
            log_body_bytes: 16 << 10,
            value_depth: 16,
            services: 1_024,
            operations: 8_192,
            metric_names: 4_096,
            delta_streams: 20_000,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(5),
            retry_after: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(3),
        }
    }
}
