//! `mallctl alerts`: states of the alerts, and whether rule files can be evaluated.

use collector::alert::Rules;
use collector_api::console::{Alert, AlertState, AlertsRequest};
use serde_json::{Value, json};

use crate::cli;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, SCHEMA, Table};
use crate::stack::client::{Client, failure};
use crate::stack::rules;

/// Runs the verb.
pub async fn run(args: cli::Alerts, json: bool) -> Outcome {
    match args {
        cli::Alerts::List { source } => list(&super::collector(&source).await?, json).await,
        cli::Alerts::Check { files } => check(&files, json),
    }
}

async fn list(client: &Client, json: bool) -> Outcome {
    let reply = client.console().get_alerts(AlertsRequest { at_ns: 0 }).await.map_err(|s| failure(&s))?.into_inner();
    if json {
        output::json(&json!({
            "schema": SCHEMA,
            "profile": reply.profile,
            "alerts": reply.alerts.iter().map(document).collect::<Vec<_>>(),
            "refused": reply.refused,
        }))?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["alert", "state", "severity", ">value", "labels", "summary"]);
    for alert in &reply.alerts {
        table.row([
            alert.name.clone(),
            state(alert).to_owned(),
            alert.severity.clone(),
            format!("{:.4}", alert.value),
            labels(alert),
            alert.summary.clone(),
        ]);
    }
    table.print();
    for refused in &reply.refused {
        output::progress(&format!("not evaluated: {refused}"));
    }
    Ok(Exit::Ok)
}

/// An alert as JSON.
pub fn document(alert: &Alert) -> Value {
    json!({
        "name": alert.name,
        "state": state(alert),
        "severity": alert.severity,
        "labels": alert.labels,
        "value": alert.value,
        "for_ns": alert.for_ns,
        "active_unix_ns": alert.active_unix_ns,
        "fired_unix_ns": alert.fired_unix_ns,
        "resolved_unix_ns": alert.resolved_unix_ns,
        "summary": alert.summary,
    })
}

/// An alert in one line.
pub fn text(alert: &Alert) -> String {
    format!(
        "{} {} {}",
        alert.name,
        state(alert),
        if alert.summary.is_empty() { labels(alert) } else { alert.summary.clone() }
    )
}

fn state(alert: &Alert) -> &'static str {
    match alert.state() {
        AlertState::Pending => "pending",
        AlertState::Firing => "firing",
        AlertState::Resolved => "resolved",
        AlertState::Inactive | AlertState::Unspecified => "inactive",
    }
}

fn labels(alert: &Alert) -> String {
    let mut pairs: Vec<String> = alert.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.sort();
    pairs.join(" ")
}

fn check(files: &[std::path::PathBuf], json: bool) -> Outcome {
    let mut sources = Vec::new();
    if files.is_empty() {
        for profile in ["production", rules::PROFILE] {
            sources.extend(rules::shipped(profile).into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())));
        }
    }
    for file in files {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::usage(format!("cannot read {}", file.display())).because(error))?;
        sources.push((file.display().to_string(), text));
    }
    let mut refusals = Vec::new();
    let mut documents = Vec::new();
    for (name, text) in &sources {
        let rules = Rules::parse(name, text).map_err(|error| Failure::usage(error.to_string()))?;
        let names: Vec<&str> = rules.names().collect();
        let refused: Vec<String> =
            rules.refused.iter().map(|refusal| format!("{}: {}", refusal.rule, refusal.reason)).collect();
        if !json {
            output::line(&format!("{name}: {} can be evaluated, {} refused", names.join(", "), refused.len()));
        }
        documents.push(json!({ "file": name, "rules": names, "refused": refused }));
        refusals.extend(refused.into_iter().map(|refusal| format!("{name}: {refusal}")));
    }
    if json {
        output::json(&json!({ "schema": SCHEMA, "files": documents }))?;
    }
    if refusals.is_empty() {
        Ok(Exit::Ok)
    } else {
        Err(Failure::usage("rules were refused")
            .because(refusals.join("; "))
            .mend("docs/alerts.md lists what is supported"))
    }
}
