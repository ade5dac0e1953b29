//! The latency heat map: a column a second, a row a band, darkness the number of requests.

use collector_api::sketch::Sketch;
use ratatui::style::Modifier;

use super::layout::{LABEL, Layout};
use crate::fmt;
use crate::model::Model;
use crate::model::data::Data;
use crate::model::ui::OverviewPanel;
use crate::theme::Role;
use crate::widget::pen::Pen;

/// Draws the map; the pen covers whole rows.
pub fn draw(model: &Model, layout: &Layout, pen: &mut Pen<'_>) {
    let data = model.data();
    let bands = &layout.bands;
    let axis = layout.axis;
    let counts: Vec<Option<(Vec<u64>, Vec<u64>)>> = (0..axis.columns)
        .map(|column| {
            let second = data.seconds.get(axis.second_at(column))?;
            Some((bands.counts(&second.entry_ok), bands.counts(&second.entry_failed)))
        })
        .collect();
    let largest = counts
        .iter()
        .flatten()
        .flat_map(|(ok, failed)| ok.iter().zip(failed).map(|(ok, failed)| ok + failed))
        .max()
        .unwrap_or(0);
    let scale = (largest as f64 + 1.0).ln().max(f64::MIN_POSITIVE);
    for row in 0..pen.height().min(bands.count() as u16) {
        let band = bands.count() - 1 - usize::from(row);
        label(layout, band, pen, row);
        for (column, cell) in counts.iter().enumerate() {
            let Some((ok, failed)) = cell else { continue };
            let (ok, failed) = (ok.get(band).copied().unwrap_or(0), failed.get(band).copied().unwrap_or(0));
            if ok + failed == 0 {
                continue;
            }
            let (glyph, style) = model.theme.heat(((ok + failed) as f64 + 1.0).ln() / scale);
            let x = LABEL + column as u16;
            // A cell that is mostly failures says so, in its own darkness.
            let glyph = if failed > ok { pen.theme.glyphs.error } else { glyph };
            pen.put(x, row, glyph, style);
        }
    }
    cursor(model, layout, pen);
    figures(data, layout, pen);
}

fn label(layout: &Layout, band: usize, pen: &mut Pen<'_>, row: u16) {
    let (lower, upper) = layout.bands.range(band);
    let text = match (lower, upper) {
        (lower, None) => format!("{} {}", pen.theme.glyphs.at_least, short(lower)),
        (0, Some(upper)) => format!("< {}", short(upper)),
        (lower, _) => short(lower),
    };
    let style = pen.theme.style(Role::Quiet);
    pen.right(LABEL - 1, row, &text, style);
}

/// An edge without decimals.
pub fn short(micros: u64) -> String {
    if micros >= 1_000_000 { format!("{} s", micros / 1_000_000) } else { format!("{} ms", micros / 1_000) }
}

fn cursor(model: &Model, layout: &Layout, pen: &mut Pen<'_>) {
    let Some(cursor) = model.overview.cursor else { return };
    let Some(column) = layout.axis.column_of(cursor.unix_s) else { return };
    let Some(row) = (layout.bands.count() - 1).checked_sub(cursor.band) else { return };
    let mark = if model.overview.panel == OverviewPanel::Map { Modifier::REVERSED } else { Modifier::UNDERLINED };
    let style = model.theme.style(Role::Accent).add_modifier(mark);
    pen.shade(LABEL + column, row as u16, 1, style);
}

/// Percentiles of the last ten seconds beside the map.
fn figures(data: &Data, layout: &Layout, pen: &mut Pen<'_>) {
    let entry = data.seconds.entry(data.window());
    let at = LABEL + layout.axis.columns + 2;
    let quantile = |sketch: &Sketch, q: f64, least: u64| match sketch.quantile_us(q) {
        None => "none".to_owned(),
        Some(_) if sketch.count() < least => "n low".to_owned(),
        Some(value) => fmt::micros(value),
    };
    let mut lines = vec![
        ("p99", quantile(&entry.ok, 0.99, 1), Role::Strong),
        ("p50", quantile(&entry.ok, 0.5, 1), Role::Text),
        ("n ok", fmt::count(entry.ok.count()), Role::Quiet),
        ("p99.9", quantile(&entry.ok, 0.999, 1_000), Role::Quiet),
        ("max", quantile(&entry.ok, 1.0, 1), Role::Quiet),
    ];
    if entry.failed.count() > 0 {
        lines.insert(1, ("p99 all", quantile(&entry.all(), 0.99, 1), Role::Text));
        lines.insert(2, ("failed", quantile(&entry.failed, 0.5, 1), Role::Text));
    }
    let end = (at + 19).min(pen.width());
    for (row, (name, value, role)) in lines.into_iter().enumerate() {
        pen.say(at, row as u16, name, Role::Quiet);
        pen.figure(end, row as u16, &value, role);
    }
}
