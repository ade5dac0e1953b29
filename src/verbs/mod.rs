//! One file per verb: each a short composition of the libraries.

mod alerts;
mod breaker;
mod collect;
mod completions;
mod doctor;
mod down;
mod fault;
mod healthcheck;
mod hooks;
mod load;
mod logs;
mod p2c;
mod render;
mod report;
mod restart;
mod runs;
mod scenario;
mod serve;
mod session;
mod shed;
mod status;
mod supervise;
mod trace;
mod up;
mod verify;
mod wait;
mod watch;

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

use crate::cli::{self, Cli, Verb};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::stack::client::Client;

/// Worker threads of the processes that receive or send for many: supervisor and load.
const WORKERS: usize = 2;

/// Runs a verb.
pub fn run(cli: Cli) -> Outcome {
    let json = cli.json;
    match cli.verb {
        Verb::Up(args) => simple(up::run(args, json)),
        Verb::Down(args) => simple(down::run(args, json)),
        Verb::Status(args) => simple(status::run(args, json)),
        Verb::Wait(args) => simple(wait::run(args, json)),
        Verb::Logs(args) => simple(logs::run(args, json)),
        Verb::Restart(args) => simple(restart::run(args, json)),
        Verb::Load(args) => finish(parallel()?, load::run(*args, json)),
        Verb::Collect(args) => simple(collect::run(args, json)),
        Verb::Watch(args) => simple(watch::run(args)),
        Verb::Scenario(args) => scenario::run(args, json),
        Verb::Fault(args) => simple(fault::run(args, json)),
        Verb::Trace(args) => simple(trace::run(args, json)),
        Verb::Breaker(args) => simple(breaker::run(args, json)),
        Verb::P2c(args) => simple(p2c::run(args, json)),
        Verb::Shed(args) => simple(shed::run(args, json)),
        Verb::Alerts(args) => simple(alerts::run(args, json)),
        Verb::Runs(args) => runs::run(args, json),
        Verb::Report(args) => report::run(&args, json),
        Verb::Verify(args) => simple(verify::run(args, json)),
        Verb::Render(args) => render::run(&args, json),
        Verb::Doctor => simple(doctor::run(json)),
        Verb::Completions { shell } => {
            completions::run(shell);
            Ok(Exit::Ok)
        }
        Verb::Version => version(json),
        Verb::Healthcheck(args) => simple(healthcheck::run(args)),
        Verb::Serve(args) => simple(serve::run(args)),
        Verb::Supervise(args) => supervise::run(&args, parallel),
    }
}

/// Verbs that do one thing after the other, and services (the measured budget: one thread costs less per hop).
fn simple(verb: impl Future<Output = Outcome>) -> Outcome {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::runtime("cannot start a runtime").because(error))?;
    finish(runtime, verb)
}

fn parallel() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| Failure::runtime("cannot start a runtime").because(error))
}

fn finish(runtime: Runtime, verb: impl Future<Output = Outcome>) -> Outcome {
    let outcome = runtime.block_on(verb);
    // Tasks that still block (a read of a terminal, say) must not keep the process.
    runtime.shutdown_background();
    outcome
}

/// The collector that a verb asks: by address, or the one of a stack.
async fn collector(source: &cli::Source) -> Result<Client, Failure> {
    match &source.addr {
        Some(address) => Client::to_address(address, None).await,
        None => Client::to_stack(&source.stack.stack).await,
    }
}

/// A window for the console protocol, which counts in whole seconds; less than one is one.
fn whole_seconds(window: std::time::Duration) -> u32 {
    u32::try_from(window.as_secs()).unwrap_or(u32::MAX).max(1)
}

fn version(json: bool) -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    if json {
        output::json(&serde_json::json!({ "schema": output::SCHEMA, "version": version }))?;
    } else {
        output::line(&format!("mallctl {version}"));
    }
    Ok(Exit::Ok)
}
