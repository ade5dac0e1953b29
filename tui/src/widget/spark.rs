//! A row of heights.

use ratatui::style::Style;

use super::pen::Pen;

/// The glyph of a value between 0 and the largest. Zero is the lowest glyph only when `floor` asks for it.
pub fn glyph(heights: &'static [&'static str], value: f64, largest: f64, floor: bool) -> &'static str {
    if value <= 0.0 || largest <= 0.0 {
        return if floor { heights.first().copied().unwrap_or(" ") } else { " " };
    }
    let top = heights.len().saturating_sub(1);
    let at = ((value / largest).min(1.0) * top as f64).round() as usize;
    heights.get(at.max(usize::from(floor && top > 0))).copied().unwrap_or(" ")
}

/// The last values, ending at the right edge of `width` columns, scaled to `largest`.
pub fn row(pen: &mut Pen<'_>, x: u16, y: u16, width: u16, values: &[f64], largest: f64, style: Style) {
    let heights = pen.theme.glyphs.heights;
    let shown = &values[values.len().saturating_sub(usize::from(width))..];
    let begin = x + width.saturating_sub(shown.len() as u16);
    for (at, value) in shown.iter().enumerate() {
        pen.put(begin + at as u16, y, glyph(heights, *value, largest, true), style);
    }
}
