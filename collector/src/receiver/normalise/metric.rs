//! Points of metrics.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, DataPointFlags, HistogramDataPoint, Metric as WireMetric, NumberDataPoint,
};

use super::delta::Added;
use super::{Normaliser, Rejected};
use crate::model::{MetricKind, MetricPoint, MetricValue, Resource};

/// Buckets of one histogram.
const MAX_BUCKETS: usize = 512;

/// What all points of a metric share.
struct Metric<'a> {
    name: Arc<str>,
    unit: Arc<str>,
    kind: MetricKind,
    is_delta: bool,
    resource: &'a Arc<Resource>,
}

/// Points on their way to the sink.
#[derive(Default)]
struct Points {
    taken: Vec<MetricPoint>,
    rejected: Rejected,
}

impl Normaliser {
    /// The points of a request, and those that were refused.
    pub fn points(&self, request: ExportMetricsServiceRequest) -> (Vec<MetricPoint>, Rejected) {
        let mut points = Points::default();
        for of_resource in request.resource_metrics {
            let resource = self.resource(of_resource.resource);
            let metrics = of_resource.scope_metrics.into_iter().flat_map(|of_scope| of_scope.metrics);
            for metric in metrics {
                self.metric(metric, &resource, &mut points);
            }
        }
        (points.taken, points.rejected)
    }

    fn metric(&self, wire: WireMetric, resource: &Arc<Resource>, points: &mut Points) {
        let Some(data) = wire.data else { return };
        let refuse = |points: &mut Points, reason, count: usize| {
            for _ in 0..count {
                points.rejected.reject(reason, || wire.name.clone());
            }
        };
        if wire.name.is_empty() {
            return refuse(points, "metric without a name", count(&data));
        }
        let Some(name) = self.metric_names.intern(&self.safe(&wire.name)) else {
            self.stats.overflow_names(1);
            return refuse(points, "too many metric names", count(&data));
        };
        let (kind, temporality) = match &data {
            Data::Gauge(_) => (MetricKind::Gauge, AggregationTemporality::Cumulative as i32),
            Data::Sum(sum) if sum.is_monotonic => (MetricKind::Counter, sum.aggregation_temporality),
            Data::Sum(sum) => (MetricKind::UpDownCounter, sum.aggregation_temporality),
            Data::Histogram(histogram) => (MetricKind::Histogram, histogram.aggregation_temporality),
            Data::ExponentialHistogram(_) => return refuse(points, "exponential histogram", count(&data)),
            Data::Summary(_) => return refuse(points, "summary", count(&data)),
        };
        let Ok(temporality @ (AggregationTemporality::Cumulative | AggregationTemporality::Delta)) =
            AggregationTemporality::try_from(temporality)
        else {
            return refuse(points, "unspecified temporality", count(&data));
        };
        let metric = Metric {
            name,
            unit: self.word(&wire.unit),
            kind,
            is_delta: temporality == AggregationTemporality::Delta,
            resource,
        };
        match data {
            Data::Gauge(gauge) => gauge.data_points.into_iter().for_each(|point| self.number(&metric, point, points)),
            Data::Sum(sum) => sum.data_points.into_iter().for_each(|point| self.number(&metric, point, points)),
            Data::Histogram(histogram) => {
                histogram.data_points.into_iter().for_each(|point| self.histogram(&metric, point, points));
            }
            Data::ExponentialHistogram(_) | Data::Summary(_) => {}
        }
    }

    fn number(&self, metric: &Metric<'_>, wire: NumberDataPoint, points: &mut Points) {
        if has_no_value(wire.flags) {
            return;
        }
        let value = match wire.value {
            Some(Number::AsDouble(number)) => number,
            Some(Number::AsInt(number)) => number as f64,
            None => return points.rejected.reject("point without a value", || metric.name.to_string()),
        };
        let attributes = self.attributes(wire.attributes).0;
        let times = (wire.start_time_unix_nano, wire.time_unix_nano);
        self.take(metric, attributes, times, MetricValue::Number(value), points);
    }

    fn histogram(&self, metric: &Metric<'_>, wire: HistogramDataPoint, points: &mut Points) {
        if has_no_value(wire.flags) {
            return;
        }
        let (bounds, mut counts) = (wire.explicit_bounds, wire.bucket_counts);
        if counts.is_empty() && bounds.is_empty() {
            counts.push(wire.count);
        }
        let refusal = if counts.len() != bounds.len() + 1 {
            Some("histogram whose buckets do not match its bounds")
        } else if counts.len() > MAX_BUCKETS {
            Some("histogram with too many buckets")
        } else if !bounds.is_sorted_by(|a, b| a < b) || bounds.iter().any(|bound| bound.is_nan()) {
            Some("histogram whose bounds do not ascend")
        } else {
            None
        };
        if let Some(reason) = refusal {
            return points.rejected.reject(reason, || metric.name.to_string());
        }
        let value = MetricValue::Histogram {
            count: wire.count,
            sum: wire.sum.unwrap_or_default(),
            bounds: Arc::from(bounds),
            counts,
        };
        let attributes = self.attributes(wire.attributes).0;
        self.take(metric, attributes, (wire.start_time_unix_nano, wire.time_unix_nano), value, points);
    }

    fn take(
        &self,
        metric: &Metric<'_>,
        attributes: Vec<crate::model::Attribute>,
        (start_ns, time_ns): (u64, u64),
        value: MetricValue,
        points: &mut Points,
    ) {
        let point = MetricPoint {
            name: Arc::clone(&metric.name),
            unit: Arc::clone(&metric.unit),
            kind: metric.kind,
            attributes,
            resource: Arc::clone(metric.resource),
            start_ns,
            time_ns,
            value,
        };
        if !metric.is_delta {
            return points.taken.push(point);
        }
        match self.deltas.add(point) {
            Added::Cumulative(point) => points.taken.push(point),
            Added::Repeated => {}
            Added::Full => points.rejected.reject("too many delta streams", || metric.name.to_string()),
        }
    }
}

/// A point that only says that its stream paused.
fn has_no_value(flags: u32) -> bool {
    flags & DataPointFlags::NoRecordedValueMask as u32 != 0
}

fn count(data: &Data) -> usize {
    match data {
        Data::Gauge(gauge) => gauge.data_points.len(),
        Data::Sum(sum) => sum.data_points.len(),
        Data::Histogram(histogram) => histogram.data_points.len(),
        Data::ExponentialHistogram(histogram) => histogram.data_points.len(),
        Data::Summary(summary) => summary.data_points.len(),
    }
}
