//! What the receiver hands over.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use collector_api::vocabulary;

use super::state::State;
use super::{Hub, locked};
use crate::model::{LogRecord, MetricPoint, Span, Value};
use crate::receiver::Sink;
use crate::store::Inserted;

impl Sink for Hub {
    /// A span is counted once, however often it is sent, and whether or not the store has room for it.
    fn spans(&self, spans: Vec<Arc<Span>>) {
        let now_ns = self.now_ns();
        let (mut stored, mut refused) = (0, 0);
        let mut fresh = Vec::with_capacity(spans.len());
        for span in spans {
            match self.traces.insert(Arc::clone(&span), now_ns) {
                Inserted::New | Inserted::Late => stored += 1,
                Inserted::Evicted | Inserted::TraceFull => refused += 1,
                Inserted::SampledOut => {}
                Inserted::Duplicate => continue,
            }
            fresh.push(span);
        }
        self.spans_stored.fetch_add(stored, Ordering::Relaxed);
        self.spans_refused.fetch_add(refused, Ordering::Relaxed);
        let mut state = self.state();
        let version = state.touch();
        for span in &fresh {
            observe(&mut state, span, now_ns, version);
        }
    }

    fn metrics(&self, points: Vec<MetricPoint>) {
        let now_ns = self.now_ns();
        {
            let mut metrics = locked(&self.metrics);
            for point in &points {
                metrics.ingest(point, now_ns);
            }
        }
        let mut state = self.state();
        let version = state.touch();
        let State { rollup, events, .. } = &mut *state;
        for point in &points {
            rollup.observe_point(point, now_ns, events, version);
        }
    }

    fn logs(&self, records: Vec<LogRecord>) {
        self.logs.insert(records);
    }
}

fn observe(state: &mut State, span: &Span, now_ns: u64, version: u64) {
    let State { rollup, runs, events, faults, .. } = state;
    let hop = rollup.observe_span(span, now_ns, events, version);
    runs.observe(span, hop.as_ref(), now_ns, version);
    if faults.is_empty() {
        return;
    }
    if let Some(injected) = span.event(vocabulary::FAULT_INJECTED) {
        let fault = injected.get(vocabulary::FAULT_ID).and_then(Value::as_text);
        if let Some(event) = fault.and_then(|fault| faults.get(fault)) {
            events.add_exemplar(*event, span.trace_id, version);
        }
    }
}
