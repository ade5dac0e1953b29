//! The critical path: at each instant of a root, the span that kept it from ending.
//!
//! Walking back from the root's end, the child that ended last gated the parent; before that child began, the child that
//! had ended last by then did; where no child had ended, the parent itself worked. A sibling still running at that
//! instant gated nothing. After Jaeger's and CRISP's walk, without their recursion and with exact tiling.

use super::{Forest, Row};
use crate::model::Kind;

/// A stretch of the critical path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// Row that gated the root.
    pub row: usize,
    /// From here, nanoseconds since the epoch.
    pub from_ns: u64,
    /// To here, exclusive; later than `from_ns`.
    pub to_ns: u64,
}

impl Section {
    /// Length in nanoseconds.
    pub fn duration_ns(&self) -> u64 {
        self.to_ns.saturating_sub(self.from_ns)
    }
}

/// A row of which the path walks back from `cursor` to `from`.
struct Window {
    row: usize,
    from: u64,
    cursor: u64,
    /// Children inside, the one that ends last at the back.
    candidates: Vec<Candidate>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    end: u64,
    length: u64,
    row_order: (u64, usize),
}

/// The sections of a root's critical path, latest first; they tile the root's interval exactly.
///
/// A child gates its parent where it ends no later than `tol_ns` after the walk's instant: 0 is exact, more forgives
/// clocks that disagree. Children are clamped to their parent; what a consumer does for its producer is not waited for.
/// Cost: O(n log n); depth and width cost no stack.
pub fn critical_path(forest: &Forest, root_row: usize, tol_ns: u64) -> Vec<Section> {
    let mut sections = Vec::new();
    let Some(root) = forest.rows.get(root_row) else { return sections };
    let mut stack = vec![window(forest, root_row, root.start_ns(), root.end_ns())];
    while let Some(top) = stack.last_mut() {
        let Some(candidate) = top.candidates.pop() else {
            push_section(&mut sections, top.row, top.from, top.cursor);
            stack.pop();
            continue;
        };
        let start = candidate.end - candidate.length;
        if start >= top.cursor || candidate.end > top.cursor.saturating_add(tol_ns) {
            continue;
        }
        let end = candidate.end.min(top.cursor);
        push_section(&mut sections, top.row, end, top.cursor);
        top.cursor = start;
        let (_, child) = candidate.row_order;
        stack.push(window(forest, child, start, end));
    }
    sections
}

/// The path of the root that the trace is judged by.
pub fn trace_path(forest: &Forest, tol_ns: u64) -> Vec<Section> {
    forest.main_root().map(|root| critical_path(forest, root, tol_ns)).unwrap_or_default()
}

/// Nanoseconds that each row is on a path.
pub fn on_path(forest: &Forest, sections: &[Section]) -> Vec<u64> {
    let mut sums = vec![0; forest.rows.len()];
    for section in sections {
        if let Some(sum) = sums.get_mut(section.row) {
            *sum += section.duration_ns();
        }
    }
    sums
}

fn push_section(sections: &mut Vec<Section>, row: usize, from_ns: u64, to_ns: u64) {
    if to_ns > from_ns {
        sections.push(Section { row, from_ns, to_ns });
    }
}

fn window(forest: &Forest, row: usize, from: u64, to: u64) -> Window {
    let parent_kind = forest.rows.get(row).map(|row| row.span.kind);
    let clamped = |number: usize| {
        let child: &Row = forest.rows.get(number)?;
        let is_handed_over = parent_kind == Some(Kind::Producer) && child.span.kind == Kind::Consumer;
        let start = child.start_ns().max(from);
        let end = child.end_ns().min(to);
        let is_inside = end > start && !is_handed_over;
        is_inside.then(|| Candidate { end, length: end - start, row_order: (child.span.span_id.as_u64(), number) })
    };
    let mut candidates: Vec<Candidate> = forest.children(row).filter_map(clamped).collect();
    candidates.sort_unstable();
    Window { row, from, cursor: to, candidates }
}
