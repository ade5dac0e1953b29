//! Which log records are kept and found.

mod spans;

use std::sync::Arc;

use collector::model::LogRecord;
use collector::store::{LogQuery, LogStore};
use spans::{resource, trace};

fn record(number: u64, service: &str, severity: u32) -> LogRecord {
    LogRecord {
        unix_ns: number,
        severity,
        severity_text: Arc::from(""),
        body: Arc::from(format!("record {number}")),
        trace_id: number.is_multiple_of(10).then(|| trace(7)),
        span_id: None,
        attributes: Vec::new(),
        resource: resource(service),
    }
}

fn times(store: &LogStore, query: &LogQuery<'_>) -> Vec<u64> {
    store.list(query).iter().map(|record| record.unix_ns).collect()
}

#[test]
fn the_newest_matching_records_come_in_order() {
    let store = LogStore::new(1 << 20);
    store.insert(
        (1..=100)
            .map(|number| record(number, if number % 2 == 0 { "pay-rpc" } else { "gateway" }, (number % 24) as u32)),
    );
    let all = LogQuery { limit: 3, ..LogQuery::default() };
    assert_eq!(times(&store, &all), [98, 99, 100]);
    assert_eq!(times(&store, &LogQuery { service: "gateway", ..all }), [95, 97, 99]);
    assert_eq!(times(&store, &LogQuery { trace_id: Some(trace(7)), ..all }), [80, 90, 100]);
    assert_eq!(times(&store, &LogQuery { min_severity: 23, ..all }), [47, 71, 95]);
    assert!(times(&store, &LogQuery { service: "nobody", ..all }).is_empty());
    assert_eq!(store.counts(), (100, 0));
}

#[test]
fn the_oldest_go_when_bytes_run_out() {
    let store = LogStore::new(10_000);
    for number in 1..=1_000 {
        store.insert([record(number, "gateway", 9)]);
        assert!(store.bytes() <= 10_000);
    }
    let (seen, dropped) = store.counts();
    let kept = times(&store, &LogQuery { limit: 1_000, ..LogQuery::default() });
    assert_eq!((seen, dropped + kept.len() as u64), (1_000, 1_000));
    assert_eq!(kept.last(), Some(&1_000));
    assert!(kept.len() > 30);
}
