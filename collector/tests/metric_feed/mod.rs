//! Feeds metric stores in tests, one sample a second, as a process named `shop/1` of `shop` would.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::Arc;

use collector::alert::promql::{Expression, Value};
use collector::model::{Attribute, MetricKind, MetricPoint, MetricValue, Resource, Value as AttributeValue};
use collector::rollup::metrics::MetricStore;

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;
/// When the tests begin, nanoseconds since the epoch.
pub const BEGIN: u64 = 1_700_000_000 * SECOND;

/// The process that all points come from.
pub fn resource() -> Arc<Resource> {
    Arc::new(Resource {
        service: Arc::from("shop"),
        instance: Arc::from("shop/1"),
        listen: None,
        attributes: Vec::new(),
    })
}

/// A point `second` seconds after the begin.
pub fn point(name: &str, kind: MetricKind, labels: &[(&str, &str)], second: f64, value: f64) -> MetricPoint {
    let attribute = |(key, value): &(&str, &str)| Attribute {
        key: Arc::from(*key),
        value: AttributeValue::Text(Arc::from(*value)),
    };
    MetricPoint {
        name: Arc::from(name),
        unit: Arc::from(""),
        kind,
        attributes: labels.iter().map(attribute).collect(),
        resource: resource(),
        start_ns: 0,
        time_ns: at(second),
        value: MetricValue::Number(value),
    }
}

/// The instant `second` seconds after the begin.
pub fn at(second: f64) -> u64 {
    BEGIN + (second * 1e3).round() as u64 * 1_000_000
}

/// Feeds one value a second from second 0 on; `None` is a gap.
pub fn feed(store: &mut MetricStore, name: &str, labels: &[(&str, &str)], values: &[Option<f64>]) {
    for (second, value) in values.iter().enumerate() {
        if let Some(value) = value {
            let point = point(name, MetricKind::Gauge, labels, second as f64, *value);
            store.ingest(&point, point.time_ns);
        }
    }
}

/// The result of an expression as text: a number, or `labels value` in the order of the labels.
pub fn answer(store: &MetricStore, expression: &str, second: f64) -> Vec<(String, f64)> {
    let expression = Expression::parse(expression).unwrap_or_else(|cause| panic!("{expression}: {cause}"));
    match expression.eval(store, at(second)).unwrap_or_else(|cause| panic!("{}: {cause}", expression.text())) {
        Value::Scalar(number) => vec![("{}".to_owned(), number)],
        Value::Vector(vector) => vector.iter().map(|(labels, value)| (labels.to_string(), *value)).collect(),
    }
}
