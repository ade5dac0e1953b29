//! `mallctl supervise`: the supervisor's process, started by `up` and `collect`.

use nix::unistd::setsid;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use crate::cli;
use crate::exit::{Exit, Failure, Outcome};
use crate::stack::order::{self, Report};
use crate::stack::state::StateFolder;
use crate::stack::supervisor::supervise;

/// Runs the supervisor in a session of its own: a closed terminal does not reach it.
pub fn run(args: &cli::Stack, runtime: impl FnOnce() -> Result<Runtime, Failure>) -> Outcome {
    let (order, parent_lost) = order::receive()?;
    // Fails only where this process leads a group already, which is as good.
    let _ = setsid();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("info"))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let folder = StateFolder::of(&args.stack)?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(supervise(folder, order, parent_lost));
    runtime.shutdown_background();
    match outcome {
        Ok(()) => Ok(Exit::Ok),
        Err(failure) => {
            Report::failed(&failure).send();
            Err(failure)
        }
    }
}
