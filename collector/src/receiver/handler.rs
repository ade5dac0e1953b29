//! What becomes of a request's bytes, whichever way they came.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;

use super::body::{Compression, InFlight, Reservation, inflate};
use super::normalise::{Normaliser, Rejected};
use super::refusal::{Refusal, quoted};
use super::stats::{Stats, add};
use super::{Limits, Sink};

/// Bodies above this size, and compressed ones above a sixteenth of it, are handled beside the connections' threads.
const LARGE: usize = 1 << 20;

/// Kinds of telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Points of metrics.
    Metrics,
    /// Log records.
    Logs,
}

/// Turns bytes into model values for the sink, and the sink's due into an answer.
pub(super) struct Handler {
    pub limits: Limits,
    pub stats: Arc<Stats>,
    pub in_flight: Arc<InFlight>,
    normaliser: Normaliser,
    sink: Arc<dyn Sink>,
    is_closed: AtomicBool,
}

impl Handler {
    pub fn new(limits: Limits, stats: Arc<Stats>, sink: Arc<dyn Sink>) -> Self {
        let normaliser = Normaliser::new(limits, Arc::clone(&stats));
        Self {
            limits,
            stats,
            in_flight: InFlight::new(limits.max_in_flight_bytes),
            normaliser,
            sink,
            is_closed: AtomicBool::new(false),
        }
    }

    /// From now on nothing reaches the sink.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// Takes a request in. The answer is the encoded `Export…ServiceResponse`, empty when all was accepted.
    ///
    /// Refusals are returned, not counted: the edge knows more of them than this.
    pub async fn handle(
        self: &Arc<Self>,
        signal: Signal,
        compression: Compression,
        body: Bytes,
        reservation: Reservation,
    ) -> Result<Vec<u8>, Refusal> {
        let large = if compression == Compression::None { LARGE } else { LARGE / 16 };
        if body.len() < large {
            return self.take_in(signal, compression, body, reservation);
        }
        let handler = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || handler.take_in(signal, compression, body, reservation));
        task.await.unwrap_or(Err(Refusal::Internal))
    }

    /// [`Handler::handle`] on the caller's thread.
    pub fn take_in(
        &self,
        signal: Signal,
        compression: Compression,
        body: Bytes,
        mut reservation: Reservation,
    ) -> Result<Vec<u8>, Refusal> {
        add(&self.stats.bytes, body.len() as u64);
        let body = match compression {
            Compression::None => body,
            Compression::Gzip => inflate(&body, self.limits.max_body_bytes, &mut reservation)?,
        };
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Refusal::Stopping);
        }
        let taken = catch_unwind(AssertUnwindSafe(|| match signal {
            Signal::Traces => self.traces(body),
            Signal::Metrics => self.metrics(body),
            Signal::Logs => self.logs(body),
        }));
        taken.unwrap_or(Err(Refusal::Internal))
    }

    fn traces(&self, body: Bytes) -> Result<Vec<u8>, Refusal> {
        let request: ExportTraceServiceRequest = decode(body)?;
        let (spans, rejected) = self.normaliser.spans(request);
        add(&self.stats.spans, spans.len() as u64);
        if !spans.is_empty() {
            self.sink.spans(spans);
        }
        let Some(error_message) = rejected.message("spans") else { return Ok(Vec::new()) };
        for (reason, count) in rejected.reasons() {
            self.stats.reject_spans(reason, count, &error_message);
        }
        let partial_success = Some(ExportTracePartialSuccess { rejected_spans: rejected.total(), error_message });
        Ok(ExportTraceServiceResponse { partial_success }.encode_to_vec())
    }

    fn metrics(&self, body: Bytes) -> Result<Vec<u8>, Refusal> {
        let request: ExportMetricsServiceRequest = decode(body)?;
        let (points, rejected) = self.normaliser.points(request);
        add(&self.stats.metric_points, points.len() as u64);
        if !points.is_empty() {
            self.sink.metrics(points);
        }
        let Some(error_message) = self.count_items(&rejected, "data points") else { return Ok(Vec::new()) };
        let partial_success =
            Some(ExportMetricsPartialSuccess { rejected_data_points: rejected.total(), error_message });
        Ok(ExportMetricsServiceResponse { partial_success }.encode_to_vec())
    }

    fn logs(&self, body: Bytes) -> Result<Vec<u8>, Refusal> {
        let request: ExportLogsServiceRequest = decode(body)?;
        let (records, rejected) = self.normaliser.records(request);
        add(&self.stats.log_records, records.len() as u64);
        if !records.is_empty() {
            self.sink.logs(records);
        }
        let Some(error_message) = self.count_items(&rejected, "log records") else { return Ok(Vec::new()) };
        let partial_success = Some(ExportLogsPartialSuccess { rejected_log_records: rejected.total(), error_message });
        Ok(ExportLogsServiceResponse { partial_success }.encode_to_vec())
    }

    fn count_items(&self, rejected: &Rejected, what: &str) -> Option<String> {
        let message = rejected.message(what)?;
        for (reason, count) in rejected.reasons() {
            self.stats.reject_items(reason, count, &message);
        }
        Some(message)
    }
}

fn decode<T: Message + Default>(body: Bytes) -> Result<T, Refusal> {
    T::decode(body).map_err(|error| Refusal::Undecodable(quoted(&error.to_string())))
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as WireSpan};
    use proptest::prelude::*;

    use super::*;
    use crate::model::{LogRecord, MetricPoint, Span};

    struct Nowhere;

    impl Sink for Nowhere {
        fn spans(&self, _: Vec<Arc<Span>>) {}
        fn metrics(&self, _: Vec<MetricPoint>) {}
        fn logs(&self, _: Vec<LogRecord>) {}
    }

    fn body() -> Vec<u8> {
        let span = |number: u8| WireSpan {
            trace_id: vec![number; 16],
            span_id: vec![number; 8],
            name: "name".into(),
            ..Default::default()
        };
        let scope_spans = vec![ScopeSpans { spans: (1..20).map(span).collect(), ..Default::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..Default::default() }];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fall_over(noise in prop::collection::vec(any::<u8>(), 0..300), cut in 0_usize..800, flip in 0_usize..800, with in any::<u8>()) {
            let handler = Handler::new(Limits::default(), Arc::default(), Arc::new(Nowhere));
            let mut mutated = body();
            mutated.truncate(mutated.len().saturating_sub(cut));
            if let Some(byte) = mutated.get_mut(flip) {
                *byte ^= with;
            }
            for bytes in [noise, mutated] {
                for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
                    for compression in [Compression::None, Compression::Gzip] {
                        let taken = handler.take_in(signal, compression, Bytes::from(bytes.clone()), handler.in_flight.reserve());
                        prop_assert!(!matches!(taken, Err(Refusal::Internal)));
                    }
                }
            }
        }
    }
}
