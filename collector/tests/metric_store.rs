//! Metrics as time series: names, zeros that were never sent, and bounds.

mod metric_feed;

use std::sync::Arc;

use collector::model::{Attribute, MetricKind, MetricPoint, MetricValue, Resource, Value};
use collector::rollup::metrics::{MetricLimits, MetricStore};
use metric_feed::{BEGIN, SECOND, answer, at, point};

fn all(store: &MetricStore) -> Vec<String> {
    let mut all: Vec<String> = store
        .select(None, |_| true, 0, u64::MAX)
        .map(|(labels, samples)| {
            let values: Vec<String> = samples.iter().map(|sample| sample.value.to_string()).collect();
            format!("{labels} {}", values.join(" "))
        })
        .filter(|text| !text.starts_with("target_info"))
        .collect();
    all.sort();
    all
}

fn ingest(store: &mut MetricStore, point: &MetricPoint) {
    store.ingest(point, point.time_ns);
}

fn counter(second: f64, value: f64, start: Option<f64>) -> MetricPoint {
    let mut point = point("breaker.trips", MetricKind::Counter, &[("breaker.name", "pay")], second, value);
    point.start_ns = start.map_or(0, at);
    point
}

/// Something that the process exports all the time.
fn heartbeat(store: &mut MetricStore, second: f64) {
    ingest(store, &point("up", MetricKind::Gauge, &[], second, 1.0));
}

