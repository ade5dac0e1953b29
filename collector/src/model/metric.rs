//! Points of metrics.

use std::sync::Arc;

use super::{Attribute, Resource, Value, find};

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// A value that goes up and down.
    Gauge,
    /// A cumulative sum since `start_ns`. Delta sums are added up by the receiver before they get here.
    Counter,
    /// A cumulative sum that may fall.
    UpDownCounter,
    /// A cumulative histogram with explicit bounds.
    Histogram,
}

/// The value of one point.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricValue {
    /// Of a gauge or a sum.
    Number(f64),
    /// Of a histogram: `counts` has one element more than `bounds`; counts are per bucket, not cumulative over buckets.
    Histogram {
        /// How many values.
        count: u64,
        /// Their sum.
        sum: f64,
        /// Upper bounds, ascending, the last bucket is open.
        bounds: Arc<[f64]>,
        /// Values per bucket.
        counts: Vec<u64>,
    },
}

/// One point of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricPoint {
    /// OTLP name.
    pub name: Arc<str>,
    /// OTLP unit, empty when none.
    pub unit: Arc<str>,
    /// What it is.
    pub kind: MetricKind,
    /// Attributes of the point.
    pub attributes: Vec<Attribute>,
    /// Who emitted it.
    pub resource: Arc<Resource>,
    /// When a cumulative value began to count, nanoseconds since the epoch; 0 when not said.
    pub start_ns: u64,
    /// When it was observed, nanoseconds since the epoch.
    pub time_ns: u64,
    /// The value.
    pub value: MetricValue,
}

impl MetricPoint {
    /// The value of an attribute of the point.
    pub fn get(&self, key: &str) -> Option<&Value> {
        find(&self.attributes, key)
    }

    /// The value of a gauge or a sum.
    pub fn number(&self) -> Option<f64> {
        match self.value {
            MetricValue::Number(number) => Some(number),
            MetricValue::Histogram { .. } => None,
        }
    }
}
