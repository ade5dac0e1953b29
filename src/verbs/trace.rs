//! `mallctl trace`: traces that the collector keeps.

mod list;
mod show;

use std::fmt::Write as _;

use crate::cli;
use crate::exit::Outcome;

/// Runs the verb.
pub async fn run(args: cli::Trace, json: bool) -> Outcome {
    match args {
        cli::Trace::List { source, query, slowest, limit } => {
            list::run(&super::collector(&source).await?, &query, slowest, limit, json).await
        }
        cli::Trace::Show { source, id } => show::run(&source, &id, json).await,
    }
}

/// An identity in hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
