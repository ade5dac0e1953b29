//! The process's metrics as a page for Prometheus.
//!
//! Figures are collected when they are asked for, so a page is never old, and a process that nobody scrapes does nothing.
//! Names are those under which the collector's queries know the same metrics.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Weak};
use std::time::Duration;

use collector_api::prometheus::{Kind, label_name, metric_name};
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, Temporality};

/// Metrics on demand. Clones read the same.
#[derive(Debug, Clone, Default)]
pub struct Page {
    reader: Arc<ManualReader>,
}

impl Page {
    /// Media type of the text.
    pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// The figures of this moment in the Prometheus text format, version 0.0.4; fails once the process's telemetry ended.
    /// Costs what an export costs: some microseconds per series.
    pub fn text(&self) -> Result<String, opentelemetry_sdk::error::OTelSdkError> {
        let mut metrics = ResourceMetrics::default();
        self.reader.collect(&mut metrics)?;
        Ok(render(&metrics))
    }
}

impl MetricReader for Page {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.reader.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.reader.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.reader.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.reader.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.reader.temporality(kind)
    }
}

fn render(metrics: &ResourceMetrics) -> String {
    let mut text = String::with_capacity(16 << 10);
    target_info(metrics.resource(), &mut text);
    for metric in metrics.scope_metrics().flat_map(opentelemetry_sdk::metrics::data::ScopeMetrics::metrics) {
        match metric.data() {
            AggregatedMetrics::F64(data) => family(metric, data, &mut text),
            AggregatedMetrics::U64(data) => family(metric, data, &mut text),
            AggregatedMetrics::I64(data) => family(metric, data, &mut text),
        }
    }
    text
}

/// What is known of the process, as a series that is always 1; `job` and `instance` are the scraper's to say.
fn target_info(resource: &Resource, text: &mut String) {
    let pairs: Vec<KeyValue> = resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
    text.push_str("# TYPE target_info gauge\n");
    line(text, "target_info", "", &pairs, None, 1);
}

fn family<T: Copy + std::fmt::Display>(metric: &Metric, data: &MetricData<T>, text: &mut String) {
    let name = |kind| metric_name(metric.name(), metric.unit(), kind);
    match data {
        MetricData::Gauge(gauge) => {
            let name = name(Kind::Gauge);
            let _ = writeln!(text, "# TYPE {name} gauge");
            for point in gauge.data_points() {
                line(text, &name, "", point.attributes(), None, point.value());
            }
        }
        MetricData::Sum(sum) => {
            let (kind, word) = if sum.is_monotonic() { (Kind::Counter, "counter") } else { (Kind::Other, "gauge") };
            let name = name(kind);
            let _ = writeln!(text, "# TYPE {name} {word}");
            for point in sum.data_points() {
                line(text, &name, "", point.attributes(), None, point.value());
            }
        }
        MetricData::Histogram(histogram) => {
            let name = name(Kind::Other);
            let _ = writeln!(text, "# TYPE {name} histogram");
            for point in histogram.data_points() {
                let attributes: Vec<KeyValue> = point.attributes().cloned().collect();
                let edges = point.bounds().map(|edge| edge.to_string()).chain(["+Inf".to_owned()]);
                let mut below = 0;
                for (edge, count) in edges.zip(point.bucket_counts()) {
                    below += count;
                    line(text, &name, "_bucket", &attributes, Some(&edge), below);
                }
                line(text, &name, "_sum", &attributes, None, point.sum());
                line(text, &name, "_count", &attributes, None, point.count());
            }
        }
        // The process makes none.
        MetricData::ExponentialHistogram(_) => {}
    }
}

fn line<'a>(
    text: &mut String,
    name: &str,
    suffix: &str,
    attributes: impl IntoIterator<Item = &'a KeyValue>,
    edge: Option<&str>,
    value: impl std::fmt::Display,
) {
    let _ = write!(text, "{name}{suffix}");
    // Two attributes may have one label; the first stays, for a scraper refuses a series with a label twice.
    let mut seen = BTreeSet::new();
    let mut separator = '{';
    let mut label = |text: &mut String, name: &str, value: &str| {
        let _ = write!(text, "{separator}{name}=\"{}\"", escaped(value));
        separator = ',';
    };
    for attribute in attributes {
        let name = label_name(attribute.key.as_str());
        if seen.insert(name.clone()) {
            label(text, &name, &attribute.value.as_str());
        }
    }
    if let Some(edge) = edge {
        label(text, "le", edge);
    }
    let is_labelled = edge.is_some() || !seen.is_empty();
    let _ = writeln!(text, "{} {value}", if is_labelled { "}" } else { "" });
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry_sdk::metrics::SdkMeterProvider;

    #[test]
    fn every_kind_of_metric_is_a_family() {
        let page = Page::default();
        let resource = Resource::builder_empty().with_service_name("pay-rpc").build();
        let provider = SdkMeterProvider::builder().with_resource(resource).with_reader(page.clone()).build();
        let meter = provider.meter("test");
        meter.u64_counter("breaker.trips").build().add(2, &[KeyValue::new("breaker.name", "a\"b\\c\nd")]);
        meter.i64_up_down_counter("jobs.active").build().add(-3, &[]);
        meter.u64_gauge("p2c.ewma").with_unit("ns").build().record(7, &[]);
        let histogram = meter.f64_histogram("rpc_server_requests_duration_ms").with_boundaries(vec![1.0, 2.5]).build();
        for value in [0.5, 2.0, 9.0] {
            histogram.record(value, &[KeyValue::new("method", "/mall.Pay/GetPayment")]);
        }
        let text = page.text().expect("renders");
        for expected in [
            "# TYPE target_info gauge\ntarget_info{service_name=\"pay-rpc\"} 1\n",
            "# TYPE breaker_trips_total counter\nbreaker_trips_total{breaker_name=\"a\\\"b\\\\c\\nd\"} 2\n",
            "# TYPE jobs_active gauge\njobs_active -3\n",
            "# TYPE p2c_ewma_nanoseconds gauge\np2c_ewma_nanoseconds 7\n",
            "rpc_server_requests_duration_ms_bucket{method=\"/mall.Pay/GetPayment\",le=\"1\"} 1\n",
            "rpc_server_requests_duration_ms_bucket{method=\"/mall.Pay/GetPayment\",le=\"2.5\"} 2\n",
            "rpc_server_requests_duration_ms_bucket{method=\"/mall.Pay/GetPayment\",le=\"+Inf\"} 3\n",
            "rpc_server_requests_duration_ms_sum{method=\"/mall.Pay/GetPayment\"} 11.5\n",
            "rpc_server_requests_duration_ms_count{method=\"/mall.Pay/GetPayment\"} 3\n",
        ] {
            assert!(text.contains(expected), "{expected} is missing in\n{text}");
        }
        meter.u64_counter("breaker.trips").build().add(1, &[KeyValue::new("breaker.name", "b")]);
        assert!(
            page.text().expect("renders").contains("breaker_trips_total{breaker_name=\"b\"} 1\n"),
            "of this moment"
        );
        provider.shutdown().expect("ends");
        assert!(page.text().is_err());
    }
}
