//! `mallctl breaker`: every breaker's ledger.

use collector_api::console::{Breaker, BreakersRequest};
use serde_json::json;

use crate::cli;
use crate::exit::{Exit, Outcome};
use crate::output::{self, SCHEMA, Table};
use crate::stack::client::failure;

/// Prints the ledgers.
pub async fn run(args: cli::Window, json: bool) -> Outcome {
    let client = super::collector(&args.source).await?;
    let request = BreakersRequest { at_ns: 0, window_s: super::whole_seconds(args.window) };
    let breakers = client.console().get_breakers(request).await.map_err(|s| failure(&s))?.into_inner().breakers;
    if json {
        let documents: Vec<_> = breakers.iter().map(document).collect();
        output::json(&json!({ "schema": SCHEMA, "window_s": args.window.as_secs(), "breakers": documents }))?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&[
        "place",
        "caller",
        "breaker",
        ">ok",
        ">failed",
        ">rejected",
        ">drop %",
        ">accepted",
        ">total",
        ">trips",
    ]);
    for breaker in &breakers {
        table.row([
            breaker.place.clone(),
            breaker.caller.clone(),
            breaker.name.clone(),
            breaker.ok.to_string(),
            breaker.failed.to_string(),
            breaker.rejected.to_string(),
            // Below zero there is room before the first rejection; nothing is dropped there.
            format!("{:.1}", breaker.ratio.max(0.0) * 100.0),
            format!("{:.0}", breaker.accepts),
            format!("{:.0}", breaker.total),
            breaker.trips.to_string(),
        ]);
    }
    table.print();
    Ok(Exit::Ok)
}

fn document(breaker: &Breaker) -> serde_json::Value {
    json!({
        "place": breaker.place,
        "caller": breaker.caller,
        "name": breaker.name,
        "accepts": breaker.accepts,
        "total": breaker.total,
        "weight": breaker.weight,
        "ratio": breaker.ratio,
        "ok": breaker.ok,
        "failed": breaker.failed,
        "rejected": breaker.rejected,
        "trips": breaker.trips,
        "last_errors": breaker.last_errors,
    })
}
