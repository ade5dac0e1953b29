//! The pool as go-zero's metrics show it.
//!
//! go-zero's label `hash`, a digest of the data source name, is left out: it is made from a password.

use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::Pool;
use super::pool::{Counts, Inner};

type Gauge = (&'static str, fn(&Pool) -> usize);
type Counter = (&'static str, fn(&Counts) -> &AtomicU64);

const GAUGES: [Gauge; 4] = [
    ("sql_client_max_open_connections", |pool| pool.inner.max_open),
    ("sql_client_open_connections", |pool| in_use(&pool.inner) + pool.idle_count()),
    ("sql_client_in_use_connections", |pool| in_use(&pool.inner)),
    ("sql_client_idle_connections", Pool::idle_count),
];

const COUNTERS: [Counter; 3] = [
    ("sql_client_wait_count_total", |counts| &counts.waits),
    ("sql_client_max_idle_closed_total", |counts| &counts.idle_closed),
    ("sql_client_max_lifetime_closed_total", |counts| &counts.lifetime_closed),
];

/// Connections that somebody holds or opens.
fn in_use(inner: &Inner) -> usize {
    inner.max_open - inner.permits.available_permits()
}

impl Pool {
    /// Shows this pool in the process's metrics, as the database `name`.
    pub(in crate::store) fn observe(&self, meter: &Meter, name: &'static str) {
        let label = [KeyValue::new("db_name", name)];
        for (gauge, read) in GAUGES {
            let (pool, label) = (self.clone(), label.clone());
            let observe = move |observer: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
                observer.observe(read(&pool) as u64, &label);
            };
            meter.u64_observable_gauge(gauge).with_callback(observe).build();
        }
        for (counter, of) in COUNTERS {
            let (pool, label) = (self.clone(), label.clone());
            let observe = move |observer: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
                observer.observe(of(&pool.inner.counts).load(Ordering::Relaxed), &label);
            };
            meter.u64_observable_counter(counter).with_callback(observe).build();
        }
        let (pool, label) = (self.clone(), label);
        let waited = move |observer: &dyn opentelemetry::metrics::AsyncInstrument<f64>| {
            observer.observe(pool.inner.counts.waited_ns.load(Ordering::Relaxed) as f64 / 1e9, &label);
        };
        meter.f64_observable_counter("sql_client_wait_duration_seconds_total").with_callback(waited).build();
    }
}
