//! What verbs print: results to stdout, progress to stderr, tables with aligned columns.

use std::io::{self, Write};

use serde::Serialize;

use crate::exit::Failure;

/// Version of every JSON shape that a verb prints.
pub const SCHEMA: u32 = 1;

/// Prints a JSON document, indented, as the verb's result.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Failure::runtime("cannot write JSON").because(error))?;
    line(&text);
    Ok(())
}

/// Prints one JSON line: live output.
pub fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::runtime("cannot write JSON").because(error))?;
    line(&text);
    Ok(())
}

/// Prints a line to stdout. A reader that went away (`mallctl … | head`) ends the process quietly, as it should.
pub fn line(text: &str) {
    let mut stdout = io::stdout().lock();
    if writeln!(stdout, "{text}").and_then(|()| stdout.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Prints a line of progress to stderr.
pub fn progress(text: &str) {
    // Progress that nobody can read is no reason to fail.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A table of text: a column is as wide as its widest cell; numbers are right-aligned.
pub struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
}

impl Table {
    /// A table with these headings; a heading that starts with `>` makes its column right-aligned.
    pub fn new(headings: &[&str]) -> Self {
        let right = headings.iter().map(|heading| heading.starts_with('>')).collect();
        let first = headings.iter().map(|heading| heading.trim_start_matches('>').to_owned()).collect();
        Self { rows: vec![first], right }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| collector_api::text::clean(&cell).into_owned()).collect());
    }

    /// The table as lines without trailing blanks.
    pub fn render(&self) -> String {
        let widths: Vec<usize> = (0..self.right.len())
            .map(|column| {
                self.rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), right) in row.iter().zip(&widths).zip(&self.right) {
                if !line.is_empty() {
                    line.push_str("  ");
                }
                let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
                if *right {
                    line.push_str(&padding);
                    line.push_str(cell);
                } else {
                    line.push_str(cell);
                    line.push_str(&padding);
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.truncate(text.trim_end_matches('\n').len());
        text
    }

    /// Prints the table as a result.
    pub fn print(&self) {
        line(&self.render());
    }
}

/// Bytes in MiB with one digit.
pub fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / (1024.0 * 1024.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_end_clean() {
        let mut table = Table::new(&["name", ">n", "note"]);
        table.row(["a".into(), "5".into(), String::new()]);
        table.row(["long".into(), "1200".into(), "x".into()]);
        assert_eq!(table.render(), "name     n  note\na        5\nlong  1200  x");
    }

    #[test]
    fn cells_cannot_drive_the_terminal() {
        let mut table = Table::new(&["name"]);
        table.row(["\u{1b}[2Jevil".into()]);
        assert!(!table.render().contains('\u{1b}'));
    }
}
