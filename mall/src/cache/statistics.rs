//! What a cache saves: metrics, and go-zero's line each minute.

use std::sync::atomic::{AtomicU64, Ordering};

use collector_api::vocabulary as word;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

use crate::telemetry::Meters;

/// Counts the look-ups of one cache.
pub(super) struct Statistics {
    name: &'static str,
    requests: Counter<u64>,
    db_fails: Counter<u64>,
    put_off: Counter<u64>,
    lost: Counter<u64>,
    hit: [KeyValue; 2],
    miss: [KeyValue; 2],
    minute: Minute,
}

/// Since the last line.
#[derive(Default)]
struct Minute {
    hits: AtomicU64,
    misses: AtomicU64,
    db_fails: AtomicU64,
}

impl Statistics {
    pub(super) fn new(name: &'static str, meters: &Meters) -> Self {
        let counter = |word: &'static str| meters.meter().u64_counter(word).build();
        let key = |outcome| [KeyValue::new(word::CACHE_NAME, name), KeyValue::new(word::CACHE_OUTCOME, outcome)];
        let statistics = Self {
            name,
            requests: counter(word::CACHE_REQUESTS),
            db_fails: counter(word::CACHE_DB_FAILS),
            put_off: counter(word::CACHE_DELETES_PUT_OFF),
            lost: counter(word::CACHE_DELETES_LOST),
            hit: key("hit"),
            miss: key("miss"),
            minute: Minute::default(),
        };
        statistics.requests.add(0, &statistics.hit);
        statistics.requests.add(0, &statistics.miss);
        for counter in [&statistics.db_fails, &statistics.put_off, &statistics.lost] {
            counter.add(0, statistics.name());
        }
        statistics
    }

    pub(super) fn hit(&self) {
        self.minute.hits.fetch_add(1, Ordering::Relaxed);
        self.requests.add(1, &self.hit);
    }

    pub(super) fn miss(&self) {
        self.minute.misses.fetch_add(1, Ordering::Relaxed);
        self.requests.add(1, &self.miss);
    }

    pub(super) fn db_failed(&self) {
        self.minute.db_fails.fetch_add(1, Ordering::Relaxed);
        self.db_fails.add(1, self.name());
    }

    /// A deletion failed and will be tried again.
    pub(super) fn delete_put_off(&self) {
        self.put_off.add(1, self.name());
    }

    /// A deletion was given up: the key may hold an old row until it expires.
    pub(super) fn delete_lost(&self) {
        self.lost.add(1, self.name());
    }

    /// Logs what happened since the last call, unless nothing did.
    pub(super) fn log(&self) {
        let [hits, misses, db_fails] = [&self.minute.hits, &self.minute.misses, &self.minute.db_fails]
            .map(|count| count.swap(0, Ordering::Relaxed));
        if let Some(line) = line(self.name, hits, misses, db_fails) {
            tracing::info!("{line}");
        }
    }

    fn name(&self) -> &[KeyValue] {
        std::slice::from_ref(&self.hit[0])
    }
}

/// go-zero's line of a minute.
fn line(name: &str, hits: u64, misses: u64, db_fails: u64) -> Option<String> {
    let total = hits + misses;
    let ratio = 100.0 * hits as f64 / total as f64;
    (total > 0).then(|| {
        format!(
            "dbcache({name}) - qpm: {total}, hit_ratio: {ratio:.1}%, hit: {hits}, miss: {misses}, db_fails: {db_fails}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_go_zeros_and_a_quiet_minute_has_none() {
        let expected = "dbcache(user) - qpm: 4, hit_ratio: 75.0%, hit: 3, miss: 1, db_fails: 1";
        assert_eq!(line("user", 3, 1, 1).as_deref(), Some(expected));
        assert_eq!(line("user", 0, 0, 0), None);
    }
}
