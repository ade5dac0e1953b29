//! `mallctl wait`: until a stack is ready or down, or an alert fires.

use std::time::Duration;

use collector_api::console::{AlertState, AlertsRequest, WatchRequest};
use mall_api::control::StatusRequest;
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::cli::{self, Awaited};
use crate::exit::{Exit, Failure, Outcome};
use crate::hint;
use crate::output::{self, SCHEMA};
use crate::stack::client::{Client, failure};
use crate::stack::state::StateFolder;

/// How often a stack that does not run yet is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Waits, at most for the timeout.
pub async fn run(args: cli::Wait, json: bool) -> Outcome {
    let stack = &args.stack.stack;
    let name = match &args.awaited {
        Awaited::Ready => "ready".to_owned(),
        Awaited::Down => "down".to_owned(),
        Awaited::Alert(alert) => format!("alert:{alert}"),
    };
    let waiting = async {
        match &args.awaited {
            Awaited::Ready => ready(stack).await,
            Awaited::Down => down(stack).await,
            Awaited::Alert(alert) => firing(stack, alert).await,
        }
    };
    match timeout(args.timeout, waiting).await {
        Ok(outcome) => outcome?,
        Err(_) => {
            return Err(Failure::new(Exit::NotReady, format!("stack '{stack}': no {name} within {:?}", args.timeout))
                .mend(format!("see {} and {}", hint::command(stack, "status"), hint::command(stack, "logs"))));
        }
    }
    if json {
        output::json(&json!({ "schema": SCHEMA, "stack": stack, "reached": name }))?;
    } else {
        output::line(&format!("{name} reached"));
    }
    Ok(Exit::Ok)
}

async fn ready(stack: &str) -> Result<(), Failure> {
    loop {
        // A stack that is just being started has no address yet, so a refusal is no answer here.
        if let Ok(client) = Client::to_stack(stack).await
            && let Ok(stream) = client.control().watch_status(StatusRequest {}).await
        {
            let mut stream = stream.into_inner();
            while let Ok(Some(status)) = stream.message().await {
                if status.ready {
                    return Ok(());
                }
            }
        }
        StateFolder::of(stack)?;
        sleep(LOOK_AGAIN).await;
    }
}

async fn down(stack: &str) -> Result<(), Failure> {
    let folder = StateFolder::of(stack)?;
    if folder.is_running() {
        // The task only fails when the runtime ends.
        let _ = spawn_blocking(move || folder.wait_unlocked()).await;
    }
    Ok(())
}

async fn firing(stack: &str, alert: &str) -> Result<(), Failure> {
    let client = Client::to_stack(stack).await?;
    let reply = client.console().get_alerts(AlertsRequest { at_ns: 0 }).await.map_err(|status| failure(&status))?;
    let known = reply.into_inner().alerts;
    if is_firing(&known, alert) {
        return Ok(());
    }
    if !known.iter().any(|known| known.name == alert) {
        let names: std::collections::BTreeSet<&str> = known.iter().map(|known| known.name.as_str()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        return Err(
            Failure::usage(format!("there is no alert '{alert}'")).mend(format!("there are {}", names.join(", ")))
        );
    }
    let request = WatchRequest { resume_version: 0, history_s: 1 };
    let mut stream = client.console().watch(request).await.map_err(|status| failure(&status))?.into_inner();
    while let Some(delta) = stream.message().await.map_err(|status| failure(&status))? {
        if is_firing(&delta.alerts, alert) {
            return Ok(());
        }
    }
    Err(Failure::new(Exit::NotRunning, format!("stack '{stack}' went down while waiting")))
}

fn is_firing(alerts: &[collector_api::console::Alert], name: &str) -> bool {
    alerts.iter().any(|alert| alert.name == name && alert.state() == AlertState::Firing)
}
