//! Requests, errors and durations per service and operation, with the trace of the slowest.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use collector_api::console::OperationRed;
use collector_api::sketch::Sketch;

use super::WINDOW_S;
use super::names::other;
use super::window::{Merge, Window};
use crate::model::{Kind, Span, TraceId};

/// Operations that are told apart.
pub const OPERATION_LIMIT: usize = 2_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct OperationKey {
    service: Arc<str>,
    operation: Arc<str>,
    kind: Kind,
}

#[derive(Debug, Clone, Default)]
struct OperationCell {
    requests: u64,
    errors: u64,
    latency: Sketch,
    /// The slowest, and after a merge that of each second.
    slowest: Vec<(u64, TraceId)>,
}

impl Merge for OperationCell {
    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.latency.merge(&other.latency);
        self.slowest.extend_from_slice(&other.slowest);
    }
}

/// RED of the last two minutes by operation.
#[derive(Debug, Clone)]
pub struct Operations {
    cells: Window<OperationKey, OperationCell>,
}

impl Operations {
    /// Nothing counted.
    pub fn new() -> Self {
        Self { cells: Window::new(WINDOW_S, OPERATION_LIMIT) }
    }

    /// Counts a span in the second of its end.
    pub fn observe(&mut self, span: &Span, second: u64) {
        let key =
            OperationKey { service: span.resource.service.clone(), operation: span.name.clone(), kind: span.kind };
        let overflow = |key: &OperationKey| OperationKey { operation: other(), ..key.clone() };
        let Some(cell) = self.cells.cell(second, key, overflow) else { return };
        let duration_ns = span.duration_ns();
        cell.requests += 1;
        cell.errors += u64::from(span.is_error());
        cell.latency.record_ns(duration_ns);
        let candidate = (duration_ns, span.trace_id);
        match cell.slowest.first_mut() {
            Some(slowest) => *slowest = candidate.max(*slowest),
            None => cell.slowest.push(candidate),
        }
    }

    /// Operations of the seconds `[from, to]`, by service and name. The exemplar is the slowest trace that `is_kept`
    /// among the slowest of each second.
    pub fn list(&self, from: u64, to: u64, is_kept: impl Fn(TraceId) -> bool) -> Vec<OperationRed> {
        let mut cells: Vec<_> = self.cells.merged(from, to).into_iter().collect();
        cells.sort_by(|(a, _), (b, _)| {
            (&a.service, &a.operation, a.kind as u8).cmp(&(&b.service, &b.operation, b.kind as u8))
        });
        let wire = |(key, cell): (OperationKey, OperationCell)| OperationRed {
            service: key.service.to_string(),
            operation: key.operation.to_string(),
            kind: kind_name(key.kind).to_owned(),
            requests: cell.requests,
            errors: cell.errors,
            latency: Some((&cell.latency).into()),
            exemplar: exemplar(cell.slowest, &is_kept).map(|trace| trace.to_bytes().to_vec()).unwrap_or_default(),
        };
        cells.into_iter().map(wire).collect()
    }

    /// The slowest trace of each operation in the seconds `[from, to]`.
    pub fn slowest(&self, from: u64, to: u64) -> HashSet<TraceId> {
        let mut slowest: HashMap<&OperationKey, (u64, TraceId)> = HashMap::new();
        for (key, cell) in self.cells.range(from, to) {
            if let Some(candidate) = cell.slowest.first() {
                let known = slowest.entry(key).or_insert(*candidate);
                *known = (*candidate).max(*known);
            }
        }
        slowest.into_values().map(|(_, trace)| trace).collect()
    }

    /// Operations that did not fit.
    pub fn overflowed(&self) -> u64 {
        self.cells.overflowed()
    }
}

impl Default for Operations {
    fn default() -> Self {
        Self::new()
    }
}

fn exemplar(mut candidates: Vec<(u64, TraceId)>, is_kept: impl Fn(TraceId) -> bool) -> Option<TraceId> {
    candidates.sort_unstable_by(|a, b| b.cmp(a));
    candidates.into_iter().map(|(_, trace)| trace).find(|trace| is_kept(*trace))
}

/// A span's kind in words, as the console protocol says it.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Unspecified => "unspecified",
        Kind::Internal => "internal",
        Kind::Server => "server",
        Kind::Client => "client",
        Kind::Producer => "producer",
        Kind::Consumer => "consumer",
    }
}
