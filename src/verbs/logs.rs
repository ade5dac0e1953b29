//! `mallctl logs`: what the processes of a stack wrote, each line with its process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::cli;
use crate::exit::{Exit, Failure, Outcome};
use crate::hint;
use crate::output::{self, SCHEMA};
use crate::stack::logs::LogReader;
use crate::stack::state::StateFolder;

/// How often files are looked at while following.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Lines of each process that following begins with.
const FOLLOW_FROM: usize = 10;

/// Prints the logs of a stack, which need not run.
pub async fn run(args: cli::Logs, json: bool) -> Outcome {
    let folder = StateFolder::of(&args.stack.stack)?;
    let wanted = |process: &str| args.services.is_empty() || args.services.iter().any(|name| is_meant(process, name));
    let print = |process: &str, line: &str| {
        if args.trace.as_ref().is_some_and(|id| !line.contains(id.as_str())) {
            return Ok(());
        }
        if json {
            output::json_line(&json!({ "schema": SCHEMA, "process": process, "line": line }))
        } else {
            output::line(&format!("{process:<12} {}", collector_api::text::clean(line)));
            Ok(())
        }
    };
    if !args.follow {
        let mut lines: Vec<(String, String, String)> = Vec::new();
        for (process, path) in files(&folder).into_iter().filter(|(process, _)| wanted(process)) {
            lines.extend(dated_lines(&process, path));
        }
        if lines.is_empty() {
            return Err(nothing(&folder, &args.services));
        }
        lines.sort_by(|a, b| a.0.cmp(&b.0));
        for (_, process, line) in lines {
            print(&process, &line)?;
        }
        return Ok(Exit::Ok);
    }
    let mut readers: BTreeMap<String, LogReader> = BTreeMap::new();
    let mut first_look = true;
    loop {
        for (process, path) in files(&folder).into_iter().filter(|(process, _)| wanted(process)) {
            let reader = readers.entry(process.clone()).or_insert_with(|| {
                let mut reader = LogReader::new(path);
                if first_look {
                    reader.skip_to_last(FOLLOW_FROM);
                }
                reader
            });
            while let Some(line) = reader.next_line() {
                print(&process, &line)?;
            }
        }
        first_look = false;
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Every log of the stack, by the name of its process (`pay-rpc/1`).
fn files(folder: &StateFolder) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder.logs()).into_iter().flatten().flatten();
    let mut files: Vec<(String, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.path();
            let stem = path.file_name()?.to_str()?.strip_suffix(".log")?.to_owned();
            Some((process_of(&stem), path))
        })
        .collect();
    files.sort();
    files
}

/// `pay-rpc-1` is `pay-rpc/1`; `supervisor` stays.
fn process_of(stem: &str) -> String {
    match stem.rsplit_once('-') {
        Some((role, replica)) if replica.parse::<u32>().is_ok() => format!("{role}/{replica}"),
        _ => stem.to_owned(),
    }
}

fn is_meant(process: &str, name: &str) -> bool {
    process == name || process.split_once('/').is_some_and(|(role, _)| role == name)
}

/// Lines with the time that they begin with; a line without one belongs to the line before it.
fn dated_lines(process: &str, path: PathBuf) -> Vec<(String, String, String)> {
    let mut reader = LogReader::new(path);
    let mut time = String::new();
    let mut lines = Vec::new();
    while let Some(line) = reader.next_line() {
        let first = line.split_whitespace().next().unwrap_or_default();
        if first.len() >= 20 && first.starts_with("20") && first.contains('T') {
            first.clone_into(&mut time);
        }
        lines.push((time.clone(), process.to_owned(), line));
    }
    lines
}

fn nothing(folder: &StateFolder, services: &[String]) -> Failure {
    let known: Vec<String> = files(folder).into_iter().map(|(process, _)| process).collect();
    if known.is_empty() {
        return Failure::new(Exit::NotRunning, format!("stack '{}' has no logs", folder.stack()))
            .mend(format!("start it with {}", hint::command(folder.stack(), "up")));
    }
    Failure::usage(format!(
        "no log lines of {}",
        if services.is_empty() { "anything".to_owned() } else { services.join(", ") }
    ))
    .mend(format!("there are logs of {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_belong_to_processes() {
        assert_eq!(process_of("pay-rpc-2"), "pay-rpc/2");
        assert_eq!(process_of("supervisor"), "supervisor");
        assert!(is_meant("pay-rpc/2", "pay-rpc") && is_meant("pay-rpc/2", "pay-rpc/2"));
        assert!(!is_meant("pay-rpc/2", "pay-rpc/1") && !is_meant("pay-rpc/2", "pay"));
    }

    #[test]
    fn lines_without_a_time_stay_with_the_line_before() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a.log");
        std::fs::write(&path, "2026-11-22T09:00:00.000Z info a\n  more\n").expect("writes");
        let lines = dated_lines("a", path);
        assert_eq!(lines.iter().map(|line| line.0.as_str()).collect::<Vec<_>>(), ["2026-11-22T09:00:00.000Z"; 2]);
    }
}
