//! A trace as columns: one row a span, texts by number.

use std::collections::HashMap;
use std::sync::Arc;

use collector_api::console::{PathSection, Trace};

use crate::analysis::{Replicas, Row, forest, note, on_path, self_times, trace_path};
use crate::model::{Kind, Span, SpanId, TraceId};
use crate::store::Summary;

/// A child that ends this much after its parent's instant still gates it: 0 takes clocks at their word.
const PATH_TOLERANCE_NS: u64 = 0;

/// The skeleton of a trace in display order; its notes name the replicas.
pub fn trace(id: TraceId, summary: &Summary, spans: &[Arc<Span>], replicas: &Replicas) -> Trace {
    let forest = forest(spans);
    let path = trace_path(&forest, PATH_TOLERANCE_NS);
    let (start, end) = forest.hull().unwrap_or((0, 0));
    let mut strings = Strings::new();
    let mut wire = Trace {
        trace_id: id.to_bytes().to_vec(),
        start_unix_ns: start,
        duration_ns: end.saturating_sub(start),
        complete: summary.complete,
        self_ns: self_times(&forest),
        on_path_ns: on_path(&forest, &path),
        warnings: forest.warnings.iter().map(ToString::to_string).collect(),
        ..Trace::default()
    };
    for row in &forest.rows {
        push_row(&mut wire, row, start, &mut strings);
        wire.note.push(strings.number(&note(&row.span, replicas).unwrap_or_default()));
    }
    let offset = |at: u64| at as i64 - start as i64;
    let section = |section: &crate::analysis::Section| PathSection {
        row: section.row as u32,
        from_ns: offset(section.from_ns),
        to_ns: offset(section.to_ns),
    };
    wire.critical_path = path.iter().map(section).collect();
    if summary.dropped_spans > 0 {
        wire.warnings.push(format!("{} spans did not fit into the trace's limit", summary.dropped_spans));
    }
    wire.strings = strings.list;
    wire
}

fn push_row(wire: &mut Trace, row: &Row, start: u64, strings: &mut Strings) {
    let span = &row.span;
    wire.span_id.push(span.span_id.as_u64());
    wire.parent_id.push(span.parent_id.map_or(0, SpanId::as_u64));
    wire.depth.push(row.depth);
    wire.start_ns.push(row.start_ns() as i64 - start as i64);
    wire.span_duration_ns.push(row.duration_ns());
    wire.service.push(strings.number(&span.resource.service));
    wire.instance.push(strings.number(&span.resource.instance));
    wire.operation.push(strings.number(&span.name));
    wire.flags.push(flags(row));
    wire.parent_row.push(row.parent.map_or(-1, |parent| parent as i32));
}

/// Kind in bits 0-2, status in bits 3-4, bit 5 orphan, bit 6 unfinished.
fn flags(row: &Row) -> u32 {
    let span = &row.span;
    let kind: Kind = span.kind;
    let is_unfinished = span.end_ns == 0;
    kind as u32 | (span.status as u32) << 3 | u32::from(row.orphan) << 5 | u32::from(is_unfinished) << 6
}

/// Texts that are sent once each. The empty text is number 0.
struct Strings {
    list: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Strings {
    fn new() -> Self {
        Self { list: vec![String::new()], numbers: HashMap::from([(String::new(), 0)]) }
    }

    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.list.len() as u32;
        self.list.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}
