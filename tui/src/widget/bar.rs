//! Horizontal bars with edges finer than a cell.

use ratatui::style::{Modifier, Style};

use super::pen::Pen;

/// A bar that begins at a cell's left edge, `value` in 0..=1 of `width` cells. Anything above zero is seen.
pub fn grow(pen: &mut Pen<'_>, x: u16, y: u16, width: u16, value: f64, style: Style) {
    if value <= 0.0 || width == 0 {
        return;
    }
    let end = (value.min(1.0) * f64::from(width)).max(0.125);
    between(pen, x, y, width, 0.0, end, style);
}

/// A bar between two positions in cells, `0 <= from <= to <= width`. In block glyphs both edges fall on eighths; the
/// left one is drawn by reversing the cell.
pub fn between(pen: &mut Pen<'_>, x: u16, y: u16, width: u16, from: f64, to: f64, style: Style) {
    let widths = pen.theme.glyphs.widths;
    let full = pen.theme.glyphs.full;
    let steps = widths.len() as f64;
    let limit = f64::from(width);
    let from = from.clamp(0.0, (limit - 0.125).max(0.0));
    let to = to.clamp(from + 0.125, limit.max(from + 0.125));
    let (first, last) = (from.floor() as u16, (to.ceil() as u16).max(1) - 1);
    for cell in first..=last.min(width.saturating_sub(1)) {
        let left = (from - f64::from(cell)).clamp(0.0, 1.0);
        let right = (to - f64::from(cell)).clamp(0.0, 1.0);
        let at = x.saturating_add(cell);
        if left < 1.0 / steps && right > 1.0 - 0.5 / steps {
            pen.put(at, y, full, style);
        } else if left < 1.0 / steps {
            let eighth = ((right * steps).round() as usize).clamp(1, widths.len());
            pen.put(at, y, widths[eighth - 1], style);
        } else if right > 1.0 - 0.5 / steps && widths.len() > 2 {
            let gap = ((left * steps).round() as usize).clamp(1, widths.len());
            if gap < widths.len() {
                pen.put(at, y, widths[gap - 1], style.add_modifier(Modifier::REVERSED));
            } else {
                pen.put(at, y, widths[0], style);
            }
        } else {
            let eighth = (((right - left) * steps).round() as usize).clamp(1, widths.len());
            pen.put(at, y, widths[eighth - 1], style);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;

    use super::*;
    use crate::theme::{Depth, Theme};

    fn drawn(ascii: bool, from: f64, to: f64) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 1));
        let area = buffer.area;
        between(&mut Pen::new(&mut buffer, area, Theme::new(Depth::None, ascii)), 0, 0, 8, from, to, Style::new());
        buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect()
    }

    #[test]
    fn edges_fall_on_eighths() {
        assert_eq!(drawn(false, 0.0, 2.5), "██▌     ");
        assert_eq!(drawn(false, 1.0, 1.01), " ▏      ");
        assert_eq!(drawn(true, 1.0, 3.0), " ##     ");
    }

    proptest! {
        #[test]
        fn every_bar_is_seen_and_inside(width in 1_u16..60, from in 0.0..80.0_f64, length in 0.0..80.0_f64) {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 70, 1));
            let area = buffer.area;
            between(&mut Pen::new(&mut buffer, area, Theme::new(Depth::None, false)), 0, 0, width, from, from + length, Style::new());
            let filled: Vec<usize> = buffer.content().iter().enumerate().filter(|(_, cell)| cell.symbol() != " ").map(|(at, _)| at).collect();
            prop_assert!(!filled.is_empty());
            prop_assert!(filled.iter().all(|at| *at < usize::from(width)));
        }
    }
}
