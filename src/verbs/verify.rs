//! `mallctl verify`: judge orders, stock and money against the histories of the load runs.

use mall::verify::{Report, Verdict};

use crate::cli;
use crate::exit::{Exit, Failure, Outcome};
use crate::hint;
use crate::output::{self, Table};
use crate::stack::state::StateFolder;

/// Runs the verb; the stack may be up or down.
pub async fn run(args: cli::Verify, json: bool) -> Outcome {
    let stack = &args.stack.stack;
    let folder = StateFolder::of(stack)?;
    let sources = folder.read()?.and_then(|file| file.data_sources).ok_or_else(|| {
        Failure::new(Exit::NotRunning, format!("stack '{stack}' has no shop data"))
            .mend(format!("make some with {}", hint::command(stack, "up --load order-burst")))
    })?;
    let report = mall::verify::run(&folder.history(), &sources, args.quiesce)
        .await
        .map_err(|error| Failure::runtime(error.to_string()))?;
    if json {
        output::json(&report)?;
    } else {
        print(stack, &report);
    }
    Ok(match report.verdict {
        Verdict::True => Exit::Ok,
        Verdict::False => Exit::VerifyViolated,
        Verdict::Unknown => Exit::Failure,
    })
}

fn print(stack: &str, report: &Report) {
    let mut table = Table::new(&["", "invariant", ">checked", "verdict"]);
    for invariant in &report.invariants {
        table.row([
            invariant.id.clone(),
            invariant.name.clone(),
            invariant.checked.to_string(),
            invariant.verdict.as_str().to_owned(),
        ]);
    }
    table.print();
    if let Some((invariant, counterexample)) = report.first_counterexample() {
        output::line(&format!("\n{}: {}", invariant.id, counterexample.text));
        if let Some(trace_id) = &counterexample.trace_id {
            output::line(&format!("  {}", hint::line(stack, &format!("trace show {trace_id}"))));
        }
    }
    if let Some(unrest) = &report.unrest {
        output::line(&format!("\nnot at rest: {unrest}; wait longer with --quiesce"));
    }
    output::line(&format!("\n{} runs, {} acknowledged operations", report.runs, report.acknowledged));
    output::line(&format!("verdict: {}", report.verdict.as_str()));
}
