//! Cells as text, as terminal sequences, and as SVG.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr;

/// Characters only, without blanks at the ends of lines.
pub fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for row in rows(buffer) {
        let line: String = visible(row).map(|(_, cell)| cell.symbol()).collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Characters and SGR sequences.
pub fn ansi(buffer: &Buffer) -> String {
    let mut out = String::new();
    for row in rows(buffer) {
        let mut style = Style::reset();
        for (_, cell) in visible(row) {
            if cell.style() != style {
                style = cell.style();
                out.push_str(&sgr(style));
            }
            out.push_str(cell.symbol());
        }
        out.push_str("\x1b[0m\n");
    }
    out
}

fn sgr(style: Style) -> String {
    let mut codes = vec!["0".to_owned()];
    let modifiers = [
        (Modifier::BOLD, "1"),
        (Modifier::DIM, "2"),
        (Modifier::ITALIC, "3"),
        (Modifier::UNDERLINED, "4"),
        (Modifier::REVERSED, "7"),
    ];
    codes.extend(
        modifiers
            .iter()
            .filter(|(modifier, _)| style.add_modifier.contains(*modifier))
            .map(|(_, code)| (*code).to_owned()),
    );
    codes.extend(style.fg.and_then(|color| color_code(color, 38)));
    codes.extend(style.bg.and_then(|color| color_code(color, 48)));
    format!("\x1b[{}m", codes.join(";"))
}

fn color_code(color: Color, base: u8) -> Option<String> {
    match color {
        Color::Reset => None,
        Color::Rgb(r, g, b) => Some(format!("{base};2;{r};{g};{b}")),
        Color::Indexed(index) => Some(format!("{base};5;{index}")),
        other => Some(format!("{base};5;{}", named(other))),
    }
}

/// Position of a named colour in the palette of sixteen.
fn named(color: Color) -> u8 {
    match color {
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
        _ => 0,
    }
}

/// Pixels of a cell.
const CELL: (f64, f64) = (8.4, 18.0);

/// Foreground and background of a picture.
const INK: (&str, &str) = ("#d7dbe0", "#14181d");

/// A picture: a background, rectangles where cells have one, and a run of text per style.
pub fn svg(buffer: &Buffer) -> String {
    let (width, height) = (f64::from(buffer.area.width) * CELL.0 + 24.0, f64::from(buffer.area.height) * CELL.1 + 24.0);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"14\">"
    );
    let _ = writeln!(out, "<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{}\"/>", INK.1);
    for (y, row) in rows(buffer).enumerate() {
        svg_row(&mut out, y, row);
    }
    out.push_str("</svg>\n");
    out
}

fn svg_row(out: &mut String, y: usize, row: &[Cell]) {
    let mut run: Option<(usize, Style, String)> = None;
    for (x, cell) in visible(row) {
        let style = cell.style();
        match &mut run {
            Some((_, held, text)) if *held == style => text.push_str(cell.symbol()),
            _ => {
                if let Some((from, style, text)) = run.take() {
                    svg_run(out, from, y, style, &text);
                }
                run = Some((x, style, cell.symbol().to_owned()));
            }
        }
    }
    if let Some((from, style, text)) = run {
        svg_run(out, from, y, style, &text);
    }
}

fn svg_run(out: &mut String, x: usize, y: usize, style: Style, text: &str) {
    let is_reversed = style.add_modifier.contains(Modifier::REVERSED);
    let ink = style.fg.and_then(hex).unwrap_or_else(|| INK.0.to_owned());
    let paper = style.bg.and_then(hex);
    let (ink, paper) = if is_reversed { (paper.unwrap_or_else(|| INK.1.to_owned()), Some(ink)) } else { (ink, paper) };
    let (left, top) = (12.0 + x as f64 * CELL.0, 12.0 + y as f64 * CELL.1);
    let length = text.width() as f64 * CELL.0;
    if let Some(paper) = paper {
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"{}\" fill=\"{paper}\"/>",
            CELL.1
        );
    }
    if text.trim().is_empty() {
        return;
    }
    let weight = if style.add_modifier.contains(Modifier::BOLD) { " font-weight=\"700\"" } else { "" };
    let opacity = if style.add_modifier.contains(Modifier::DIM) { " opacity=\"0.6\"" } else { "" };
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(
        out,
        "<text x=\"{left:.1}\" y=\"{:.1}\" fill=\"{ink}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\"{weight}{opacity}>{escaped}</text>",
        top + 13.5
    );
}

fn hex(color: Color) -> Option<String> {
    const SIXTEEN: [&str; 16] = [
        "#14181d", "#f46058", "#7ac278", "#f2b254", "#6cb2eb", "#ce8ce8", "#56c8d8", "#d7dbe0", "#767c84", "#ff8078",
        "#9ae298", "#ffd284", "#8cd2ff", "#eeacff", "#76e8f8", "#ffffff",
    ];
    match color {
        Color::Reset => None,
        Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
        Color::Indexed(index @ 16..=231) => {
            let level = |value: u8| if value == 0 { 0 } else { 55 + value * 40 };
            let index = index - 16;
            Some(format!("#{:02x}{:02x}{:02x}", level(index / 36), level(index / 6 % 6), level(index % 6)))
        }
        Color::Indexed(index @ 232..) => {
            let grey = 8 + (index - 232) * 10;
            Some(format!("#{grey:02x}{grey:02x}{grey:02x}"))
        }
        Color::Indexed(index) => Some(SIXTEEN[usize::from(index)].to_owned()),
        other => Some(SIXTEEN[usize::from(named(other))].to_owned()),
    }
}

fn rows(buffer: &Buffer) -> impl Iterator<Item = &[Cell]> {
    buffer.content().chunks(usize::from(buffer.area.width).max(1))
}

/// Cells with their columns, without those that a wide character before them covers.
fn visible(row: &[Cell]) -> impl Iterator<Item = (usize, &Cell)> {
    let mut covered = 0;
    row.iter().enumerate().filter(move |(_, cell)| {
        if covered > 0 {
            covered -= 1;
            return false;
        }
        covered = cell.symbol().width().saturating_sub(1);
        true
    })
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;

    use super::*;

    fn buffer() -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 1));
        buffer.set_string(0, 0, "a<支付", Style::new().fg(Color::Rgb(1, 2, 3)));
        buffer
    }

    #[test]
    fn wide_characters_take_their_columns_once() {
        assert_eq!(text(&buffer()), "a<支付\n");
        assert!(ansi(&buffer()).starts_with("\x1b[0;38;2;1;2;3ma<支付"));
    }

    #[test]
    fn a_picture_escapes_what_markup_would_read() {
        let picture = svg(&buffer());
        assert!(picture.contains(">a&lt;支付</text>") && picture.contains("fill=\"#010203\""));
    }
}
