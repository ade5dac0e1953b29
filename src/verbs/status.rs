//! `mallctl status`: what runs, where, and what it uses.

use collector_api::console::{Alert, AlertState, AlertsRequest, Coverage, StatsReply, StatsRequest};
use collector_api::{coverage, kept, lost};
use mall_api::control::{Places, Process, Server, StatusReply, StatusRequest};
use serde_json::{Value, json};

use crate::cli;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, SCHEMA, Table, mib};
use crate::stack::client::{Client, failure};
use crate::stack::shared::unix_ns;

/// Prints the status once, or after every change.
pub async fn run(args: cli::Status, json: bool) -> Outcome {
    let client = Client::to_stack(&args.stack.stack).await?;
    if !args.watch {
        print(&fetch(&client).await?, json, false)?;
        return Ok(Exit::Ok);
    }
    let mut stream = client.control().watch_status(StatusRequest {}).await.map_err(|s| failure(&s))?.into_inner();
    while let Ok(Some(status)) = stream.message().await {
        print(&about(&client, status).await?, json, true)?;
    }
    output::progress(&format!("stack '{}' is gone", args.stack.stack));
    Ok(Exit::Ok)
}

/// What is known of a stack.
pub struct Facts {
    status: StatusReply,
    alerts: Vec<Alert>,
    stats: StatsReply,
}

/// The facts of a stack, as they are now.
pub async fn fetch(client: &Client) -> Result<Facts, Failure> {
    let status = client.control().status(StatusRequest {}).await.map_err(|s| failure(&s))?.into_inner();
    about(client, status).await
}

/// What the collector adds to a status.
async fn about(client: &Client, status: StatusReply) -> Result<Facts, Failure> {
    let alerts = client.console().get_alerts(AlertsRequest { at_ns: 0 }).await.map_err(|s| failure(&s))?;
    let stats = client.console().get_stats(StatsRequest {}).await.map_err(|s| failure(&s))?;
    Ok(Facts { status, alerts: alerts.into_inner().alerts, stats: stats.into_inner() })
}

fn print(facts: &Facts, json: bool, live: bool) -> Result<(), Failure> {
    match (json, live) {
        (true, true) => output::json_line(&document(facts)),
        (true, false) => output::json(&document(facts)),
        (false, _) => {
            output::line(&text(facts));
            Ok(())
        }
    }
}

/// The status as JSON, schema 1.
pub fn document(facts: &Facts) -> Value {
    let Facts { status, alerts, stats } = facts;
    let store = stats.store.clone().unwrap_or_default();
    let receiver = stats.receiver.clone().unwrap_or_default();
    let addresses = status.addresses.clone().unwrap_or_default();
    json!({
        "schema": SCHEMA,
        "stack": status.stack,
        "ready": status.ready,
        "ready_ms": status.ready_ms,
        "phase": status.phase,
        "mode": status.mode,
        "grace_left_ms": status.grace_left_ms,
        "policy": status.policy,
        "seed": status.seed,
        "addresses": {
            "gateway": addresses.gateway,
            "otlp_grpc": addresses.otlp_grpc,
            "otlp_http": addresses.otlp_http,
            "console": addresses.console,
        },
        "places": status.places.as_ref().map(|places| json!({
            "store": places.store, "cache": places.cache, "registry": places.registry,
        })),
        "servers": status.servers.iter().map(server_document).collect::<Vec<_>>(),
        "processes": status.processes.iter().map(process_document).collect::<Vec<_>>(),
        "faults": status.faults.iter().map(super::fault::document).collect::<Vec<_>>(),
        "alerts": alerts.iter().filter(|alert| alert.state() != AlertState::Inactive)
            .map(super::alerts::document).collect::<Vec<_>>(),
        "spans": {
            "received": receiver.spans,
            "refused": receiver.spans_rejected,
            "dropped": store.dropped_spans,
            "lost_by_exporter": receiver.dropped_by_exporter,
        },
        "traces": {
            "seen": store.traces_seen,
            "kept": store.traces_kept,
            "keep_ratio": store.keep_ratio,
            "kept_by_reason": store.kept_by_reason,
            "sampled_out": store.sampled_out_traces,
            "evicted": store.evicted_traces,
        },
        "coverage": stats.coverage.iter().map(coverage_document).collect::<Vec<_>>(),
    })
}

fn coverage_document(coverage: &Coverage) -> Value {
    json!({
        "service": coverage.service,
        "ratio": coverage.ratio,
        "declared": coverage.declared,
        "by_spans": coverage.by_spans,
        "by_metrics": coverage.by_metrics,
        "from_metrics": coverage.from_metrics,
    })
}

