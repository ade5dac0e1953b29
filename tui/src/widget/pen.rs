//! A pen that cannot leave its area.
//!
//! Every view draws through it, so that no rectangle, however small, makes a panic, and so that a terminal which only
//! draws ASCII gets ASCII.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::theme::{Role, Theme};

/// Draws into one rectangle; coordinates are relative to it.
pub struct Pen<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    /// Colours and glyphs.
    pub theme: Theme,
}

impl<'a> Pen<'a> {
    /// A pen for the part of an area that lies in the buffer.
    pub fn new(buffer: &'a mut Buffer, area: Rect, theme: Theme) -> Self {
        let area = area.intersection(buffer.area);
        Self { buffer, area, theme }
    }

    /// Columns.
    pub fn width(&self) -> u16 {
        self.area.width
    }

    /// Rows.
    pub fn height(&self) -> u16 {
        self.area.height
    }

    /// A pen for a rectangle given in this pen's coordinates.
    pub fn part(&mut self, part: Rect) -> Pen<'_> {
        let moved = Rect {
            x: self.area.x.saturating_add(part.x),
            y: self.area.y.saturating_add(part.y),
            width: part.width,
            height: part.height,
        };
        let area = moved.intersection(self.area);
        Pen { buffer: self.buffer, area, theme: self.theme }
    }

    /// A pen for whole rows from `y` on.
    pub fn rows(&mut self, y: u16, height: u16) -> Pen<'_> {
        let width = self.width();
        self.part(Rect { x: 0, y, width, height })
    }

    /// Writes text, cut at the right edge; returns the column behind it.
    pub fn put(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        if x >= self.area.width || y >= self.area.height {
            return x;
        }
        let text = self.ascii(text);
        let room = usize::from(self.area.width - x);
        let (end, _) = self.buffer.set_stringn(self.area.x + x, self.area.y + y, &text, room, style);
        end - self.area.x
    }

    /// As [`Self::put`], with a role's style.
    pub fn say(&mut self, x: u16, y: u16, text: &str, role: Role) -> u16 {
        let style = self.theme.style(role);
        self.put(x, y, text, style)
    }

    /// Writes text into a column of fixed width: cut with a mark when it is longer.
    pub fn column(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        let cut = fit(text, width, self.theme.glyphs.cut);
        self.put(x, y, &cut, style);
    }

    /// Writes text so that it ends before column `end`; what does not fit is cut at its left.
    pub fn right(&mut self, end: u16, y: u16, text: &str, style: Style) {
        let width = text_width(&self.ascii(text));
        if width <= end {
            self.put(end - width, y, text, style);
        } else {
            let cut = fit(text, end, self.theme.glyphs.cut);
            self.put(0, y, &cut, style);
        }
    }

    /// A number in a column that ends before `end`.
    pub fn figure(&mut self, end: u16, y: u16, text: &str, role: Role) {
        let style = self.theme.style(role);
        self.right(end, y, text, style);
    }

    /// Repeats a glyph of one column.
    pub fn fill(&mut self, x: u16, y: u16, width: u16, glyph: &str, style: Style) {
        for column in x..x.saturating_add(width).min(self.area.width) {
            self.put(column, y, glyph, style);
        }
    }

    /// Lays a style over a row, leaving its characters.
    pub fn shade(&mut self, x: u16, y: u16, width: u16, style: Style) {
        if y < self.area.height && x < self.area.width {
            let row = Rect { x: self.area.x + x, y: self.area.y + y, width: width.min(self.area.width - x), height: 1 };
            self.buffer.set_style(row, style);
        }
    }

    /// Empties the area.
    pub fn clear(&mut self) {
        for y in 0..self.area.height {
            self.blank(y);
        }
    }

    fn blank(&mut self, y: u16) {
        for x in self.area.left()..self.area.right() {
            if let Some(cell) = self.buffer.cell_mut((x, self.area.y + y)) {
                cell.reset();
            }
        }
    }

    /// A rule with a title in it: `── services ─────`.
    pub fn rule(&mut self, y: u16, title: &str) {
        let (rule, style) = (self.theme.glyphs.rule, self.theme.style(Role::Quiet));
        let width = self.width();
        self.fill(0, y, width, rule, style);
        if !title.is_empty() {
            self.say(2, y, &format!(" {title} "), Role::Heading);
        }
    }

    /// Our own signs in ASCII, when the terminal needs that; text from the wire keeps its letters.
    fn ascii<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.theme.is_ascii() || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let twin = |character: char| match character {
            '\u{b5}' => 'u',
            '\u{2026}' => '~',
            '\u{b7}' | '\u{2013}' => '-',
            other => other,
        };
        Cow::Owned(text.chars().map(twin).collect())
    }
}

/// Columns that a text takes.
pub fn text_width(text: &str) -> u16 {
    text.width().min(usize::from(u16::MAX)) as u16
}

/// A text in at most `width` columns, with a mark where it was cut.
pub fn fit<'t>(text: &'t str, width: u16, mark: &str) -> Cow<'t, str> {
    if text_width(text) <= width {
        return Cow::Borrowed(text);
    }
    let Some(room) = width.checked_sub(text_width(mark)) else { return Cow::Borrowed("") };
    let mut used = 0;
    let mut cut = String::new();
    for character in text.chars() {
        let wide = character.width().unwrap_or(0) as u16;
        if used + wide > room {
            break;
        }
        used += wide;
        cut.push(character);
    }
    cut.push_str(mark);
    Cow::Owned(cut)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::theme::Depth;

    #[test]
    fn text_is_cut_with_a_mark() {
        assert_eq!(fit("initiate_payment", 8, "~"), "initiat~");
        assert_eq!(fit("pay", 8, "~"), "pay");
        assert_eq!(fit("pay-rpc", 0, "~"), "");
        assert_eq!(fit("支付服务", 5, "~"), "支付~");
    }

    proptest! {
        #[test]
        fn no_stroke_leaves_its_area(x in 0_u16..60, y in 0_u16..20, w in 0_u16..60, h in 0_u16..20, tx in 0_u16..80, ty in 0_u16..30, text in ".{0,40}") {
            let mut buffer = Buffer::filled(Rect::new(0, 0, 40, 12), ratatui::buffer::Cell::new("~"));
            let area = Rect::new(x, y, w, h);
            let mut pen = Pen::new(&mut buffer, area, Theme::new(Depth::True, false));
            pen.put(tx, ty, &text, Style::new());
            pen.right(tx, ty, &text, Style::new());
            pen.fill(tx, ty, 100, "#", Style::new());
            pen.rule(ty, "title");
            pen.clear();
            for position in buffer.area.positions() {
                if !area.contains(position) {
                    prop_assert_eq!(buffer[position].symbol(), "~");
                }
            }
        }
    }
}
