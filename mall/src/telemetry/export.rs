//! The SDK's providers: set up by hand, ended without losing the last span.

use super::counted::{self, SpanCounts};
use super::http_client::RuntimeClient;
use super::scrape::Page;
use super::{Meters, logs, span};
use crate::config::{self, Sampling, ServiceConfig, can_connect};
use collector_api::vocabulary as word;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, Protocol, RetryPolicy, SpanExporter, WithExportConfig,
    WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{BatchConfigBuilder, BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tonic::metadata::{MetadataKey, MetadataMap};

/// Name of the instrumentation scope.
const SCOPE: &str = "mall";
/// How long one export may take, retries included.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);
const METRIC_INTERVAL: Duration = Duration::from_secs(1);
/// How long the last export may take when the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The endpoint is no host:port.
    #[error("telemetry endpoint `{0}` cannot be used; give host:port without a scheme")]
    Endpoint(String),
    /// A header that no transport carries.
    #[error("telemetry header `{0}` has a name or value that cannot be sent; use letters, digits and dashes")]
    Header(String),
    /// The exporters cannot be built.
    #[error("telemetry cannot be exported: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// The log file cannot be opened.
    #[error("log file `{path}` cannot be opened: {source}")]
    LogFile {
        /// The path.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The log level is none.
    #[error("log level `{level}` is not understood: {what}")]
    LogLevel {
        /// What the configuration says.
        level: String,
        /// What is wrong with it, and what would be right.
        what: String,
    },
}

/// The telemetry of a process. Keep it until the last request is answered, then call [`Telemetry::shutdown`].
pub struct Telemetry {
    tracer: SdkTracerProvider,
    meter: SdkMeterProvider,
    logger: SdkLoggerProvider,
    meters: Meters,
    counts: Arc<SpanCounts>,
    page: Option<Page>,
}

impl Telemetry {
    /// Sets up traces, metrics and logs of this process, exported to the configured endpoint; with an empty endpoint ids
    /// and figures are made and go nowhere. Needs a tokio runtime, which must turn until [`Telemetry::shutdown`] ends.
    ///
    /// The first telemetry of a process provides its spans and log lines; a second one only its own metrics.
    pub fn start(config: &ServiceConfig, listen: &str) -> Result<Self, TelemetryError> {
        let resource = resource(config, listen);
        let counts = Arc::new(SpanCounts::default());
        let sampler = sampler(config.telemetry.sampling, config.telemetry.sampler);
        let mut tracer = SdkTracerProvider::builder().with_resource(resource.clone()).with_sampler(sampler);
        let mut meter = SdkMeterProvider::builder().with_resource(resource.clone());
        let mut logger = SdkLoggerProvider::builder().with_resource(resource);
        if !config.telemetry.endpoint.is_empty() && !config.telemetry.disabled {
            let exporters = Exporters::new(&config.telemetry)?;
            tracer = tracer.with_span_processor(counted::processor(exporters.spans, &counts));
            meter =
                meter.with_reader(PeriodicReader::builder(exporters.metrics).with_interval(METRIC_INTERVAL).build());
            let batches = BatchConfigBuilder::default()
                .with_max_queue_size(2_048)
                .with_scheduled_delay(Duration::from_millis(200))
                .build();
            let processor = BatchLogProcessor::builder(exporters.logs).with_batch_config(batches).build();
            logger = logger.with_log_processor(processor);
        }
        let page = (config.prometheus.is_some() || config.dev_server.is_some()).then(Page::default);
        if let Some(page) = &page {
            meter = meter.with_reader(page.clone());
        }
        let (tracer, meter, logger) = (tracer.build(), meter.build(), logger.build());
        let meters = Meters::new(meter.meter(SCOPE));
        observe_counts(&meters, &counts);
        if span::install(tracer.tracer(SCOPE)) {
            logs::install(&config.log, &config.name, &logger)?;
        }
        Ok(Self { tracer, meter, logger, meters, counts, page })
    }

    /// The instruments of this process.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// The metrics as a scraper reads them; `None` when the configuration opens no port for scrapers.
    pub fn page(&self) -> Option<&Page> {
        self.page.as_ref()
    }

    /// What became of the process's spans.
    pub fn counts(&self) -> &Arc<SpanCounts> {
        &self.counts
    }

    /// Exports what is left, then ends. Waits at most two seconds for a collector that does not answer.
    ///
    /// The providers block their thread until the exporter is done, and the exporter needs this runtime: each ends on a
    /// thread of its own while the runtime turns. These are plain threads, so that a hanging one cannot keep the process.
    pub async fn shutdown(self) {
        let Self { tracer, meter, logger, .. } = self;
        let spans = on_thread(move || tracer.shutdown_with_timeout(FLUSH_TIMEOUT).is_ok());
        let lines = on_thread(move || logger.shutdown_with_timeout(FLUSH_TIMEOUT).is_ok());
        let all = async {
            let done = tokio::join!(spans, lines);
            // The last figures say what became of the last spans.
            let figures = on_thread(move || meter.shutdown().is_ok()).await;
            (done.0, done.1, figures)
        };
        if tokio::time::timeout(FLUSH_TIMEOUT + EXPORT_TIMEOUT / 2, all).await.is_err() {
            tracing::debug!("telemetry was not flushed in time");
        }
    }
}

struct Exporters {
    spans: SpanExporter,
    metrics: MetricExporter,
    logs: LogExporter,
}

impl Exporters {
    fn new(config: &config::Telemetry) -> Result<Self, TelemetryError> {
        let endpoint = &config.endpoint;
        if !can_connect(endpoint) {
            return Err(TelemetryError::Endpoint(endpoint.clone()));
        }
        if config.batcher == "otlphttp" { Self::over_http(config) } else { Self::over_grpc(config) }
    }

    fn over_grpc(config: &config::Telemetry) -> Result<Self, TelemetryError> {
        let url = format!("http://{}", config.endpoint);
        let mut metadata = MetadataMap::new();
        for (name, value) in &config.otlp_headers {
            let refused = || TelemetryError::Header(name.clone());
            let name = MetadataKey::from_bytes(name.to_ascii_lowercase().as_bytes()).map_err(|_| refused())?;
            metadata.insert(name, value.expose().parse().map_err(|_| refused())?);
        }
        let spans = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(url.clone())
            .with_metadata(metadata.clone())
            .with_timeout(EXPORT_TIMEOUT)
            .with_retry_policy(retries())
            .build()?;
        let metrics = MetricExporter::builder()
            .with_tonic()
            .with_endpoint(url.clone())
            .with_metadata(metadata.clone())
            .with_timeout(EXPORT_TIMEOUT)
            .with_temporality(Temporality::Cumulative)
            .build()?;
        let logs = LogExporter::builder()
            .with_tonic()
            .with_endpoint(url)
            .with_metadata(metadata)
            .with_timeout(EXPORT_TIMEOUT)
            .with_retry_policy(retries())
            .build()?;
        Ok(Self { spans, metrics, logs })
    }

    /// Spans go to `OtlpHttpPath`; metrics and logs to the path beside it.
    fn over_http(config: &config::Telemetry) -> Result<Self, TelemetryError> {
        let path = if config.otlp_http_path.is_empty() { "/v1/traces" } else { &config.otlp_http_path };
        let path = format!("/{}", path.trim_start_matches('/'));
        let base = path.strip_suffix("/traces").unwrap_or(&path).to_owned();
        let url = |path: &str| format!("http://{}{path}", config.endpoint);
        let headers: HashMap<String, String> =
            config.otlp_headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
        let client = RuntimeClient::new(EXPORT_TIMEOUT);
        let spans = SpanExporter::builder()
            .with_http()
            .with_http_client(client.clone())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url(&path))
            .with_headers(headers.clone())
            .with_timeout(EXPORT_TIMEOUT)
            .with_retry_policy(retries())
            .build()?;
        let metrics = MetricExporter::builder()
            .with_http()
            .with_http_client(client.clone())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url(&format!("{base}/metrics")))
            .with_headers(headers.clone())
            .with_timeout(EXPORT_TIMEOUT)
            .with_temporality(Temporality::Cumulative)
            .build()?;
        let logs = LogExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url(&format!("{base}/logs")))
            .with_headers(headers)
            .with_timeout(EXPORT_TIMEOUT)
            .with_retry_policy(retries())
            .build()?;
        Ok(Self { spans, metrics, logs })
    }
}

