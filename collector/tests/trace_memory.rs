//! The store's estimate of its bytes is honest: the process does not hold much more than the limit says.
#![cfg(target_os = "linux")]

mod spans;

use std::sync::Arc;

use collector::model::{Attribute, Resource, Span, Value};
use collector::store::{TraceLimits, TraceStore};
use spans::{SECOND, child, id, resource, root, with_event};

const LIMIT: usize = 48 << 20;
const SPANS_PER_TRACE: u64 = 20;

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("linux");
    let pages = statm.split_ascii_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("a number of pages") * 4_096
}

/// A span as the shop sends it: shared keys, some values of its own.
fn shop_span(trace: u64, number: u64, keys: &[Arc<str>], emitter: &Arc<Resource>, now_ns: u64) -> Span {
    let base = if number == 1 {
        root(u128::from(trace), now_ns)
    } else {
        child(u128::from(trace), number, number / 2, now_ns)
    };
    let attribute = |at: usize, key: &Arc<str>| {
        let value = match at % 4 {
            0 => Value::Int(number as i64),
            1 => Value::Text(Arc::from(format!("127.0.0.1:{}", 9_000 + number))),
            2 => Value::Text(Arc::from(format!("order-{trace}-{number}"))),
            _ => Value::Text(Arc::clone(key)),
        };
        Attribute { key: Arc::clone(key), value }
    };
    let attributes = keys.iter().enumerate().map(|(at, key)| attribute(at, key)).collect();
    let span = Span { span_id: id(number), attributes, resource: Arc::clone(emitter), ..base };
    if number.is_multiple_of(3) { with_event(span, "p2c.pick") } else { span }
}

#[test]
fn resident_memory_follows_the_limit() {
    let store = TraceStore::new(TraceLimits { bytes: LIMIT, ..TraceLimits::default() });
    let keys: Vec<Arc<str>> = (0..8).map(|number| Arc::from(format!("attribute.key.{number}"))).collect();
    let emitter = resource("order-rpc");
    let before = resident_bytes();
    let mut trace = 0;
    while store.stats().evicted_traces < 6_000 {
        trace += 1;
        let now_ns = trace * SECOND / 400;
        for number in 1..=SPANS_PER_TRACE {
            store.insert(Arc::new(shop_span(trace, number, &keys, &emitter, now_ns)), now_ns);
        }
        if trace.is_multiple_of(100) {
            store.take_quiet(now_ns);
        }
    }
    let grown = resident_bytes().saturating_sub(before);
    let estimated = store.stats().bytes as usize;
    println!("limit {LIMIT}, estimated {estimated}, resident {grown}, ratio {:.2}", grown as f64 / LIMIT as f64);
    assert!(estimated <= LIMIT);
    assert!(grown < LIMIT / 10 * 13, "resident memory grew by {grown} bytes under a limit of {LIMIT}");
}
