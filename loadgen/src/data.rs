//! Rows: pools of the stack, CSV files and JSON lines, with what `once` steps saved beside each.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::LoadError;
use crate::hooks::{Hooks, PoolRow};
use crate::scenario::{Rows, Skew, Source};

/// Rows that a file may hold.
const MOST_ROWS: usize = 1_000_000;

/// The rows of one source.
#[derive(Debug, Clone)]
pub struct Table {
    /// Name in the scenario.
    pub name: String,
    /// How rows are picked.
    pub skew: Skew,
    /// Fields of each row.
    pub rows: Vec<PoolRow>,
    /// Variables that `once` steps saved for each row.
    pub saved: Vec<BTreeMap<String, String>>,
}

/// Loads every source of a scenario, in the order of their names.
pub async fn load(sources: &BTreeMap<String, Source>, hooks: &Hooks) -> Result<Vec<Table>, LoadError> {
    let mut tables = Vec::with_capacity(sources.len());
    for (name, source) in sources {
        let wrong = |why: String| LoadError::Data { name: name.clone(), why };
        let rows = match &source.rows {
            Rows::Pool { name: pool, size } => {
                let pools = hooks.pools.as_ref().ok_or_else(|| {
                    wrong("rows of a pool come from a running stack: start one with `mallctl up`".into())
                })?;
                let pool = if pool.is_empty() { name } else { pool };
                pools.rows(pool, *size).await.map_err(|error| wrong(error.to_string()))?
            }
            Rows::Csv(path) => csv(&read(path)?).map_err(|why| wrong(format!("{}: {why}", path.display())))?,
            Rows::JsonLines(path) => {
                json_lines(&read(path)?).map_err(|why| wrong(format!("{}: {why}", path.display())))?
            }
        };
        if rows.is_empty() {
            return Err(wrong("holds no row".into()));
        }
        if rows.len() > MOST_ROWS {
            return Err(wrong(format!("holds {} rows, at most {MOST_ROWS} are kept", rows.len())));
        }
        let saved = vec![BTreeMap::new(); rows.len()];
        tables.push(Table { name: name.clone(), skew: source.skew, rows, saved });
    }
    Ok(tables)
}

fn read(path: &Path) -> Result<String, LoadError> {
    std::fs::read_to_string(path).map_err(|source| LoadError::File { path: path.to_owned(), source })
}

/// Comma-separated values after RFC 4180: a heading line, quotes doubled inside quotes, line breaks allowed inside them.
fn csv(text: &str) -> Result<Vec<PoolRow>, String> {
    let mut records = csv_records(text)?.into_iter();
    let (_, heading) = records.next().ok_or("has no heading line")?;
    records
        .map(|(line, fields)| {
            if fields.len() == heading.len() {
                Ok(heading.iter().cloned().zip(fields).collect())
            } else {
                Err(format!("line {line} has {} fields, the heading has {}", fields.len(), heading.len()))
            }
        })
        .collect()
}

fn csv_records(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
    let mut records = Vec::new();
    let mut fields = Vec::new();
    let mut field = String::new();
    let (mut quoted, mut line, mut begins) = (false, 1, 1);
    let mut chars = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(c) = chars.next() {
        line += usize::from(c == '\n');
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                fields.push(std::mem::take(&mut field));
                let record = std::mem::take(&mut fields);
                // A blank line is no record.
                if record.len() > 1 || record.iter().any(|only| !only.is_empty()) {
                    records.push((begins, record));
                }
                begins = line;
            }
            other => field.push(other),
        }
    }
    if quoted {
        return Err(format!("the quote that opens in line {begins} or later is not closed"));
    }
    if !field.is_empty() || !fields.is_empty() {
        fields.push(field);
        records.push((begins, fields));
    }
    Ok(records)
}

fn json_lines(text: &str) -> Result<Vec<PoolRow>, String> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| {
            let object: BTreeMap<String, serde_json::Value> =
                serde_json::from_str(line).map_err(|error| format!("line {}: {error}", at + 1))?;
            let text = |value: serde_json::Value| match value {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            Ok(object.into_iter().map(|(key, value)| (key, text(value))).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn csv_knows_quotes_and_line_breaks() {
        let rows = csv("id,name\r\n1,\"a \"\"b\"\", c\"\n\n2,\"two\nlines\"").unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0]["name"], "a \"b\", c");
        assert_eq!(rows[1]["name"], "two\nlines");
    }

    #[test]
    fn a_short_line_is_named() {
        assert_eq!(csv("a,b\n1,2\n3\n").unwrap_err(), "line 3 has 1 fields, the heading has 2");
        assert!(csv("a,b\n1,\"2").is_err());
    }

    #[test]
    fn json_lines_are_rows() {
        let rows = json_lines("{\"id\": 7, \"name\": \"x\"}\n\n{\"id\": 8}\n").unwrap();
        assert_eq!((rows[0]["id"].as_str(), rows[0]["name"].as_str(), rows.len()), ("7", "x", 2));
        assert!(json_lines("{\"id\": 7}\n[1]").unwrap_err().starts_with("line 2"));
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "[a,\"\n\r{}:1]{0,60}|\\PC{0,20}") {
            let _ = csv(&text);
            let _ = json_lines(&text);
        }
    }
}