/// A collector that is just starting is met by a few quick retries; more would only fill the queue.
fn retries() -> RetryPolicy {
    RetryPolicy::recommended()
        .with_max_retries(5)
        .with_initial_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_millis(800))
}

/// A trace is sampled at the ratio, by its id, so that every process with the same ratio decides the same; where callers
/// are followed, only a trace that begins here.
fn sampler(sampling: Sampling, ratio: f64) -> Sampler {
    let own = if ratio < 1.0 { Sampler::TraceIdRatioBased(ratio) } else { Sampler::AlwaysOn };
    match sampling {
        Sampling::ParentBased => Sampler::ParentBased(Box::new(own)),
        Sampling::Own => own,
    }
}

fn resource(config: &ServiceConfig, listen: &str) -> Resource {
    let ratio = config.telemetry.sampler;
    let builder = Resource::builder();
    // Whoever reads the spans must know that some are missing on purpose.
    let builder =
        if ratio < 1.0 { builder.with_attribute(KeyValue::new(word::MALL_SAMPLER_RATIO, ratio)) } else { builder };
    builder
        .with_service_name(config.service_name().to_owned())
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", config.instance().to_owned()),
            KeyValue::new("process.pid", i64::from(std::process::id())),
            KeyValue::new(word::MALL_LISTEN, listen.to_owned()),
        ])
        .build()
}

