//! The newest log records, within a byte budget.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::{LogRecord, TraceId, Value};

/// Which records to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogQuery<'a> {
    /// Only of this service; empty asks for all.
    pub service: &'a str,
    /// Only of this trace.
    pub trace_id: Option<TraceId>,
    /// OTLP severity number that a record must reach.
    pub min_severity: u32,
    /// Records to return.
    pub limit: usize,
}

/// Ring of log records. The oldest goes first.
#[derive(Debug)]
pub struct LogStore {
    byte_limit: usize,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    records: VecDeque<(Arc<LogRecord>, usize)>,
    bytes: usize,
    seen: u64,
    dropped: u64,
}

/// Estimated bytes of a record.
fn weight(record: &LogRecord) -> usize {
    let text = |value: &Value| match value {
        Value::Text(text) | Value::Json(text) => 16 + text.len(),
        _ => 0,
    };
    let attributes: usize = record.attributes.iter().map(|attribute| 44 + text(&attribute.value)).sum();
    176 + record.body.len() + attributes
}

impl LogStore {
    /// An empty store that holds this many estimated bytes.
    pub fn new(byte_limit: usize) -> Self {
        Self { byte_limit, ring: Mutex::default() }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps records, dropping the oldest ones where the budget says so.
    pub fn insert(&self, records: impl IntoIterator<Item = LogRecord>) {
        let mut ring = self.ring();
        for record in records {
            let bytes = weight(&record);
            ring.seen += 1;
            ring.bytes += bytes;
            ring.records.push_back((Arc::new(record), bytes));
            while ring.bytes > self.byte_limit {
                let Some((_, oldest)) = ring.records.pop_front() else { break };
                ring.bytes -= oldest;
                ring.dropped += 1;
            }
        }
    }

    /// The newest records that match, in the order of arrival.
    pub fn list(&self, query: &LogQuery<'_>) -> Vec<Arc<LogRecord>> {
        let matches = |record: &LogRecord| {
            (query.service.is_empty() || *record.resource.service == *query.service)
                && query.trace_id.is_none_or(|id| record.trace_id == Some(id))
                && record.severity >= query.min_severity
        };
        let ring = self.ring();
        let newest_first = ring.records.iter().rev().map(|(record, _)| record).filter(|record| matches(record));
        let mut found: Vec<_> = newest_first.take(query.limit).map(Arc::clone).collect();
        found.reverse();
        found
    }

    /// Records that came, and records that had to go.
    pub fn counts(&self) -> (u64, u64) {
        let ring = self.ring();
        (ring.seen, ring.dropped)
    }

    /// Estimated bytes kept.
    pub fn bytes(&self) -> usize {
        self.ring().bytes
    }
}
