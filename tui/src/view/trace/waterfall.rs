//! Spans as bars on one time scale. Only the rows that are seen are built.
//!
//! A span is a thin line; where the critical path runs through it, it is a thick bar. A span off the scale (skewed
//! clocks) keeps a mark at the edge it lies beyond.

use ratatui::style::Style;

use crate::fmt;
use crate::model::trace::{Line, Row, TraceRows};
use crate::model::ui::TraceUi;
use crate::theme::{Glyphs, Role};
use crate::widget::bar;
use crate::widget::pen::{Pen, text_width};
use crate::widget::table::first_row;

/// The scale of the bars.
struct Scale {
    /// First column of the bars.
    x: u16,
    /// Columns of the bars.
    width: u16,
    /// Offset of the left edge, nanoseconds.
    from_ns: i64,
    /// Length, nanoseconds, at least 1.
    length_ns: f64,
}

impl Scale {
    /// A position in columns, not cut.
    fn at(&self, offset_ns: i64) -> f64 {
        offset_ns.saturating_sub(self.from_ns) as f64 / self.length_ns * f64::from(self.width)
    }
}

/// Draws the waterfall with its scale.
pub fn draw(open: &TraceUi, rows: &TraceRows, pen: &mut Pen<'_>) {
    let lines = rows.lines(&open.folded);
    let height = pen.height().saturating_sub(1);
    let selected =
        rows.row_of(open.selected).and_then(|row| lines.iter().position(|line| line.row == row && !line.note));
    let first = first_row(selected, lines.len(), height);
    let width = pen.width();
    let places = (width / 8).clamp(12, 20);
    let names = (width * 3 / 10).clamp(18, 64);
    let durations = 9;
    let scale = Scale {
        x: places + names + durations + 3,
        width: width.saturating_sub(places + names + durations + 4).max(1),
        from_ns: 0,
        length_ns: (rows.duration_ns as f64).max(1.0),
    };
    ruler(rows, &scale, pen);
    let branches = Branches::fit(rows, usize::from(names / 2));
    for (y, line) in lines.iter().skip(first).take(usize::from(height)).enumerate() {
        let y = y as u16 + 1;
        let Some(row) = rows.rows.get(line.row) else { continue };
        if row.span_id == open.selected && !line.note {
            pen.shade(0, y, width, pen.theme.style(Role::Selected));
            pen.say(0, y, pen.theme.glyphs.cursor, Role::Accent);
        }
        if line.note {
            note(rows, row, places + 1 + branches.columns(row.depth as usize) as u16 + 2, pen, y);
        } else {
            let is_folded = open.folded.contains(&row.span_id);
            let shown = Shown { rows, row, line: *line, is_folded, branches };
            name(&shown, places, names, pen, y);
            pen.figure(
                places + names + durations + 1,
                y,
                &fmt::nanos(row.duration_ns),
                if row.is_error() { Role::Error } else { Role::Text },
            );
            bars(rows, row, &scale, pen, y);
        }
    }
}

fn ruler(rows: &TraceRows, scale: &Scale, pen: &mut Pen<'_>) {
    pen.rule(0, "");
    let ticks = (scale.width / 14).clamp(1, 10);
    for tick in 0..=ticks {
        let offset = rows.duration_ns as f64 * f64::from(tick) / f64::from(ticks);
        let text = if tick == 0 { "0".to_owned() } else { fmt::nanos(offset as u64) };
        let x = scale.x + (f64::from(scale.width) * f64::from(tick) / f64::from(ticks)) as u16;
        if tick == 0 {
            pen.say(x, 0, &text, Role::Heading);
        } else {
            let x = x.saturating_sub(text_width(&text));
            pen.say(x, 0, &text, Role::Heading);
        }
    }
}

struct Shown<'a> {
    rows: &'a TraceRows,
    row: &'a Row,
    line: Line,
    is_folded: bool,
    branches: Branches,
}

