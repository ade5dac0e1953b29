//! The service graph: who calls whom, how often, how slowly.

use std::sync::Arc;

use collector_api::console::Edge;
use collector_api::sketch::Sketch;

use super::WINDOW_S;
use super::hops::Hop;
use super::names::other;
use super::window::{Merge, Window};
use crate::model::{Kind, Span, Value};

/// Edges that are told apart.
const EDGE_LIMIT: usize = 1_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct EdgeKey {
    caller: Arc<str>,
    callee: Arc<str>,
    kind: &'static str,
}

#[derive(Debug, Clone, Default)]
struct EdgeCell {
    calls: u64,
    errors: u64,
    latency: Sketch,
}

impl Merge for EdgeCell {
    fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.latency.merge(&other.latency);
    }
}

/// Edges of the last two minutes.
#[derive(Debug, Clone)]
pub struct Graph {
    edges: Window<EdgeKey, EdgeCell>,
}

impl Graph {
    /// A graph without edges.
    pub fn new() -> Self {
        Self { edges: Window::new(WINDOW_S, EDGE_LIMIT) }
    }

    /// Counts a call that was seen from both sides.
    pub fn observe_hop(&mut self, hop: &Hop, second: u64) {
        let caller = &hop.caller;
        let key = EdgeKey { caller: caller.service.clone(), callee: hop.callee.clone(), kind: caller.edge_kind };
        self.count(second, key, caller.duration_ns, caller.is_error);
    }

    /// Counts a database call, which has no other side. The callee is the system and the database.
    pub fn observe_database(&mut self, span: &Span, second: u64) {
        let Some(system) = span.get("db.system.name").filter(|_| span.kind == Kind::Client) else { return };
        let callee = match span.get("db.namespace") {
            Some(Value::Text(namespace)) => Arc::from(format!("{system}:{namespace}")),
            _ => Arc::from(system.to_string()),
        };
        let key = EdgeKey { caller: span.resource.service.clone(), callee, kind: "db" };
        self.count(second, key, span.duration_ns(), span.is_error());
    }

    /// Edges of the seconds `[from, to]`, by caller, callee and kind.
    pub fn edges(&self, from: u64, to: u64) -> Vec<Edge> {
        let mut edges: Vec<_> = self.edges.merged(from, to).into_iter().collect();
        edges.sort_by(|(a, _), (b, _)| a.cmp(b));
        let wire = |(key, cell): (EdgeKey, EdgeCell)| Edge {
            caller: key.caller.to_string(),
            callee: key.callee.to_string(),
            kind: key.kind.to_owned(),
            calls: cell.calls,
            errors: cell.errors,
            latency: Some((&cell.latency).into()),
        };
        edges.into_iter().map(wire).collect()
    }

    /// Edges that did not fit.
    pub fn overflowed(&self) -> u64 {
        self.edges.overflowed()
    }

    fn count(&mut self, second: u64, key: EdgeKey, duration_ns: u64, is_error: bool) {
        let overflow = |key: &EdgeKey| EdgeKey { caller: other(), callee: other(), kind: key.kind };
        let Some(cell) = self.edges.cell(second, key, overflow) else { return };
        cell.calls += 1;
        cell.errors += u64::from(is_error);
        cell.latency.record_ns(duration_ns);
    }
}

impl Default for Graph {
    fn default() -> Self {
        Self::new()
    }
}
