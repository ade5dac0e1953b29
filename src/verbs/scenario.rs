//! `mallctl scenario`: what ships, what it says, and whether a file is right.

use std::path::{Path, PathBuf};

use loadgen::Scenario;
use loadgen::scenario::{load_shipped, shipped};
use serde_json::json;

use crate::cli;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, SCHEMA, Table};

/// What a word of the command line means as a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// A scenario that ships with the binary.
    Shipped(String),
    /// A scenario file.
    File(PathBuf),
    /// One request.
    Url(String),
}

impl Meaning {
    /// A scheme makes a URL; a slash or `.toml` makes a file; a bare word is a shipped scenario.
    pub fn of(word: &str) -> Self {
        if word.contains("://") {
            Self::Url(word.to_owned())
        } else if word.contains('/') || Path::new(word).extension().is_some_and(|extension| extension == "toml") {
            Self::File(PathBuf::from(word))
        } else {
            Self::Shipped(word.to_owned())
        }
    }
}

/// Reads a scenario by its name or from its file.
pub fn read(word: &str) -> Result<Scenario, Failure> {
    let scenario = match Meaning::of(word) {
        Meaning::Shipped(name) => load_shipped(&name),
        Meaning::File(path) => Scenario::from_path(&path),
        Meaning::Url(url) => {
            return Err(
                Failure::usage(format!("'{url}' is a URL, no scenario")).mend(format!("use `mallctl load {url}`"))
            );
        }
    };
    scenario.map_err(|error| {
        Failure::usage(error.to_string())
            .mend("`mallctl scenario list` names what ships, docs/scenarios.md explains files")
    })
}

/// Runs the verb.
pub fn run(args: cli::Scenario, json: bool) -> Outcome {
    match args {
        cli::Scenario::List => list(json)?,
        cli::Scenario::Show { name } => {
            let text = shipped().into_iter().find(|(known, _)| *known == name).map(|(_, text)| text);
            match text {
                Some(text) => output::line(text.trim_end()),
                // The reader knows the nearest name.
                None => {
                    return Err(read(&name).err().unwrap_or_else(|| Failure::usage(format!("'{name}' does not ship"))));
                }
            }
        }
        cli::Scenario::Validate { what } => {
            let scenario = read(&what)?;
            let seconds = scenario.length().as_secs_f64();
            if json {
                output::json(&json!({ "schema": SCHEMA, "valid": true, "name": scenario.name, "seconds": seconds }))?;
            } else {
                output::line(&format!("{}: valid, {seconds:.0} s", scenario.name));
            }
        }
    }
    Ok(Exit::Ok)
}

fn list(json: bool) -> Result<(), Failure> {
    let mut table = Table::new(&["scenario", ">seconds", "what it shows"]);
    let mut documents = Vec::new();
    for (name, _) in shipped() {
        let scenario = read(name)?;
        let seconds = scenario.length().as_secs_f64();
        table.row([name.to_owned(), format!("{seconds:.0}"), scenario.summary.clone()]);
        documents.push(json!({ "name": name, "summary": scenario.summary, "seconds": seconds }));
    }
    if json {
        return output::json(&json!({ "schema": SCHEMA, "scenarios": documents }));
    }
    table.print();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_what_they_look_like() {
        assert_eq!(Meaning::of("order-burst"), Meaning::Shipped("order-burst".into()));
        assert_eq!(Meaning::of("mine.toml"), Meaning::File("mine.toml".into()));
        assert_eq!(Meaning::of("./mine"), Meaning::File("./mine".into()));
        assert_eq!(Meaning::of("http://localhost:1/x.toml"), Meaning::Url("http://localhost:1/x.toml".into()));
    }

    #[test]
    fn an_unknown_name_is_a_usage_error() {
        let failure = read("order-brust").expect_err("does not ship");
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.what.contains("order-burst"), "{failure}");
    }

    #[test]
    fn everything_that_ships_is_valid() {
        for (name, _) in shipped() {
            assert!(read(name).is_ok(), "{name}");
        }
    }
}
