//! Everything that the selected span carries.

use collector_api::console::{Attribute, SpanDetail, attribute::Value};
use unicode_width::UnicodeWidthChar;

use crate::fmt;
use crate::model::Model;
use crate::model::data::SECOND_NS;
use crate::model::trace::TraceRows;
use crate::model::ui::TraceUi;
use crate::theme::Role;
use crate::widget::pen::{Pen, text_width};

/// Rows that a value takes at most; what is longer is cut.
const VALUE_ROWS: usize = 6;

/// A line of the pane: a label and a value, or a heading.
type Line = (String, String, Role);

/// Draws the pane, scrolled.
pub fn draw(model: &Model, open: &TraceUi, rows: &TraceRows, pen: &mut Pen<'_>) {
    let title = rows.row_of(open.selected).map_or("span", |at| rows.text(rows.rows[at].operation));
    pen.rule(0, title);
    let Some(span) = open.details.get(&open.selected) else {
        pen.say(1, 1, "asking the collector", Role::Quiet);
        return;
    };
    let facts = lines(model, open, rows, span);
    let widest = facts.iter().filter(|(_, value, _)| !value.is_empty()).map(|(label, ..)| text_width(label)).max();
    let labels = (pen.width() * 2 / 5).clamp(12, 30).max((widest.unwrap_or(0) + 3).min(pen.width() / 2));
    let room = pen.width().saturating_sub(labels + 1);
    let lines: Vec<Line> = facts.into_iter().flat_map(|fact| unfolded(fact, room)).collect();
    let height = usize::from(pen.height().saturating_sub(1));
    let first = usize::from(open.pane_scroll).min(lines.len().saturating_sub(height));
    for (at, (label, value, role)) in lines.iter().skip(first).take(height).enumerate() {
        let y = at as u16 + 1;
        if value.is_empty() {
            pen.say(1, y, label, *role);
        } else {
            let quiet = pen.theme.style(Role::Quiet);
            pen.column(2, y, labels - 3, label, quiet);
            let style = pen.theme.style(*role);
            pen.column(labels, y, room, value, style);
        }
    }
    if lines.len() > height {
        let text = format!(" {}-{} of {} ", first + 1, (first + height).min(lines.len()), lines.len());
        let end = pen.width().saturating_sub(2);
        pen.figure(end, 0, &text, Role::Heading);
    }
}

/// A line whose value finds no room, as several: the label stands beside the first.
fn unfolded((label, value, role): Line, room: u16) -> Vec<Line> {
    let mut rows = vec![String::new()];
    let mut used = 0;
    for character in value.chars() {
        let wide = character.width().unwrap_or(0) as u16;
        if used + wide > room && rows.len() < VALUE_ROWS {
            rows.push(String::new());
            used = 0;
        }
        used = used.saturating_add(wide);
        if let Some(row) = rows.last_mut() {
            row.push(character);
        }
    }
    let label = |at: usize| if at == 0 { label.clone() } else { String::new() };
    rows.into_iter().enumerate().map(|(at, row)| (label(at), row, role)).collect()
}

fn lines(model: &Model, open: &TraceUi, rows: &TraceRows, span: &SpanDetail) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut fact = |label: &str, value: String, role: Role| lines.push((label.to_owned(), value, role));
    let length = span.end_unix_ns.saturating_sub(span.start_unix_ns);
    fact(
        "where",
        format!("{} {}", if span.instance.is_empty() { &span.service } else { &span.instance }, span.kind),
        Role::Text,
    );
    fact(
        "lasted",
        format!("{}, from {}", fmt::nanos(length), offset(span.start_unix_ns, rows.start_unix_ns)),
        Role::Text,
    );
    if let Some(at) = rows.row_of(span.span_id) {
        let row = &rows.rows[at];
        fact(
            "self / critical path",
            format!("{} / {}", fmt::nanos(row.self_ns), fmt::nanos(row.on_path_ns)),
            Role::Text,
        );
    }
    let status_role = if span.status.eq_ignore_ascii_case("error") { Role::Error } else { Role::Text };
    fact("status", format!("{} {}", span.status, span.status_message).trim().to_owned(), status_role);
    fact("span id", format!("{:016x}", span.span_id), Role::Quiet);
    section(&mut lines, "attributes", &span.attributes);
    for event in &span.events {
        let at = offset(event.unix_ns, span.start_unix_ns);
        lines.push((format!("event {} at {at}", event.name), String::new(), Role::Accent));
        lines.extend(event.attributes.iter().map(attribute));
    }
    for link in &span.links {
        lines.push((
            format!("link to {} {:016x}", fmt::hex(&link.trace_id), link.span_id),
            String::new(),
            Role::Accent,
        ));
        lines.extend(link.attributes.iter().map(attribute));
    }
    for record in open.logs.iter().filter(|record| record.span_id == span.span_id) {
        let role = if record.severity >= 17 { Role::Error } else { Role::Text };
        let at = offset(record.unix_ns, span.start_unix_ns);
        lines.push((format!("log {} {at}", record.severity_text), record.body.clone(), role));
    }
    section(&mut lines, "resource", &span.resource);
    let dropped =
        [(span.dropped_attributes, "attributes"), (span.dropped_events, "events"), (span.dropped_links, "links")];
    for (count, what) in dropped.into_iter().filter(|(count, _)| *count > 0) {
        lines.push((format!("{count} {what} were dropped before they arrived"), String::new(), Role::Warn));
    }
    let elsewhere = open.logs.iter().filter(|record| record.span_id != span.span_id).count();
    if elsewhere > 0 {
        lines.push((format!("{elsewhere} log records on other spans of this trace"), String::new(), Role::Quiet));
    }
    debug_assert!(model.trace.is_some(), "a pane without an open trace");
    lines
}

fn section(lines: &mut Vec<Line>, title: &str, attributes: &[Attribute]) {
    if attributes.is_empty() {
        return;
    }
    lines.push((title.to_owned(), String::new(), Role::Heading));
    lines.extend(attributes.iter().map(attribute));
}

fn attribute(attribute: &Attribute) -> Line {
    let value = match &attribute.value {
        None => "(no value)".to_owned(),
        Some(Value::Text(text) | Value::Json(text)) if text.is_empty() => "\"\"".to_owned(),
        Some(Value::Text(text) | Value::Json(text)) => text.clone(),
        Some(Value::Integer(value)) => value.to_string(),
        Some(Value::Number(value)) => value.to_string(),
        Some(Value::Flag(value)) => value.to_string(),
    };
    (attribute.key.clone(), value, Role::Text)
}

/// `+4.1 ms` after something.
fn offset(unix_ns: u64, from_ns: u64) -> String {
    match unix_ns.checked_sub(from_ns) {
        Some(after) if after < 3_600 * SECOND_NS => format!("+{}", fmt::nanos(after)),
        Some(_) => fmt::clock(unix_ns / SECOND_NS),
        None => format!("-{}", fmt::nanos(from_ns - unix_ns)),
    }
}
