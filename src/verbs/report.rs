//! `mallctl report`: a recorded run, for people or as it was recorded.

use crate::cli::{self, ReportFormat};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::stack::state::StateFolder;

use super::load::text_beside;
use super::runs::find;

/// Prints the report.
pub fn run(args: &cli::Report, json: bool) -> Outcome {
    let recorded = find(&StateFolder::of(&args.stack.stack)?, &args.run)?;
    if json || args.format == ReportFormat::Json {
        output::json(&recorded.run)?;
        return Ok(Exit::Ok);
    }
    let path = text_beside(&recorded.path);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::runtime(format!("cannot read {}", path.display()))
            .because(error)
            .mend("`-f json` prints the record itself")
    })?;
    output::line(text.trim_end());
    Ok(Exit::Ok)
}
