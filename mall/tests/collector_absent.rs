//! A service without a collector works, loses its spans, and knows how many.

mod support;

use mall::config::ServiceConfig;
use mall::telemetry::{Telemetry, in_span};
use opentelemetry::trace::SpanKind;
use std::sync::Arc;
use std::time::Duration;
use support::Replica;

#[tokio::test]
async fn lost_spans_are_counted_and_the_end_is_bounded() {
    let mut config = ServiceConfig::new("user-rpc");
    config.telemetry.endpoint = Replica::dead(1).await.address.to_string();
    let telemetry = Telemetry::start(&config, "127.0.0.1:1").expect("starts without a collector");
    for _ in 0..10_000 {
        in_span("lost", SpanKind::Internal, Vec::new, async {}).await;
    }
    let counts = Arc::clone(telemetry.counts());
    assert_eq!(counts.ended(), 10_000);
    assert!(counts.dropped() > 0, "the queue holds 4,096");
    tokio::time::timeout(Duration::from_secs(30), telemetry.shutdown()).await.expect("in time");
    assert_eq!(counts.exported(), 0);
}

#[tokio::test]
async fn an_endpoint_with_a_scheme_is_refused_with_the_mend() {
    let mut config = ServiceConfig::new("user-rpc");
    config.telemetry.endpoint = "http://127.0.0.1:4317".to_owned();
    let error = Telemetry::start(&config, "127.0.0.1:1").err().expect("refused").to_string();
    assert!(error.contains("give host:port without a scheme"), "{error}");
}
