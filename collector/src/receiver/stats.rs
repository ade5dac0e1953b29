//! What the receiver counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use collector_api::console;

/// Counters since start.
#[derive(Debug, Default)]
pub struct Stats {
    pub(super) grpc_connections: AtomicU64,
    pub(super) http_connections: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) spans: AtomicU64,
    pub(super) metric_points: AtomicU64,
    pub(super) log_records: AtomicU64,
    pub(super) cut_values: AtomicU64,
    requests_refused: AtomicU64,
    spans_rejected: AtomicU64,
    overflowed_names: AtomicU64,
    refusals: Mutex<Refusals>,
}

#[derive(Debug, Default)]
struct Refusals {
    by_reason: BTreeMap<&'static str, u64>,
    last: String,
    last_unix_ns: u64,
}

pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Stats {
    /// Counts a request or a connection that was refused as a whole.
    pub(super) fn refuse_request(&self, reason: &'static str, message: &str) {
        add(&self.requests_refused, 1);
        self.note(reason, 1, message);
    }

    /// Counts a connection that was closed because nothing came over it: nothing was refused.
    pub(super) fn hang_up(&self, reason: &'static str) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        *refusals.by_reason.entry(reason).or_default() += 1;
    }

    /// Counts spans of an accepted request that were refused.
    pub(super) fn reject_spans(&self, reason: &'static str, count: u64, message: &str) {
        add(&self.spans_rejected, count);
        self.note(reason, count, message);
    }

    /// Counts points or records of an accepted request that were refused.
    pub(super) fn reject_items(&self, reason: &'static str, count: u64, message: &str) {
        self.note(reason, count, message);
    }

    /// Counts names that became `__other__`.
    pub(super) fn overflow_names(&self, count: u64) {
        add(&self.overflowed_names, count);
    }

    fn note(&self, reason: &'static str, count: u64, message: &str) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        *refusals.by_reason.entry(reason).or_default() += count;
        message.clone_into(&mut refusals.last);
        refusals.last_unix_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    }

    /// Names that did not fit a bound and count as `__other__`.
    pub fn overflowed_names(&self) -> u64 {
        self.overflowed_names.load(Ordering::Relaxed)
    }

    /// Text values that were longer than they may be and lost their end.
    pub fn cut_values(&self) -> u64 {
        self.cut_values.load(Ordering::Relaxed)
    }

    /// The counters for the console. `dropped_by_exporter` is not known here.
    pub fn snapshot(&self) -> console::ReceiverStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        console::ReceiverStats {
            grpc_connections: read(&self.grpc_connections),
            http_connections: read(&self.http_connections),
            requests: read(&self.requests),
            requests_refused: read(&self.requests_refused),
            spans: read(&self.spans),
            spans_rejected: read(&self.spans_rejected),
            metric_points: read(&self.metric_points),
            log_records: read(&self.log_records),
            bytes: read(&self.bytes),
            refused_by_reason: refusals
                .by_reason
                .iter()
                .map(|(reason, count)| ((*reason).to_owned(), *count))
                .collect(),
            last_error: refusals.last.clone(),
            last_error_unix_ns: refusals.last_unix_ns,
            dropped_by_exporter: std::collections::HashMap::default(),
        }
    }
}