/// How the levels of the tree are drawn: alike for every row, so that branches stay below each other.
#[derive(Debug, Clone, Copy)]
struct Branches {
    /// Columns a level: two, or one where the deepest row would find no room.
    step: usize,
    /// Levels that are drawn; what is deeper stands at the last one, with a mark.
    levels: usize,
}

impl Branches {
    fn fit(rows: &TraceRows, width: usize) -> Self {
        let deepest = rows.rows.iter().map(|row| row.depth as usize).max().unwrap_or(0);
        let step = if deepest * 2 <= width { 2 } else { 1 };
        Self { step, levels: (width / step).max(1) }
    }

    /// Columns before the name of a row; narrow branches keep one off it.
    fn columns(self, depth: usize) -> usize {
        let gap = if self.step == 1 { depth.min(1) } else { 0 };
        depth.min(self.levels) * self.step + gap
    }
}

/// Place, tree and operation.
fn name(shown: &Shown<'_>, places: u16, names: u16, pen: &mut Pen<'_>, y: u16) {
    let Shown { rows, row, line, is_folded, branches } = *shown;
    let hue = pen.theme.service(rows.text(row.service));
    pen.column(1, y, places - 1, rows.place(row), hue);
    let indent = tree(rows, line.row, pen.theme.glyphs, branches);
    let quiet = pen.theme.style(Role::Quiet);
    let mut x = pen.put(places + 1, y, &indent, quiet);
    if is_folded {
        x = pen.say(x, y, &format!("{}{} ", pen.theme.glyphs.fold[0], row.end - line.row - 1), Role::Accent);
    }
    if row.is_error() {
        x = pen.say(x, y, &format!("{} ", pen.theme.glyphs.error), Role::Error);
    }
    if row.orphan {
        x = pen.say(x, y, "? ", Role::Warn);
    }
    if row.unfinished {
        x = pen.say(x, y, "(never ended) ", Role::Warn);
    }
    let role = if row.is_error() { Role::Error } else { Role::Text };
    let style = pen.theme.style(role);
    let room = (places + 1 + names).saturating_sub(x);
    pen.column(x, y, room, rows.text(row.operation), style);
}

/// The branches before a name.
fn tree(rows: &TraceRows, at: usize, glyphs: &Glyphs, branches: Branches) -> String {
    let depth = rows.rows[at].depth as usize;
    let [branch, last, trunk, gap] = glyphs.tree;
    let mut text = String::with_capacity(branches.columns(depth) * 3);
    for level in 1..=depth.min(branches.levels) {
        let goes_on = has_later_sibling(&rows.rows, at, level);
        let glyph = match (level == depth, goes_on) {
            _ if level == branches.levels && depth > level => glyphs.cut,
            (true, true) => branch,
            (true, false) => last,
            (false, true) => trunk,
            (false, false) => gap,
        };
        text.extend(glyph.chars().take(branches.step));
    }
    if branches.columns(depth) > text.chars().count() {
        text.push(' ');
    }
    text
}

/// Whether the ancestor (or self) at a level has a sibling further down: the row behind its descendants has its depth.
fn has_later_sibling(rows: &[Row], at: usize, level: usize) -> bool {
    let mut end = rows[at].end;
    let mut row = &rows[at];
    let mut back = at;
    while (row.depth as usize) > level && back > 0 {
        back -= 1;
        if rows[back].depth < row.depth && rows[back].end > at {
            row = &rows[back];
            end = row.end;
        }
    }
    rows.get(end).is_some_and(|next| next.depth as usize == level)
}

fn note(rows: &TraceRows, row: &Row, x: u16, pen: &mut Pen<'_>, y: u16) {
    let text = rows.text(row.note);
    let role = if text.contains("fault") {
        Role::Fault
    } else if text.contains("reject") || text.contains("tripped") || text.contains("shed") {
        Role::Warn
    } else {
        Role::Quiet
    };
    pen.say(x, y, text, role);
}

