//! Time that a span spent in no child.

use super::{Forest, Row};

/// Self time of each row in nanoseconds: `|s| − |∪ (child ∩ s)|`.
///
/// Overlapping children count once, and what of a child lies outside its parent does not count. Cost: O(n), since
/// siblings are already in order of their start.
pub fn self_times(forest: &Forest) -> Vec<u64> {
    forest.rows.iter().enumerate().map(|(number, row)| self_time(forest, number, row)).collect()
}

fn self_time(forest: &Forest, number: usize, row: &Row) -> u64 {
    let end = row.end_ns();
    let mut covered = 0;
    let mut cursor = row.start_ns();
    for child in forest.children(number).filter_map(|child| forest.rows.get(child)) {
        let from = child.start_ns().max(cursor);
        let to = child.end_ns().min(end);
        if to > from {
            covered += to - from;
            cursor = to;
        }
    }
    row.duration_ns().saturating_sub(covered)
}