fn observe_counts(meters: &Meters, counts: &Arc<SpanCounts>) {
    let dropped = Arc::clone(counts);
    meters
        .meter()
        .u64_observable_counter(word::TELEMETRY_DROPPED)
        .with_callback(move |observer| observer.observe(dropped.dropped(), &[]))
        .build();
    let exported = Arc::clone(counts);
    meters
        .meter()
        .u64_observable_counter(word::TELEMETRY_EXPORTED)
        .with_callback(move |observer| observer.observe(exported.exported(), &[]))
        .build();
}

async fn on_thread(work: impl FnOnce() -> bool + Send + 'static) -> bool {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("telemetry-flush".to_owned());
    let started = thread.spawn(move || {
        // The receiver may have given up waiting.
        let _ = sender.send(work());
    });
    started.is_ok() && receiver.await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::Context;
    use opentelemetry::trace::{SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState};
    use opentelemetry_sdk::trace::{SamplingDecision, ShouldSample};

    /// Whether a call is sampled whose caller did, did not, or is not there.
    fn decides(sampling: Sampling, ratio: f64) -> [bool; 3] {
        // Its lower half is what a ratio is compared with: this one lies in the middle.
        let id = TraceId::from(1 << 63);
        [Some(TraceFlags::SAMPLED), Some(TraceFlags::default()), None].map(|caller| {
            let context = caller.map(|flags| {
                let caller = SpanContext::new(id, SpanId::from(1), flags, true, TraceState::default());
                Context::new().with_remote_span_context(caller)
            });
            let sampler = sampler(sampling, ratio);
            let result = sampler.should_sample(context.as_ref(), id, "call", &SpanKind::Server, &[], &[]);
            result.decision == SamplingDecision::RecordAndSample
        })
    }

    #[test]
    fn callers_are_followed_or_not_as_the_sampler_says() {
        assert_eq!(decides(Sampling::ParentBased, 1.0), [true, false, true]);
        assert_eq!(decides(Sampling::ParentBased, 0.0), [true, false, false]);
        assert_eq!(decides(Sampling::Own, 1.0), [true, true, true]);
        assert_eq!(decides(Sampling::Own, 0.0), [false, false, false]);
    }

    #[test]
    fn a_ratio_of_its_own_judges_by_the_id_alone() {
        let decisions = |ratio| decides(Sampling::Own, ratio);
        assert_eq!([decisions(0.001), decisions(0.999)], [[false; 3], [true; 3]]);
    }
}
