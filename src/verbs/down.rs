//! `mallctl down`: stop a stack in order; no error when none runs.

use std::time::Duration;

use mall_api::control::StopRequest;
use nix::sys::signal::Signal;
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::cli;
use crate::exit::{Exit, Failure, Outcome};
use crate::hint;
use crate::output::{self, SCHEMA};
use crate::stack::client::Client;
use crate::stack::process::Mark;
use crate::stack::purge::purge_servers;
use crate::stack::state::StateFolder;

/// How long a stop in order may take: three groups of processes, each at most 5.5 s, and the collector.
const ORDERLY_LIMIT: Duration = Duration::from_secs(25);

/// How long a supervisor that has stopped may take to end, and how often that is looked at.
const LAST_LIMIT: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(2);

/// How long a supervisor may take to obey a signal once it did not obey the call.
const SIGNAL_LIMIT: Duration = Duration::from_secs(20);

/// Stops one stack or all.
pub async fn run(args: cli::Down, json: bool) -> Outcome {
    let folders = if args.all { StateFolder::all()? } else { vec![StateFolder::of(&args.stack.stack)?] };
    let mut stopped = Vec::new();
    for folder in folders {
        let was_running = stop(&folder).await?;
        let mut kept = Vec::new();
        if args.purge {
            kept = purge_servers(&folder).await?;
            folder.purge()?;
        }
        let stack = folder.stack().to_owned();
        output::progress(&match (was_running, args.purge) {
            (true, false) => {
                format!("stack '{stack}' is down; its data stays for the next {}", hint::command(&stack, "up"))
            }
            (false, false) => format!("stack '{stack}' is not running"),
            (_, true) if kept.is_empty() => format!("stack '{stack}' is down, its data is removed"),
            (_, true) => format!("stack '{stack}' is down, its data is removed but for that on {}", kept.join(", ")),
        });
        stopped.push(json!({ "stack": stack, "was_running": was_running, "purged": args.purge }));
    }
    if json {
        output::json(&json!({ "schema": SCHEMA, "stacks": stopped }))?;
    }
    Ok(Exit::Ok)
}

/// Stops a stack, by call, then by signals. Answers whether it was running.
pub async fn stop(folder: &StateFolder) -> Result<bool, Failure> {
    if !folder.is_running() {
        return Ok(false);
    }
    let supervisor = folder.read()?.map(|file| file.supervisor);
    if timeout(ORDERLY_LIMIT, stop_in_order(folder)).await.is_ok() {
        gone(supervisor).await;
        return Ok(true);
    }
    for ask in [Signal::SIGTERM, Signal::SIGKILL] {
        if let Some(mark) = supervisor {
            output::progress(&format!("the supervisor (pid {}) does not answer: {ask}", mark.pid));
            mark.signal(ask);
        }
        if timeout(SIGNAL_LIMIT, unlocked(folder)).await.is_ok() {
            gone(supervisor).await;
            return Ok(true);
        }
    }
    Err(Failure::runtime(format!("stack '{}' cannot be stopped", folder.stack()))
        .because("its lock is still held")
        .mend(format!("see who holds {}", folder.root().join("lock").display())))
}

async fn stop_in_order(folder: &StateFolder) {
    if let Ok(client) = Client::to_stack(folder.stack()).await
        && let Ok(stream) = client.control().stop(StopRequest {}).await
    {
        let mut stream = stream.into_inner();
        while let Ok(Some(progress)) = stream.message().await {
            output::progress(&progress.line);
        }
    } else if let Ok(Some(file)) = folder.read() {
        file.supervisor.signal(Signal::SIGTERM);
    }
    unlocked(folder).await;
}

/// Waits until a supervisor that let go of its lock has ended: a process lets go of its files a moment before. Not for
/// ever, for by then all that matters is done.
async fn gone(supervisor: Option<Mark>) {
    let ended = async {
        while supervisor.is_some_and(Mark::is_alive) {
            tokio::time::sleep(LOOK).await;
        }
    };
    let _ = timeout(LAST_LIMIT, ended).await;
}

async fn unlocked(folder: &StateFolder) {
    let folder = folder.clone();
    // The task only fails when the runtime ends.
    let _ = spawn_blocking(move || folder.wait_unlocked()).await;
}
