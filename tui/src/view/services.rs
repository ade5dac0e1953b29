//! Operations of every service, and who calls whom.

use ratatui::layout::Rect;

use crate::fmt;
use crate::model::Model;
use crate::model::data::WINDOW_S;
use crate::model::intake;
use crate::model::seconds::ratio;
use crate::theme::Role;
use crate::update;
use crate::widget::pen::Pen;
use crate::widget::table::first_row;
use collector_api::console::Sketch as WireSketch;
use collector_api::sketch::Sketch;

/// Draws the screen: operations above, edges below, side by side where it is wide.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    let (width, height) = (pen.width(), caveats(model, pen));
    let edges = model.data().services.edges.len() as u16;
    if width >= 140 {
        let right = width / 2 - 4;
        operations(model, &mut pen.part(Rect { x: 0, y: 0, width: width - right - 1, height }));
        graph(model, &mut pen.part(Rect { x: width - right, y: 0, width: right, height }));
    } else {
        let below = (edges + 1).min(height / 3);
        operations(model, &mut pen.rows(0, height - below));
        graph(model, &mut pen.rows(height - below, below));
    }
}

/// What the figures do not hold, at the bottom. Returns the height that is left above.
fn caveats(model: &Model, pen: &mut Pen<'_>) -> u16 {
    let most = usize::from(pen.height() / 6);
    let lines: Vec<String> = model.data().caveats().take(most).collect();
    let begin = pen.height() - lines.len() as u16;
    let covered = model.data().coverage.len();
    for (at, line) in lines.iter().enumerate() {
        pen.say(1, begin + at as u16, line, if at < covered { Role::Warn } else { Role::Quiet });
    }
    begin
}

fn quantiles(wire: Option<&WireSketch>) -> (String, String) {
    let sketch = wire.map(Sketch::from).unwrap_or_default();
    let text = |q| sketch.quantile_us(q).map_or_else(|| "-".to_owned(), fmt::millis);
    (text(0.5), text(0.99))
}

fn headings(pen: &mut Pen<'_>, title: &str) -> [u16; 4] {
    let width = pen.width();
    let ends = [26, 18, 10, 1].map(|back| width.saturating_sub(back));
    pen.rule(0, title);
    for (end, title) in ends.iter().zip([" /s", " err %", " p50", " p99 ms"]) {
        pen.figure(*end, 0, title, Role::Heading);
    }
    ends
}

fn figures(pen: &mut Pen<'_>, y: u16, ends: [u16; 4], counts: (u64, u64), latency: Option<&WireSketch>) {
    let (requests, errors) = counts;
    pen.figure(ends[0], y, fmt::rate(requests as f64 / WINDOW_S as f64).trim_end_matches("/s"), Role::Text);
    let role = if errors > 0 { Role::Error } else { Role::Quiet };
    pen.figure(ends[1], y, &format!("{:.1}", intake::finite(ratio(errors, requests)) * 100.0), role);
    let (p50, p99) = quantiles(latency);
    pen.figure(ends[2], y, &p50, Role::Text);
    pen.figure(ends[3], y, &p99, Role::Text);
}

fn operations(model: &Model, pen: &mut Pen<'_>) {
    let ends = headings(pen, "operations, last 10 s");
    let operations = update::operations(model);
    if operations.is_empty() {
        pen.say(2, 1, "no finished server span in ten seconds", Role::Quiet);
        return;
    }
    let height = pen.height().saturating_sub(1);
    let selected = model.services.selected.as_ref();
    let at = selected.and_then(|key| operations.iter().position(|operation| update::operation_key(operation) == *key));
    let first = first_row(at, operations.len(), height);
    for (row, operation) in operations.iter().enumerate().skip(first).take(usize::from(height)) {
        let y = (row - first) as u16 + 1;
        if at == Some(row) {
            pen.shade(0, y, pen.width(), pen.theme.style(Role::Selected));
            pen.say(0, y, pen.theme.glyphs.cursor, Role::Accent);
        }
        let hue = pen.theme.service(&operation.service);
        pen.column(1, y, 12, &operation.service, hue);
        let quiet = pen.theme.style(Role::Quiet);
        pen.column(14, y, 8, &operation.kind, quiet);
        let style = pen.theme.style(Role::Text);
        pen.column(23, y, ends[0].saturating_sub(23 + 7), &operation.operation, style);
        figures(pen, y, ends, (operation.requests, operation.errors), operation.latency.as_ref());
    }
}

fn graph(model: &Model, pen: &mut Pen<'_>) {
    let ends = headings(pen, "who calls whom");
    for (at, edge) in model.data().services.edges.iter().enumerate() {
        let y = at as u16 + 1;
        let hue = pen.theme.service(&edge.caller);
        let x = pen.put(1, y, &edge.caller, hue);
        let x = pen.say(x + 1, y, pen.theme.glyphs.arrow, Role::Quiet);
        let hue = pen.theme.service(&edge.callee);
        let x = pen.put(x + 1, y, &edge.callee, hue);
        pen.say(x + 1, y, &edge.kind, Role::Quiet);
        figures(pen, y, ends, (edge.calls, edge.errors), edge.latency.as_ref());
    }
}
