//! `mallctl`: the command line, and nothing else.

mod cli;
mod duration;
mod exit;
mod hint;
mod output;
mod render;
mod stack;
mod topology;
mod verbs;

use std::process::ExitCode;

use exit::{Exit, Outcome};

fn main() -> ExitCode {
    // Reports for panics only; what users can mend is told by `Failure`.
    if let Err(error) = color_eyre::install() {
        output::progress(&format!("panics will be reported plainly: {error}"));
    }
    let cli = match cli::environment::parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are printed here too, and they are no error.
            let _ = error.print();
            if let Some(origin) = cli::environment::origin(&error) {
                output::progress(&origin);
            }
            return ExitCode::from(if error.use_stderr() { Exit::Usage.code() } else { Exit::Ok.code() });
        }
    };
    let outcome: Outcome = verbs::run(cli);
    match outcome {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            output::progress(&format!("mallctl: {failure}"));
            ExitCode::from(failure.exit.code())
        }
    }
}
