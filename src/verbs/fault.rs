//! `mallctl fault`: inject faults on purpose, list them, end them.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mall_api::control::{ClearFaultsRequest, Fault, FaultSet, ListFaultsRequest};
use serde_json::{Value, json};

use crate::cli;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, SCHEMA, Table};
use crate::stack::client::{Client, failure};
use crate::stack::faults::describe;

/// Runs the verb.
pub async fn run(args: cli::Fault, json: bool) -> Outcome {
    match args {
        cli::Fault::Kinds => kinds(json)?,
        cli::Fault::Add { stack, kind, target, params, lasts } => {
            let fault = request(&kind, &target, &params, lasts, "")?;
            let client = Client::to_stack(&stack.stack).await?;
            let fault = client.control().add_fault(fault).await.map_err(|s| failure(&s))?.into_inner();
            if json {
                output::json(&json!({ "schema": SCHEMA, "fault": document(&fault) }))?;
            } else {
                output::line(&text(&fault));
            }
        }
        cli::Fault::List { stack } => {
            let client = Client::to_stack(&stack.stack).await?;
            let set = client.control().list_faults(ListFaultsRequest {}).await.map_err(|s| failure(&s))?;
            print_set(&set.into_inner(), json)?;
        }
        cli::Fault::Clear { stack, ids } => {
            clear(&Client::to_stack(&stack.stack).await?, ids, json).await?;
        }
    }
    Ok(Exit::Ok)
}

/// A fault from the words of the command line or of a scenario.
pub fn request(kind: &str, target: &str, params: &[String], lasts: Duration, run_id: &str) -> Result<Fault, Failure> {
    let params: HashMap<String, String> = params
        .iter()
        .map(|param| {
            let (key, value) = param.split_once('=').ok_or_else(|| {
                Failure::usage(format!("'{param}' is no parameter")).mend("write NAME=VALUE; see `mallctl fault kinds`")
            })?;
            Ok((key.to_owned(), value.to_owned()))
        })
        .collect::<Result<_, Failure>>()?;
    Ok(Fault {
        kind: kind.to_owned(),
        target: target.to_owned(),
        params,
        for_ms: lasts.as_millis() as u64,
        run_id: run_id.to_owned(),
        ..Fault::default()
    })
}

/// A fault as JSON.
pub fn document(fault: &Fault) -> Value {
    json!({
        "id": fault.id,
        "kind": fault.kind,
        "target": fault.target,
        "params": fault.params,
        "begins_unix_ns": fault.begins_unix_ns,
        "ends_unix_ns": fault.ends_unix_ns,
        "left_ms": left_ms(fault),
        "run_id": fault.run_id,
    })
}

/// A fault in one line.
pub fn text(fault: &Fault) -> String {
    if fault.id.is_empty() {
        return format!("{} done", describe(fault));
    }
    format!("{} {}, {:.0} s left", fault.id, describe(fault), left_ms(fault) as f64 / 1e3)
}

fn left_ms(fault: &Fault) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    fault.ends_unix_ns.saturating_sub(now) / 1_000_000
}

/// Ends faults and says which, and how many stay.
async fn clear(client: &Client, ids: Vec<String>, json: bool) -> Result<(), Failure> {
    let mut control = client.control();
    let cleared = control.clear_faults(ClearFaultsRequest { ids }).await.map_err(|s| failure(&s))?.into_inner().faults;
    let left = control.list_faults(ListFaultsRequest {}).await.map_err(|s| failure(&s))?.into_inner().faults;
    if json {
        let documents = |faults: &[Fault]| faults.iter().map(document).collect::<Vec<_>>();
        return output::json(&json!({ "schema": SCHEMA, "cleared": documents(&cleared), "left": documents(&left) }));
    }
    for fault in &cleared {
        output::line(&format!("cleared {} {}", fault.id, describe(fault)));
    }
    output::progress(&format!("{} left in force", left.len()));
    Ok(())
}

fn print_set(set: &FaultSet, json: bool) -> Result<(), Failure> {
    if json {
        return output::json(
            &json!({ "schema": SCHEMA, "faults": set.faults.iter().map(document).collect::<Vec<_>>() }),
        );
    }
    if set.faults.is_empty() {
        output::progress("no faults");
    }
    for fault in &set.faults {
        output::line(&text(fault));
    }
    Ok(())
}

fn kinds(json: bool) -> Result<(), Failure> {
    if json {
        let kinds: Vec<Value> = mall::fault::KINDS
            .iter()
            .map(|kind| {
                let params: Vec<Value> = kind
                    .params
                    .iter()
                    .map(|param| json!({ "name": param.name, "default": param.default, "help": param.help }))
                    .collect();
                json!({ "name": kind.name, "help": kind.help, "params": params })
            })
            .collect();
        return output::json(&json!({ "schema": SCHEMA, "kinds": kinds }));
    }
    let mut table = Table::new(&["kind", "parameter", "default", "meaning"]);
    for kind in mall::fault::KINDS {
        table.row([kind.name.into(), String::new(), String::new(), kind.help.into()]);
        for param in kind.params {
            table.row([
                String::new(),
                param.name.into(),
                param.default.unwrap_or("(needed)").into(),
                param.help.into(),
            ]);
        }
    }
    table.print();
    Ok(())
}