#[test]
fn points_become_series_under_prometheus_names() {
    let mut store = MetricStore::new(MetricLimits::default());
    ingest(&mut store, &counter(1.0, 3.0, None));
    let mut duration = point("http_server_requests_duration_ms", MetricKind::Histogram, &[("path", "/x")], 1.0, 0.0);
    duration.value = MetricValue::Histogram {
        count: 6,
        sum: 2_000.5,
        bounds: Arc::from([5.0, 0.5e3, 1e3]),
        counts: vec![1, 2, 0, 3],
    };
    ingest(&mut store, &duration);
    let own = r#"instance="shop/1", job="shop""#;
    assert_eq!(
        all(&store),
        [
            format!(r#"breaker_trips_total{{breaker_name="pay", {own}}} 3"#),
            format!(r#"http_server_requests_duration_ms_bucket{{{own}, le="+Inf", path="/x"}} 6"#),
            format!(r#"http_server_requests_duration_ms_bucket{{{own}, le="1000", path="/x"}} 3"#),
            format!(r#"http_server_requests_duration_ms_bucket{{{own}, le="5", path="/x"}} 1"#),
            format!(r#"http_server_requests_duration_ms_bucket{{{own}, le="500", path="/x"}} 3"#),
            format!(r#"http_server_requests_duration_ms_count{{{own}, path="/x"}} 6"#),
            format!(r#"http_server_requests_duration_ms_sum{{{own}, path="/x"}} 2000.5"#),
        ]
    );
}

#[test]
fn a_process_has_its_target_info() {
    let mut store = MetricStore::new(MetricLimits::default());
    let text = |key: &str, value: &str| Attribute { key: Arc::from(key), value: Value::Text(Arc::from(value)) };
    let attributes = vec![
        text("service.name", "pay-rpc"),
        text("service.instance.id", "pay-rpc/1"),
        text("mall.listen", "127.0.0.1:9"),
    ];
    let resource =
        Resource { service: Arc::from("pay-rpc"), instance: Arc::from("pay-rpc/1"), listen: None, attributes };
    let mut point = point("up", MetricKind::Gauge, &[("job", "mine"), ("a.b", "1"), ("a-b", "2")], 1.0, 1.0);
    point.resource = Arc::new(resource);
    ingest(&mut store, &point);
    assert_eq!(
        answer(&store, "target_info", 1.0),
        [(r#"target_info{instance="pay-rpc/1", job="pay-rpc", mall_listen="127.0.0.1:9"}"#.to_owned(), 1.0)]
    );
    let series = &answer(&store, "up", 1.0)[0].0;
    assert_eq!(series, r#"up{a_b="1;2", exported_job="mine", instance="pay-rpc/1", job="pay-rpc"}"#);
}

#[test]
fn a_counter_that_begins_with_its_process_rises_from_zero() {
    let mut store = MetricStore::new(MetricLimits::default());
    ingest(&mut store, &counter(1.0, 2.0, Some(0.2)));
    assert_eq!(all(&store), [r#"breaker_trips_total{breaker_name="pay", instance="shop/1", job="shop"} 0 2"#]);
    assert!(answer(&store, "increase(breaker_trips_total[20s])", 1.5)[0].1 > 2.0);
}

#[test]
fn a_counter_born_late_was_zero_at_the_last_export_without_it() {
    let mut store = MetricStore::new(MetricLimits::default());
    for second in 0..120 {
        heartbeat(&mut store, f64::from(second));
    }
    // The process counts since second 0, but the series appears at its first trip, a minute after the window began.
    heartbeat(&mut store, 120.0);
    let mut born = counter(120.0, 1.0, Some(0.0));
    born.time_ns += 20_000;
    ingest(&mut store, &born);
    let zero = store.select(Some("breaker_trips_total"), |_| true, 0, u64::MAX).next().expect("the series").1[0];
    assert_eq!((zero.time_ns, zero.value.to_bits()), (at(119.0), 0));
    let rise = answer(&store, "increase(breaker_trips_total[20s])", 120.5);
    assert_eq!(rise.len(), 1, "the first trip is seen");
    assert!(rise[0].1 >= 1.0, "{rise:?}");
}

#[test]
fn nothing_is_known_before_the_first_export_without_a_begin() {
    let mut store = MetricStore::new(MetricLimits::default());
    ingest(&mut store, &counter(1.0, 200.0, None));
    assert_eq!(all(&store), [r#"breaker_trips_total{breaker_name="pay", instance="shop/1", job="shop"} 200"#]);
}

#[test]
fn gauges_get_no_zeros() {
    let mut store = MetricStore::new(MetricLimits::default());
    heartbeat(&mut store, 0.0);
    let mut gauge = point("g", MetricKind::Gauge, &[], 1.0, 5.0);
    gauge.start_ns = at(0.0);
    ingest(&mut store, &gauge);
    assert_eq!(all(&store)[0], r#"g{instance="shop/1", job="shop"} 5"#);
}

#[test]
fn a_restart_between_two_samples_is_a_reset_even_if_the_value_rose() {
    let mut store = MetricStore::new(MetricLimits::default());
    ingest(&mut store, &counter(1.0, 3.0, Some(0.0)));
    ingest(&mut store, &counter(2.0, 3.0, Some(0.0)));
    ingest(&mut store, &counter(4.0, 5.0, Some(3.0)));
    assert_eq!(all(&store), [r#"breaker_trips_total{breaker_name="pay", instance="shop/1", job="shop"} 0 3 3 0 5"#]);
    assert_eq!(answer(&store, "resets(breaker_trips_total[1m])", 5.0)[0].1.to_bits(), 1.0_f64.to_bits());
}

#[test]
fn a_second_keeps_two_samples_at_most() {
    let mut store = MetricStore::new(MetricLimits::default());
    for step in 0..50 {
        ingest(&mut store, &point("g", MetricKind::Gauge, &[], f64::from(step) / 10.0, f64::from(step)));
    }
    assert_eq!(all(&store), [r#"g{instance="shop/1", job="shop"} 0 9 10 19 20 29 30 39 40 49"#]);
}

#[test]
fn what_does_not_fit_is_counted() {
    let mut store = MetricStore::new(MetricLimits { series: 3, ..MetricLimits::default() });
    for number in 0..5 {
        ingest(&mut store, &point("g", MetricKind::Gauge, &[("n", &number.to_string())], 1.0, 1.0));
    }
    assert_eq!(store.stats().series, 3, "target_info and two others");
    assert_eq!(store.stats().refused_series, 3);

    let mut store = MetricStore::new(MetricLimits::default());
    ingest(&mut store, &point("g", MetricKind::Gauge, &[], 2.0, 1.0));
    ingest(&mut store, &point("g", MetricKind::Gauge, &[], 1.0, 1.0));
    assert_eq!(store.stats().out_of_order, 1);
    store.ingest(&point("g", MetricKind::Gauge, &[], 200.0, 1.0), at(100.0));
    assert_eq!(store.stats().from_future, 1);
}

#[test]
fn old_samples_and_empty_series_go() {
    let mut store = MetricStore::new(MetricLimits::default());
    ingest(&mut store, &point("gone", MetricKind::Gauge, &[], 0.0, 1.0));
    for second in 0..1_300 {
        ingest(&mut store, &point("g", MetricKind::Gauge, &[], f64::from(second), 1.0));
    }
    store.expire(at(1_299.0));
    assert_eq!(answer(&store, "gone", 10.0), []);
    let stats = store.stats();
    assert_eq!((stats.series, stats.samples), (2, 2 * 601), "g and target_info, ten minutes each");
    let counted: usize = store.select(None, |_| true, 0, u64::MAX).map(|(_, samples)| samples.len()).sum();
    assert_eq!(counted, stats.samples);
    ingest(&mut store, &point("gone", MetricKind::Gauge, &[], 1_300.0, 2.0));
    assert_eq!(answer(&store, "gone", 1_300.0).len(), 1, "its place is used again");
}

#[test]
fn too_many_samples_shorten_what_is_kept() {
    let mut store = MetricStore::new(MetricLimits { samples: 1_000, ..MetricLimits::default() });
    for second in 0..400 {
        for number in 0..10 {
            ingest(&mut store, &point("g", MetricKind::Gauge, &[("n", &number.to_string())], f64::from(second), 1.0));
        }
    }
    let stats = store.stats();
    assert!(stats.samples < 1_200, "{stats:?}");
    assert!(stats.trimmed > 0);
    assert_eq!(answer(&store, "count(g)", 399.0)[0].1.to_bits(), 10.0_f64.to_bits(), "no series is lost");
}

#[test]
fn the_begin_is_on_a_whole_second() {
    assert_eq!(BEGIN % SECOND, 0);
}
