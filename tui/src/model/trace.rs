//! One trace, as rows in display order.

use std::collections::HashSet;

use collector_api::console as wire;

/// One span of an open trace.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Identity within the trace.
    pub span_id: u64,
    /// Distance from its root.
    pub depth: u32,
    /// Offset from the trace's start; negative where clocks are skewed.
    pub start_ns: i64,
    /// Length.
    pub duration_ns: u64,
    /// Index of `service.name` in the strings.
    pub service: u32,
    /// Index of the instance.
    pub instance: u32,
    /// Index of the operation.
    pub operation: u32,
    /// Index of the note, 0 for none.
    pub note: u32,
    /// OTLP status: 2 is an error.
    pub status: u32,
    /// Its parent is not here.
    pub orphan: bool,
    /// It never ended.
    pub unfinished: bool,
    /// Time of its own.
    pub self_ns: u64,
    /// Time on the critical path.
    pub on_path_ns: u64,
    /// Sections of the critical path, offsets from the trace's start.
    pub sections: Vec<(i64, i64)>,
    /// First row behind its descendants.
    pub end: usize,
}

impl Row {
    /// Whether the span failed.
    pub fn is_error(&self) -> bool {
        self.status == 2
    }
}

/// A line of the waterfall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Index into the rows.
    pub row: usize,
    /// Whether it is the note under the span rather than the span.
    pub note: bool,
}

/// A trace without its attributes.
#[derive(Debug, Clone, Default)]
pub struct TraceRows {
    /// When it began.
    pub start_unix_ns: u64,
    /// Length of the whole.
    pub duration_ns: u64,
    /// Whether it is thought to be whole.
    pub complete: bool,
    /// Services in it.
    pub services: usize,
    /// What the analysis found wrong.
    pub warnings: Vec<String>,
    /// Spans, parents before children.
    pub rows: Vec<Row>,
    strings: Vec<String>,
}

impl TraceRows {
    /// Rows from columns. Columns that are too short are filled with zeros: a broken answer shows a poor trace, not none.
    pub fn new(trace: wire::Trace) -> Self {
        let cell = |column: &[u32], at: usize| column.get(at).copied().unwrap_or_default();
        let mut rows: Vec<Row> = (0..trace.span_id.len())
            .map(|at| {
                let flags = cell(&trace.flags, at);
                Row {
                    span_id: trace.span_id[at],
                    depth: cell(&trace.depth, at),
                    start_ns: trace.start_ns.get(at).copied().unwrap_or_default(),
                    duration_ns: trace.span_duration_ns.get(at).copied().unwrap_or_default(),
                    service: cell(&trace.service, at),
                    instance: cell(&trace.instance, at),
                    operation: cell(&trace.operation, at),
                    note: cell(&trace.note, at),
                    status: flags >> 3 & 0b11,
                    orphan: flags & 1 << 5 != 0,
                    unfinished: flags & 1 << 6 != 0,
                    self_ns: trace.self_ns.get(at).copied().unwrap_or_default(),
                    on_path_ns: trace.on_path_ns.get(at).copied().unwrap_or_default(),
                    sections: Vec::new(),
                    end: at + 1,
                }
            })
            .collect();
        for section in &trace.critical_path {
            if let Some(row) = rows.get_mut(section.row as usize) {
                row.sections.push((section.from_ns, section.to_ns));
            }
        }
        close_subtrees(&mut rows);
        let services: HashSet<u32> = rows.iter().map(|row| row.service).collect();
        Self {
            start_unix_ns: trace.start_unix_ns,
            duration_ns: trace.duration_ns,
            complete: trace.complete,
            services: services.len(),
            warnings: trace.warnings,
            rows,
            strings: trace.strings,
        }
    }

    /// A string by its index, empty when there is none.
    pub fn text(&self, index: u32) -> &str {
        self.strings.get(index as usize).map_or("", String::as_str)
    }

    /// `pay-rpc/1`, or the service's name when the instance is unknown.
    pub fn place(&self, row: &Row) -> &str {
        let instance = self.text(row.instance);
        if instance.is_empty() { self.text(row.service) } else { instance }
    }

    /// The lines that are not hidden in a folded span. Linear in the rows.
    pub fn lines(&self, folded: &HashSet<u64>) -> Vec<Line> {
        let mut lines = Vec::with_capacity(self.rows.len());
        let mut at = 0;
        while let Some(row) = self.rows.get(at) {
            lines.push(Line { row: at, note: false });
            if folded.contains(&row.span_id) && row.end > at + 1 {
                at = row.end;
                continue;
            }
            if !self.text(row.note).is_empty() {
                lines.push(Line { row: at, note: true });
            }
            at += 1;
        }
        lines
    }

    /// Position of a span.
    pub fn row_of(&self, span_id: u64) -> Option<usize> {
        self.rows.iter().position(|row| row.span_id == span_id)
    }
}

/// Where each row's descendants end: the next row that is not deeper.
fn close_subtrees(rows: &mut [Row]) {
    let mut open: Vec<usize> = Vec::new();
    for at in 0..rows.len() {
        while let Some(last) = open.last().copied().filter(|last| rows[*last].depth >= rows[at].depth) {
            rows[last].end = at;
            open.pop();
        }
        open.push(at);
    }
    let count = rows.len();
    for last in open {
        rows[last].end = count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(depths: &[u32]) -> TraceRows {
        TraceRows::new(wire::Trace {
            span_id: (1..=depths.len() as u64).collect(),
            depth: depths.to_vec(),
            ..wire::Trace::default()
        })
    }

    #[test]
    fn a_fold_hides_descendants_only() {
        let rows = trace(&[0, 1, 2, 2, 1]);
        assert_eq!(rows.rows[1].end, 4);
        let shown: Vec<usize> = rows.lines(&HashSet::from([2])).iter().map(|line| line.row).collect();
        assert_eq!(shown, [0, 1, 4]);
    }

    #[test]
    fn short_columns_are_no_panic() {
        let rows = TraceRows::new(wire::Trace { span_id: vec![1, 2], flags: vec![16], ..wire::Trace::default() });
        assert!(rows.rows[0].is_error() && !rows.rows[1].is_error());
        assert_eq!(rows.text(77), "");
    }
}