fn bars(rows: &TraceRows, row: &Row, scale: &Scale, pen: &mut Pen<'_>, y: u16) {
    let style = if row.is_error() { pen.theme.style(Role::Error) } else { pen.theme.service(rows.text(row.service)) };
    let from = scale.at(row.start_ns);
    let to = scale.at(row.start_ns.saturating_add_unsigned(row.duration_ns));
    let limit = f64::from(scale.width);
    if to < 0.0 {
        pen.put(scale.x, y, "<", style);
        return;
    }
    if from > limit {
        pen.put(scale.x + scale.width - 1, y, ">", style);
        return;
    }
    let (first, last) = (from.clamp(0.0, limit - 1.0) as u16, to.clamp(0.0, limit - 0.01) as u16);
    let line = pen.theme.glyphs.beside;
    pen.fill(scale.x + first, y, last.saturating_sub(first) + 1, line, style);
    for (begin, end) in joined(&row.sections, scale.length_ns / f64::from(scale.width)) {
        section(scale, begin, end, style, pen, y);
    }
}

/// Sections in order of time; gaps that are no cell wide are closed.
fn joined(sections: &[(i64, i64)], cell_ns: f64) -> Vec<(i64, i64)> {
    let mut sorted = sections.to_vec();
    sorted.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (begin, end) in sorted {
        match joined.last_mut() {
            Some(last) if (begin.saturating_sub(last.1) as f64) < cell_ns => last.1 = last.1.max(end),
            _ => joined.push((begin, end)),
        }
    }
    joined
}

fn section(scale: &Scale, begin: i64, end: i64, style: Style, pen: &mut Pen<'_>, y: u16) {
    let (from, to) = (scale.at(begin), scale.at(end));
    if to > 0.0 && from < f64::from(scale.width) {
        bar::between(pen, scale.x, y, scale.width, from.max(0.0), to.min(f64::from(scale.width)), style);
    }
}

#[cfg(test)]
mod tests {
    use collector_api::console as wire;

    use super::*;

    #[test]
    fn the_tree_knows_its_last_branches() {
        let rows = TraceRows::new(wire::Trace {
            span_id: vec![1, 2, 3, 4, 5],
            depth: vec![0, 1, 2, 1, 2],
            ..wire::Trace::default()
        });
        assert_eq!(drawn(&rows, 20), ["", "+ ", "| ` ", "` ", "  ` "]);
    }

    fn drawn(rows: &TraceRows, width: usize) -> Vec<String> {
        let branches = Branches::fit(rows, width);
        let drawn: Vec<String> =
            (0..rows.rows.len()).map(|at| tree(rows, at, &crate::theme::ASCII, branches)).collect();
        for (row, text) in rows.rows.iter().zip(&drawn) {
            assert_eq!(text.chars().count(), branches.columns(row.depth as usize));
        }
        drawn
    }

    fn deep(depths: &[u32]) -> TraceRows {
        let span_id = (1..=depths.len() as u64).collect();
        TraceRows::new(wire::Trace { span_id, depth: depths.to_vec(), ..wire::Trace::default() })
    }

    #[test]
    fn a_branch_stays_in_its_column_however_deep_the_trace_is() {
        let rows = deep(&[0, 1, 2, 3, 4, 5, 6, 7, 7, 2, 1]);
        let narrow = ["", "+ ", "|+ ", "||` ", "|| ` ", "||  ` ", "||   ` ", "||    + ", "||    ` ", "|` ", "` "];
        assert_eq!(drawn(&rows, 12), narrow);
        assert_eq!(drawn(&rows, 14)[7], "| |         + ", "two columns a level where they fit");
    }

    #[test]
    fn what_is_deeper_than_there_is_room_stands_at_the_last_column_with_a_mark() {
        let rows = deep(&[0, 1, 2, 3, 4, 1]);
        assert_eq!(drawn(&rows, 3), ["", "+ ", "|` ", "| ` ", "| ~ ", "` "]);
    }
}