fn server_document(server: &Server) -> Value {
    json!({
        "kind": server.kind,
        "address": server.address,
        "answers": server.away_since_unix_ns == 0,
        "away_since_unix_ns": server.away_since_unix_ns,
        "why": server.why,
    })
}

fn process_document(process: &Process) -> Value {
    json!({
        "role": process.role,
        "replica": process.replica,
        "pid": process.pid,
        "state": process.state,
        "ready": process.state == "ready",
        "rss_bytes": process.rss_bytes,
        "pss_bytes": process.pss_bytes,
        "cpu_s": process.cpu_s,
        "restarts": process.restarts,
        "ready_ms": process.ready_ms,
        "listen": process.listen,
        "last_exit": process.last_exit,
        "last_log": process.last_log,
    })
}

/// The servers that do not answer.
fn away(status: &StatusReply) -> impl Iterator<Item = &Server> {
    status.servers.iter().filter(|server| server.away_since_unix_ns > 0)
}

/// The status for people.
pub fn text(facts: &Facts) -> String {
    let Facts { status, alerts, stats } = facts;
    let mut lines = vec![headline(status)];
    if let Some(addresses) = &status.addresses {
        let gateway = if addresses.gateway.is_empty() { "-" } else { &addresses.gateway };
        lines.push(format!(
            "{} {gateway}   OTLP/gRPC {}   OTLP/HTTP {}   console {}",
            entrance(status),
            addresses.otlp_grpc,
            addresses.otlp_http,
            addresses.console
        ));
    }
    if let Some(places) = &status.places {
        let Places { store, cache, registry } = places;
        lines.push(format!("store {store}   cache {cache}   registry {registry}"));
    }
    for Server { kind, address, away_since_unix_ns, why } in away(status) {
        let seconds = unix_ns().saturating_sub(*away_since_unix_ns) / 1_000_000_000;
        lines.push(format!("{kind} at {address} is AWAY for {seconds} s: {why}"));
    }
    lines.push(String::new());
    lines.push(process_table(&status.processes).render());
    for fault in &status.faults {
        lines.push(format!("fault {}", super::fault::text(fault)));
    }
    for alert in alerts.iter().filter(|alert| alert.state() != AlertState::Inactive) {
        lines.push(format!("alert {}", super::alerts::text(alert)));
    }
    let (receiver, store) = (stats.receiver.clone().unwrap_or_default(), stats.store.clone().unwrap_or_default());
    let told = [lost::sentence(&receiver, &store), kept::sentence(&store)];
    lines.extend(told.into_iter().filter(|sentence| !sentence.is_empty()));
    lines.extend(stats.coverage.iter().map(coverage::sentence));
    lines.join("\n")
}

/// What stands at the first address: with three APIs the proxy that joins them.
fn entrance(status: &StatusReply) -> &'static str {
    if status.processes.iter().any(|process| process.role.ends_with("-api")) { "proxy" } else { "gateway" }
}

fn headline(status: &StatusReply) -> String {
    let up = status.processes.iter().filter(|process| process.state == "ready").count();
    let all = status.processes.len();
    let state = match status.ready {
        true if up == all => format!("ready in {:.2} s", status.ready_ms as f64 / 1e3),
        // Ready once, and something is missing since.
        _ if status.ready_ms > 0 => format!("{}, {up} of {all} processes up", status.phase),
        _ => status.phase.clone(),
    };
    let held = match status.mode.as_str() {
        "grace" => format!("nobody holds it, it stops in {} s", status.grace_left_ms / 1_000),
        mode => mode.to_owned(),
    };
    format!("stack '{}': {state}, {held}, policy {}, seed {}", status.stack, status.policy, status.seed)
}

fn process_table(processes: &[Process]) -> Table {
    let mut table =
        Table::new(&["process", "state", ">pid", ">pss MiB", ">rss MiB", ">cpu s", ">restarts", "listen", "note"]);
    for process in processes {
        let name = match process.replica {
            0 => process.role.clone(),
            replica => format!("{}/{replica}", process.role),
        };
        let note = if process.last_log.is_empty() { &process.last_exit } else { &process.last_log };
        table.row([
            name,
            process.state.clone(),
            process.pid.to_string(),
            mib(process.pss_bytes),
            mib(process.rss_bytes),
            format!("{:.2}", process.cpu_s),
            process.restarts.to_string(),
            process.listen.clone(),
            note.clone(),
        ]);
    }
    let sum = |field: fn(&Process) -> u64| mib(processes.iter().map(field).sum());
    let cpu: f64 = processes.iter().map(|process| process.cpu_s).sum();
    table.row([
        "together".to_owned(),
        String::new(),
        String::new(),
        sum(|process| process.pss_bytes),
        sum(|process| process.rss_bytes),
        format!("{cpu:.2}"),
        String::new(),
        String::new(),
        String::new(),
    ]);
    table
}
