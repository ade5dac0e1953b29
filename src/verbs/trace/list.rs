//! `mallctl trace list`

use collector_api::console::{ListTracesRequest, TraceOrder, TraceSummary};
use collector_api::kept;
use serde_json::json;

use super::hex;
use crate::duration::brief;
use crate::exit::{Exit, Outcome};
use crate::output::{self, SCHEMA, Table};
use crate::stack::client::{Client, failure};

/// Prints traces that match.
pub async fn run(client: &Client, query: &str, slowest: bool, limit: u32, json: bool) -> Outcome {
    let order = if slowest { TraceOrder::Slowest } else { TraceOrder::Newest };
    let request =
        ListTracesRequest { query: query.to_owned(), limit, order: order.into(), ..ListTracesRequest::default() };
    let reply = client.console().list_traces(request).await.map_err(|s| failure(&s))?.into_inner();
    let store = reply.store.unwrap_or_default();
    if json {
        let traces: Vec<_> = reply.traces.iter().map(document).collect();
        output::json(&json!({
            "schema": SCHEMA, "seen": reply.seen, "kept": reply.kept, "matched": reply.matched,
            "sampled_out": store.sampled_out_traces, "kept_by_reason": store.kept_by_reason, "traces": traces
        }))?;
        return Ok(Exit::Ok);
    }
    let mut table =
        Table::new(&["trace", "service", "operation", ">duration", ">spans", ">errors", ">services", "marks"]);
    for trace in &reply.traces {
        table.row([
            hex(&trace.trace_id),
            trace.root_service.clone(),
            trace.root_operation.clone(),
            brief(trace.duration_ns),
            trace.spans.to_string(),
            trace.errors.to_string(),
            trace.services.to_string(),
            trace.marks.join(" "),
        ]);
    }
    table.print();
    output::progress(&format!("{} of {} kept traces match, {} were seen", reply.matched, reply.kept, reply.seen));
    let kept = kept::sentence(&store);
    if !kept.is_empty() {
        output::progress(&kept);
    }
    Ok(Exit::Ok)
}

fn document(trace: &TraceSummary) -> serde_json::Value {
    json!({
        "trace_id": hex(&trace.trace_id),
        "root_service": trace.root_service,
        "root_operation": trace.root_operation,
        "start_ns": trace.start_unix_ns,
        "duration_ns": trace.duration_ns,
        "spans": trace.spans,
        "errors": trace.errors,
        "complete": trace.complete,
        "marks": trace.marks,
        "kept_because": trace.kept_because,
    })
}
