//! An open trace: its waterfall, and the pane of the selected span.

mod pane;
mod waterfall;

use ratatui::layout::Rect;

use crate::fmt;
use crate::model::Model;
use crate::model::ui::TraceUi;
use crate::theme::Role;
use crate::widget::pen::Pen;

/// Draws the trace.
pub fn draw(model: &Model, open: &TraceUi, pen: &mut Pen<'_>) {
    let Some(rows) = &open.rows else {
        pen.say(1, 0, &format!("trace {}", fmt::hex(&open.id)), Role::Strong);
        match &open.error {
            Some(error) => pen.say(1, 2, error, Role::Error),
            None => pen.say(1, 2, "asking the collector", Role::Quiet),
        };
        return;
    };
    let (width, height) = (pen.width(), pen.height());
    let mut x = pen.say(1, 0, "trace ", Role::Quiet);
    if let Some(root) = rows.rows.first() {
        x = pen.say(x, 0, rows.text(root.operation), Role::Strong) + 2;
    }
    x = pen.say(x, 0, &fmt::nanos(rows.duration_ns), Role::Strong);
    let errors = rows.rows.iter().filter(|row| row.is_error()).count();
    let orphans = rows.rows.iter().filter(|row| row.orphan).count();
    let dot = pen.theme.glyphs.dot;
    x = pen.say(x + 1, 0, &format!("{dot} {} spans {dot} {} services", rows.rows.len(), rows.services), Role::Text);
    if errors > 0 {
        x = pen.say(x + 1, 0, &format!("{} {errors} failed", pen.theme.glyphs.error), Role::Error);
    }
    if orphans > 0 {
        x = pen.say(x + 1, 0, &format!("{orphans} without their parent"), Role::Warn);
    }
    if !rows.complete {
        x = pen.say(x + 1, 0, "not complete", Role::Warn);
    }
    let id = fmt::hex(&open.id);
    if x + 2 + id.len() as u16 <= width {
        pen.figure(width - 1, 0, &id, Role::Quiet);
    }
    let warnings = rows.warnings.len().min(2) as u16;
    for (at, warning) in rows.warnings.iter().take(2).enumerate() {
        pen.say(1, at as u16 + 1, &format!("{} {warning}", pen.theme.glyphs.alarm), Role::Warn);
    }
    let top = 1 + warnings;
    let rest = height.saturating_sub(top);
    if !open.pane {
        return waterfall::draw(open, rows, &mut pen.rows(top, rest));
    }
    if width >= 140 {
        let pane = (width / 3).max(56);
        waterfall::draw(open, rows, &mut pen.part(Rect { x: 0, y: top, width: width - pane - 1, height: rest }));
        let wall = pen.theme.glyphs.wall;
        for y in top..height {
            pen.say(width - pane - 1, y, wall, Role::Quiet);
        }
        pane::draw(model, open, rows, &mut pen.part(Rect { x: width - pane, y: top, width: pane, height: rest }));
    } else {
        let fall = rest / 2;
        waterfall::draw(open, rows, &mut pen.rows(top, fall));
        pane::draw(model, open, rows, &mut pen.rows(top + fall, rest - fall));
    }
}
