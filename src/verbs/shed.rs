//! `mallctl shed`: shedders and limits of every process.

use collector_api::console::{Limit, RefusalsReply, RefusalsRequest, Shedder};
use serde_json::json;

use crate::cli;
use crate::exit::{Exit, Outcome};
use crate::output::{self, SCHEMA, Table};
use crate::stack::client::failure;

/// Prints who refuses requests, and how near the others are to it.
pub async fn run(args: cli::Window, json: bool) -> Outcome {
    let client = super::collector(&args.source).await?;
    let request = RefusalsRequest { at_ns: 0, window_s: super::whole_seconds(args.window) };
    let reply = client.console().get_refusals(request).await.map_err(|s| failure(&s))?.into_inner();
    if json {
        let shedders: Vec<_> = reply.shedders.iter().map(shedder).collect();
        let limits: Vec<_> = reply.limits.iter().map(limit).collect();
        let window = args.window.as_secs();
        let document = json!({ "schema": SCHEMA, "window_s": window, "shedders": shedders, "limits": limits });
        output::json(&document)?;
        return Ok(Exit::Ok);
    }
    shedders(&reply).print();
    if !reply.limits.is_empty() {
        output::line("");
        limits(&reply).print();
    }
    Ok(Exit::Ok)
}

fn shedders(reply: &RefusalsReply) -> Table {
    let mut table = Table::new(&[
        "process",
        "shedder",
        ">cpu %",
        ">sheds from %",
        ">in flight",
        ">average",
        ">limit",
        ">passes",
        ">drops",
        ">drops in all",
    ]);
    for shedder in &reply.shedders {
        table.row([
            shedder.instance.clone(),
            shedder.place.clone(),
            format!("{:.1}", shedder.cpu / 10.0),
            format!("{:.1}", shedder.cpu_threshold / 10.0),
            format!("{:.0}", shedder.flying),
            format!("{:.1}", shedder.avg_flying),
            format!("{:.1}", shedder.limit),
            shedder.passes.to_string(),
            shedder.drops.to_string(),
            shedder.drops_total.to_string(),
        ]);
    }
    table
}

fn limits(reply: &RefusalsReply) -> Table {
    let mut table =
        Table::new(&["process", "limit", "per", ">passes", ">rejections", ">rescues", ">rejections in all"]);
    for limit in &reply.limits {
        table.row([
            limit.instance.clone(),
            limit.name.clone(),
            limit.per.clone(),
            limit.passes.to_string(),
            limit.rejections.to_string(),
            limit.rescues.to_string(),
            limit.rejections_total.to_string(),
        ]);
    }
    table
}

fn shedder(shedder: &Shedder) -> serde_json::Value {
    json!({
        "service": shedder.service,
        "instance": shedder.instance,
        "place": shedder.place,
        "cpu": shedder.cpu,
        "cpu_threshold": shedder.cpu_threshold,
        "flying": shedder.flying,
        "avg_flying": shedder.avg_flying,
        "limit": shedder.limit,
        "passes": shedder.passes,
        "drops": shedder.drops,
        "drops_total": shedder.drops_total,
    })
}

fn limit(limit: &Limit) -> serde_json::Value {
    json!({
        "service": limit.service,
        "instance": limit.instance,
        "name": limit.name,
        "per": limit.per,
        "passes": limit.passes,
        "rejections": limit.rejections,
        "rescues": limit.rescues,
        "rejections_total": limit.rejections_total,
    })
}
