//! `mallctl serve`: one role of the shop.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use mall::config::{ConfigError, Mistake, Reading, Role, ServiceConfig, UnknownRole};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;

/// How long a service whose parent has gone may take to end.
const ORPHAN_LIMIT: Duration = Duration::from_millis(500);

/// Runs the role until a signal, or until its parent has gone.
pub async fn run(args: cli::Serve) -> Outcome {
    let role: Role = args.role.parse().map_err(|error: UnknownRole| Failure::usage(error.to_string()))?;
    let read = if args.check { ServiceConfig::check } else { ServiceConfig::read };
    let Reading { config, notes, missing } = read(role, &args.config).map_err(|error| refusal(&error))?;
    for Mistake { line, column, what } in notes.iter().chain(&missing) {
        output::progress(&format!("{}:{line}:{column}: {what}", args.config.display()));
    }
    if args.check {
        if !missing.is_empty() {
            output::progress(&format!("no mistakes, but {role} does not start with this file alone"));
        }
        output::line("ok");
        return Ok(Exit::Ok);
    }
    let stop = CancellationToken::new();
    if args.with_parent {
        end_with_parent(stop.clone());
    }
    let signals = stop.clone();
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        signals.cancel();
    });
    mall::serve::serve(role, config, stop.cancelled_owned())
        .await
        .map_err(|error| Failure::runtime(format!("{role} ended")).because(error))?;
    Ok(Exit::Ok)
}

/// A configuration that was refused, as the failure of the verb. What is there and is no text is not mended by a path.
fn refusal(error: &ConfigError) -> Failure {
    match error {
        ConfigError::Unreadable { path, source } if source.kind() == ErrorKind::InvalidData => {
            Failure::usage(format!("{} is no configuration", path.display()))
                .because("it is not text in UTF-8")
                .mend("give the path of a YAML or JSON file; `mallctl render` writes some")
        }
        _ => Failure::usage(error.to_string()),
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::runtime("cannot listen for signals").because(error))
}

/// A thread of its own reads standard input: its end is the parent's end, and must be noticed whatever the runtime does.
fn end_with_parent(stop: CancellationToken) {
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut bytes = [0; 64];
        while matches!(input.read(&mut bytes), Ok(1..)) {}
        stop.cancel();
        // Nobody is left to hear the last spans, and nobody would reap a service that hangs.
        std::thread::sleep(ORPHAN_LIMIT);
        std::process::exit(i32::from(Exit::Failure.code()));
    });
}
