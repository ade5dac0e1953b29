//! The live list of traces.

use collector_api::console::{TraceOrder, TraceSummary};

use crate::fmt;
use crate::model::Model;
use crate::model::data::SECOND_NS;
use crate::theme::Role;
use crate::widget::bar;
use crate::widget::pen::Pen;
use crate::widget::table::first_row;

/// Columns of the duration bar.
fn bar_width(width: u16) -> u16 {
    if width < 100 { 7 } else { 16 }
}

/// Draws the list.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    top(model, pen);
    let ui = &model.traces;
    let width = pen.width();
    heading(pen, width);
    if ui.list.is_empty() {
        return empty(model, pen);
    }
    let height = pen.height().saturating_sub(2);
    let selected = ui.selected.as_ref().and_then(|id| ui.list.iter().position(|row| row.trace_id == *id));
    let first = first_row(selected, ui.list.len(), height);
    let longest = ui.list.iter().map(|row| row.duration_ns).max().unwrap_or(1).max(1);
    for (at, row) in ui.list.iter().enumerate().skip(first).take(usize::from(height)) {
        let y = (at - first) as u16 + 2;
        if selected == Some(at) || (selected.is_none() && at == 0) {
            let role = if selected.is_some() { Role::Selected } else { Role::Text };
            pen.shade(0, y, width, pen.theme.style(role));
            pen.say(0, y, pen.theme.glyphs.cursor, Role::Accent);
        }
        trace_row(pen, y, row, longest);
    }
}

fn top(model: &Model, pen: &mut Pen<'_>) {
    let ui = &model.traces;
    let order = match ui.order {
        TraceOrder::Newest => "newest first",
        TraceOrder::Slowest => "slowest first",
    };
    let follows = if ui.selected.is_none() { ", following" } else { "" };
    let mut x = pen.say(1, 0, &format!("{order}{follows}"), Role::Strong);
    if let Some((from, to)) = ui.period {
        let until = if to == 0 { "now".to_owned() } else { fmt::clock(to.saturating_sub(1) / SECOND_NS) };
        x = pen.say(x + 2, 0, &format!("{} to {until}", fmt::clock(from / SECOND_NS)), Role::Accent);
    }
    if !ui.query.is_empty() {
        x = pen.say(x + 2, 0, "/ ", Role::Quiet);
        x = pen.say(x, 0, &ui.query, Role::Accent);
    }
    // Figures of another question would say that this one matched them.
    if !ui.answered || ui.error.is_some() {
        return;
    }
    let (seen, kept, matched) = ui.counts;
    if ui.arriving > 0 {
        x = pen.say(x + 2, 0, &format!("{} arriving", fmt::count(ui.arriving as u64)), Role::Quiet);
    }
    let words = format!("{} of {} kept, {} seen", fmt::count(matched), fmt::count(kept), fmt::count(seen));
    if x + 2 + crate::widget::pen::text_width(&words) < pen.width() {
        let end = pen.width() - 1;
        pen.figure(end, 0, &words, Role::Quiet);
    }
}

fn heading(pen: &mut Pen<'_>, width: u16) {
    pen.rule(1, "");
    pen.say(2, 1, " began ", Role::Heading);
    pen.figure(24, 1, " duration", Role::Heading);
    let (spans, name) = columns(width);
    pen.say(name, 1, " root ", Role::Heading);
    pen.figure(spans, 1, " spans", Role::Heading);
    pen.say(spans + 2, 1, " marks ", Role::Heading);
}

/// End of the column of spans, and begin of the names.
fn columns(width: u16) -> (u16, u16) {
    (width.saturating_sub(if width < 100 { 12 } else { 22 }), 26 + bar_width(width))
}

fn trace_row(pen: &mut Pen<'_>, y: u16, row: &TraceSummary, longest: u64) {
    let (spans, name) = columns(pen.width());
    let millis = row.start_unix_ns % SECOND_NS / 1_000_000;
    pen.say(2, y, &format!("{}.{millis:03}", fmt::clock(row.start_unix_ns / SECOND_NS)), Role::Quiet);
    let role = if row.errors > 0 { Role::Error } else { Role::Strong };
    pen.figure(24, y, &fmt::nanos(row.duration_ns), role);
    let hue = pen.theme.service(&row.root_service);
    bar::grow(pen, 25, y, bar_width(pen.width()), row.duration_ns as f64 / longest as f64, hue);
    let room = spans.saturating_sub(name + 6);
    let service = row.root_service.len().min(usize::from(room)) as u16;
    pen.column(name, y, room, &row.root_service, hue);
    let style = pen.theme.style(Role::Text);
    pen.column(name + service + 1, y, room.saturating_sub(service + 1), &row.root_operation, style);
    pen.figure(spans, y, &fmt::count(u64::from(row.spans)), Role::Quiet);
    let mut x = spans + 2;
    if row.errors > 0 {
        x = pen.say(x, y, &format!("{}{} ", pen.theme.glyphs.error, row.errors), Role::Error);
    }
    if !row.complete {
        x = pen.say(x, y, "open ", Role::Quiet);
    }
    if row.has_orphans {
        x = pen.say(x, y, "orphans ", Role::Warn);
    }
    for mark in &row.marks {
        let role = if mark == "fault" { Role::Fault } else { Role::Warn };
        x = pen.say(x, y, &format!("{mark} "), role);
    }
}

/// Why nothing is here, and what mends it.
fn empty(model: &Model, pen: &mut Pen<'_>) {
    let ui = &model.traces;
    if let Some(error) = &ui.error {
        pen.say(2, 3, &ui.query, Role::Text);
        if let Some(at) = position(error).filter(|at| *at <= ui.query.chars().count()) {
            pen.say(2 + at as u16, 4, "^", Role::Error);
        }
        pen.say(2, 5, error, Role::Error);
        pen.say(2, 7, "/ changes the query, x removes it", Role::Quiet);
        return;
    }
    let (seen, kept, _) = ui.counts;
    let words = if !ui.answered {
        "asking the collector".to_owned()
    } else if kept > 0 && (!ui.query.is_empty() || ui.period.is_some()) {
        format!("{} traces are kept and the query hides all of them: x removes it", fmt::count(kept))
    } else if seen > 0 {
        format!("{} traces were seen and none is kept: the store's limit is reached", fmt::count(seen))
    } else {
        format!("no trace yet: {} spans received", fmt::count(model.data().receiver.spans))
    };
    pen.say(2, 3, &words, Role::Text);
}

/// The position that a refusal names: the number after the word `position`, or before the first colon.
fn position(error: &str) -> Option<usize> {
    let after = error.split_once("position ").map_or(error, |(_, rest)| rest);
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_position_of_a_mistake_is_found() {
        assert_eq!(super::position("position 12: there is no field `serice`"), Some(12));
        assert_eq!(super::position("the query at position 3 ends"), Some(3));
        assert_eq!(super::position("no such thing"), None);
    }
}
