//! A span processor that knows what became of every span.
//!
//! The SDK's own count of dropped spans is private. This wrapper bounds the queue itself, one step before the SDK would,
//! so that every ended span is exactly one of: queued, exported, dropped.

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Spans that wait for export at most: 352 bytes each.
pub const QUEUE: usize = 4_096;
const BATCH: usize = 512;
const DELAY: Duration = Duration::from_millis(200);

/// What became of the process's spans. Every figure only grows.
#[derive(Debug, Default)]
pub struct SpanCounts {
    ended: AtomicU64,
    refused: AtomicU64,
    handed: AtomicU64,
    exported: AtomicU64,
    failed: AtomicU64,
}

impl SpanCounts {
    /// Sampled spans that ended.
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Spans that a collector acknowledged.
    pub fn exported(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// Spans that were lost: the queue was full, or their export failed for good.
    pub fn dropped(&self) -> u64 {
        self.refused.load(Ordering::Relaxed) + self.failed.load(Ordering::Relaxed)
    }

    fn queued(&self) -> u64 {
        let gone = self.refused.load(Ordering::Relaxed) + self.handed.load(Ordering::Relaxed);
        self.ended().saturating_sub(gone)
    }
}

/// The batch processor of [`QUEUE`], with `counts` kept.
pub fn processor<E: SpanExporter + 'static>(exporter: E, counts: &Arc<SpanCounts>) -> impl SpanProcessor + use<E> {
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(DELAY)
        .build();
    let counted = CountedExporter { inner: exporter, counts: Arc::clone(counts), is_failing: AtomicBool::new(false) };
    let batch = BatchSpanProcessor::builder(counted).with_batch_config(config).build();
    CountedProcessor { inner: batch, counts: Arc::clone(counts) }
}

#[derive(Debug)]
struct CountedProcessor<P> {
    inner: P,
    counts: Arc<SpanCounts>,
}

impl<P: SpanProcessor> SpanProcessor for CountedProcessor<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        self.counts.ended.fetch_add(1, Ordering::Relaxed);
        if self.counts.queued() > QUEUE as u64 {
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
        } else {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[derive(Debug)]
struct CountedExporter<E> {
    inner: E,
    counts: Arc<SpanCounts>,
    is_failing: AtomicBool,
}

impl<E> CountedExporter<E> {
    /// One line per outage, not one per batch.
    fn tell(&self, outcome: &OTelSdkResult) {
        let was_failing = self.is_failing.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Err(error) if !was_failing => {
                tracing::warn!(%error, "spans cannot be exported and are lost; is the collector running?");
            }
            Ok(()) if was_failing => tracing::info!(dropped = self.counts.dropped(), "spans are exported again"),
            _ => {}
        }
    }
}

impl<E: SpanExporter> SpanExporter for CountedExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        self.counts.handed.fetch_add(spans, Ordering::Relaxed);
        let outcome = self.inner.export(batch).await;
        let counter = if outcome.is_ok() { &self.counts.exported } else { &self.counts.failed };
        counter.fetch_add(spans, Ordering::Relaxed);
        self.tell(&outcome);
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_sdk::error::OTelSdkError;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    /// Blocks in every export until the test lets it answer.
    #[derive(Debug)]
    struct Gated {
        entered: SyncSender<usize>,
        answers: Mutex<Receiver<bool>>,
    }

    impl SpanExporter for Gated {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            let _ = self.entered.send(batch.len());
            match self.answers.lock().expect("not poisoned").recv() {
                Ok(true) => Ok(()),
                _ => Err(OTelSdkError::InternalFailure("refused".to_owned())),
            }
        }
    }

    #[test]
    fn every_span_is_exported_or_dropped() {
        let (entered, entries) = sync_channel(64);
        let (answer, answers) = sync_channel(64);
        let counts = Arc::new(SpanCounts::default());
        let exporter = Gated { entered, answers: Mutex::new(answers) };
        let provider = SdkTracerProvider::builder().with_span_processor(processor(exporter, &counts)).build();
        let tracer = provider.tracer("test");
        // One batch is held in the exporter while the queue behind it overflows.
        for _ in 0..BATCH {
            tracer.start("held");
        }
        let held = entries.recv().expect("a batch arrives");
        let sent = QUEUE + 100;
        for _ in 0..sent {
            tracer.start("queued");
        }
        let lost = (BATCH + sent - held - QUEUE) as u64;
        assert_eq!(counts.dropped(), lost);
        answer.send(false).expect("exporter waits");
        for _ in 0..63 {
            let _ = answer.try_send(true);
        }
        provider.shutdown().expect("flushes");
        assert_eq!(counts.ended(), (BATCH + sent) as u64);
        assert_eq!(counts.dropped(), lost + held as u64);
        assert_eq!(counts.exported() + counts.dropped(), counts.ended());
    }
}
