//! `mallctl runs list`: recorded load runs of a stack, and how a word finds one.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli;
use crate::exit::{Exit, Failure, Outcome};
use crate::hint;
use crate::output::{self, SCHEMA, Table};
use crate::stack::state::StateFolder;

/// A recorded run.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its file.
    pub path: PathBuf,
    /// What the file says.
    pub run: Value,
}

impl Recorded {
    fn text(&self, key: &str) -> &str {
        self.run.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn started(&self) -> u64 {
        self.run.get("started_unix_ns").and_then(Value::as_u64).unwrap_or_default()
    }
}

/// Prints the runs, the newest last.
pub fn run(args: cli::Runs, json: bool) -> Outcome {
    let cli::Runs::List { stack } = args;
    let runs = recorded(&StateFolder::of(&stack.stack)?);
    if json {
        let documents: Vec<Value> = runs
            .iter()
            .map(|recorded| {
                json!({
                    "run_id": recorded.text("run_id"),
                    "name": recorded.text("name"),
                    "scenario": recorded.text("scenario"),
                    "started_unix_ns": recorded.started(),
                    "path": recorded.path,
                })
            })
            .collect();
        output::json(&json!({ "schema": SCHEMA, "runs": documents }))?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["run", "name", "scenario", ">sent", ">failed", ">p99 ms", ">joined"]);
    for recorded in &runs {
        let number = |path: &str| recorded.run.pointer(path).and_then(Value::as_u64);
        let count = |path: &str| number(path).map_or_else(|| "-".to_owned(), |value| value.to_string());
        let rate = recorded.run.pointer("/join/rate").and_then(Value::as_f64);
        table.row([
            recorded.text("run_id").to_owned(),
            recorded.text("name").to_owned(),
            recorded.text("scenario").to_owned(),
            count("/requests/sent"),
            count("/requests/failed"),
            number("/latency_us/intended/p99").map_or_else(|| "-".to_owned(), |us| format!("{:.1}", us as f64 / 1e3)),
            rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.2} %", rate * 100.0)),
        ]);
    }
    table.print();
    Ok(Exit::Ok)
}

/// The run that a word means: a path, an identity, a name, `latest` or `latest~N`.
pub fn find(folder: &StateFolder, word: &str) -> Result<Recorded, Failure> {
    let path = Path::new(word);
    if word.contains('/') || path.extension().is_some_and(|extension| extension == "json") {
        return read(path).ok_or_else(|| {
            Failure::usage(format!("{word} is no recorded run"))
                .mend(format!("{} names them", hint::command(folder.stack(), "runs list")))
        });
    }
    let runs = recorded(folder);
    let back = match word.strip_prefix("latest") {
        Some("") => Some(0),
        Some(rest) => rest.strip_prefix('~').and_then(|number| number.parse::<usize>().ok()),
        None => None,
    };
    let found = match back {
        Some(back) => runs.iter().rev().nth(back),
        None => runs.iter().rev().find(|run| run.text("run_id") == word || run.text("name") == word),
    };
    found.cloned().ok_or_else(|| {
        Failure::usage(format!("there is no run '{word}' of stack '{}'", folder.stack())).mend(format!(
            "{} names them, {} makes one",
            hint::command(folder.stack(), "runs list"),
            hint::command(folder.stack(), "load SCENARIO")
        ))
    })
}

fn recorded(folder: &StateFolder) -> Vec<Recorded> {
    let entries = std::fs::read_dir(folder.runs()).into_iter().flatten().flatten();
    let mut runs: Vec<Recorded> = entries.filter_map(|entry| read(&entry.path())).collect();
    runs.sort_by_key(Recorded::started);
    runs
}

fn read(path: &Path) -> Option<Recorded> {
    if path.extension().is_none_or(|extension| extension != "json") {
        return None;
    }
    let run: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    run.get("run_id")?;
    Some(Recorded { path: path.to_owned(), run })
}
