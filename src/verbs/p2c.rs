//! `mallctl p2c`: how the balancers see every replica.

use collector_api::console::{BalanceRequest, BalancedService, Replica};
use serde_json::json;

use crate::cli;
use crate::duration::brief;
use crate::exit::{Exit, Outcome};
use crate::output::{self, SCHEMA, Table};
use crate::stack::client::failure;

/// Prints the balance.
pub async fn run(args: cli::Window, json: bool) -> Outcome {
    let client = super::collector(&args.source).await?;
    let request = BalanceRequest { at_ns: 0, window_s: super::whole_seconds(args.window) };
    let services = client.console().get_balance(request).await.map_err(|s| failure(&s))?.into_inner().services;
    if json {
        let documents: Vec<_> = services.iter().map(document).collect();
        output::json(&json!({ "schema": SCHEMA, "window_s": args.window.as_secs(), "services": documents }))?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&[
        "replica",
        ">share %",
        ">fair %",
        ">picks",
        ">forced",
        ">errors",
        ">in flight",
        ">ewma",
        ">success",
        ">load",
        ">regret",
    ]);
    for service in &services {
        let fair = 100.0 / service.replicas.len().max(1) as f64;
        for replica in &service.replicas {
            table.row([
                replica.instance.clone(),
                format!("{:.1}", share(service, replica) * 100.0),
                format!("{fair:.1}"),
                replica.picks.to_string(),
                replica.forced.to_string(),
                replica.errors.to_string(),
                format!("{:.0}", replica.inflight),
                brief(replica.ewma_ns as u64),
                format!("{:.0}", replica.success),
                format!("{:.0}", replica.load),
                brief(replica.regret_ns),
            ]);
        }
    }
    table.print();
    Ok(Exit::Ok)
}

/// Share of the service's picks that a replica got, 0 to 1.
fn share(service: &BalancedService, replica: &Replica) -> f64 {
    let picks: u64 = service.replicas.iter().map(|replica| replica.picks).sum();
    if picks == 0 { 0.0 } else { replica.picks as f64 / picks as f64 }
}

fn document(service: &BalancedService) -> serde_json::Value {
    let replicas: Vec<_> = service
        .replicas
        .iter()
        .map(|replica| {
            json!({
                "instance": replica.instance,
                "address": replica.address,
                "share": share(service, replica),
                "picks": replica.picks,
                "forced": replica.forced,
                "errors": replica.errors,
                "regret_ns": replica.regret_ns,
                "inflight": replica.inflight,
                "ewma_ns": replica.ewma_ns,
                "success": replica.success,
                "load": replica.load,
            })
        })
        .collect();
    json!({ "service": service.service, "replicas": replicas })
}
