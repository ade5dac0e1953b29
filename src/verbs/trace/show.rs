//! `mallctl trace show`

use std::collections::HashMap;

use collector_api::console::attribute::Value as Any;
use collector_api::console::{Attribute, GetSpansRequest, GetTraceRequest, ListTracesRequest, SpanDetail, Trace};
use serde_json::{Map, Value, json};

use super::hex;
use crate::cli;
use crate::duration::brief;
use crate::exit::{Exit, Failure, Outcome};
use crate::hint;
use crate::output::{self, SCHEMA};
use crate::stack::client::{Client, failure};
use crate::verbs::collector;

/// Columns of the bars in the waterfall.
const BAR: u64 = 40;

/// Prints one trace.
pub async fn run(source: &cli::Source, id: &str, json: bool) -> Outcome {
    let client = collector(source).await?;
    let trace_id = resolve(&client, id, &hint::asking(source, "trace list")).await?;
    let request = GetTraceRequest { trace_id: trace_id.clone(), at_ns: 0 };
    let trace = client.console().get_trace(request).await.map_err(|s| failure(&s))?.into_inner();
    let request = GetSpansRequest { trace_id, span_id: Vec::new() };
    let spans = client.console().get_spans(request).await.map_err(|s| failure(&s))?.into_inner().spans;
    if !json {
        output::line(&text(&trace, &spans));
        return Ok(Exit::Ok);
    }
    output::json(&document(&trace, &spans))?;
    Ok(Exit::Ok)
}

/// A whole identity, the beginning of one, or `latest`.
async fn resolve(client: &Client, id: &str, list: &str) -> Result<Vec<u8>, Failure> {
    let is_hex = !id.is_empty() && id.len() <= 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if id != "latest" && !is_hex {
        return Err(
            Failure::usage(format!("'{id}' is no trace identity")).mend("write up to 32 hexadecimal digits, or latest")
        );
    }
    if id.len() == 32 {
        let number = u128::from_str_radix(id, 16)
            .map_err(|error| Failure::usage(format!("'{id}' is no trace identity")).because(error))?;
        return Ok(number.to_be_bytes().to_vec());
    }
    let limit = if id == "latest" { 1 } else { 1_000 };
    let request = ListTracesRequest { limit, ..ListTracesRequest::default() };
    let traces = client.console().list_traces(request).await.map_err(|s| failure(&s))?.into_inner().traces;
    let wanted = if id == "latest" { String::new() } else { id.to_ascii_lowercase() };
    let mut matching = traces.into_iter().map(|trace| trace.trace_id).filter(|known| hex(known).starts_with(&wanted));
    match (matching.next(), matching.next()) {
        (Some(found), None) => Ok(found),
        (None, _) => Err(Failure::usage(format!("no trace begins with '{id}' among the newest 1,000"))
            .mend(format!("{list} shows what is kept"))),
        (Some(_), Some(_)) => {
            Err(Failure::usage(format!("several traces begin with '{id}'")).mend("write more digits"))
        }
    }
}

fn word(trace: &Trace, index: Option<&u32>) -> String {
    index.and_then(|index| trace.strings.get(*index as usize)).cloned().unwrap_or_default()
}

/// The waterfall: what ran where and when, the critical path in full blocks, and which spans of other traces led to one.
fn text(trace: &Trace, details: &[SpanDetail]) -> String {
    let id = hex(&trace.trace_id);
    let services: std::collections::BTreeSet<_> = trace.service.iter().collect();
    let mut lines = vec![format!(
        "trace {id}   {}   {} spans   {} service{}{}",
        brief(trace.duration_ns),
        trace.span_id.len(),
        services.len(),
        if services.len() == 1 { "" } else { "s" },
        if trace.complete { "" } else { "   incomplete" }
    )];
    let width = (0..trace.span_id.len())
        .map(|row| {
            trace.depth.get(row).map_or(0, |depth| *depth as usize)
                + word(trace, trace.operation.get(row)).chars().count()
        })
        .max()
        .unwrap_or(0)
        .min(56);
    for row in 0..trace.span_id.len() {
        let depth = trace.depth.get(row).map_or(0, |depth| *depth as usize);
        let operation: String =
            format!("{}{}", " ".repeat(depth), word(trace, trace.operation.get(row))).chars().take(width).collect();
        let instance = word(trace, trace.instance.get(row));
        let place = if instance.is_empty() { word(trace, trace.service.get(row)) } else { instance };
        let duration = trace.span_duration_ns.get(row).copied().unwrap_or(0);
        let is_error = trace.flags.get(row).is_some_and(|flags| flags >> 3 & 3 == 2);
        lines.push(format!(
            "{place:<14} {operation:<width$} {:>9} {} {}",
            brief(duration),
            bar(trace, row, duration),
            if is_error { "error" } else { "" }
        ));
        let note = word(trace, trace.note.get(row));
        if !note.is_empty() {
            lines.push(format!("{:<14} {}  {note}", "", " ".repeat(depth)));
        }
        let span_id = trace.span_id.get(row).copied().unwrap_or(0);
        for link in details.iter().filter(|detail| detail.span_id == span_id).flat_map(|detail| &detail.links) {
            let linked = format!("linked to trace {} span {:016x}", hex(&link.trace_id), link.span_id);
            lines.push(format!("{:<14} {}  {linked}", "", " ".repeat(depth)));
        }
    }
    lines.extend(trace.warnings.iter().map(|warning| format!("! {warning}")));
    let clean = |line: &String| collector_api::text::clean(line.trim_end()).into_owned();
    lines.iter().map(clean).collect::<Vec<_>>().join("\n")
}

fn bar(trace: &Trace, row: usize, duration: u64) -> String {
    let whole = trace.duration_ns.max(1);
    let start = trace.start_ns.get(row).copied().unwrap_or(0).clamp(0, whole as i64) as u64;
    let column = |at: u64| (u128::from(at) * u128::from(BAR) / u128::from(whole)).min(u128::from(BAR)) as usize;
    let from = column(start).min(BAR as usize - 1);
    let to = column(start.saturating_add(duration)).max(from + 1);
    let on_path = trace.on_path_ns.get(row).is_some_and(|on_path| *on_path > 0);
    let glyph = if on_path { "█" } else { "─" };
    format!("{}{}{}", " ".repeat(from), glyph.repeat(to - from), " ".repeat(BAR as usize - to))
}

fn document(trace: &Trace, details: &[SpanDetail]) -> Value {
    let by_id: HashMap<(u64, &str), &SpanDetail> =
        details.iter().map(|detail| ((detail.span_id, detail.service.as_str()), detail)).collect();
    let spans: Vec<Value> = trace
        .span_id
        .iter()
        .enumerate()
        .map(|(row, span_id)| {
            let service = word(trace, trace.service.get(row));
            let detail = by_id.get(&(*span_id, service.as_str())).copied();
            span(trace, row, *span_id, &service, detail)
        })
        .collect();
    let path: Vec<Value> = trace
        .critical_path
        .iter()
        .map(|section| {
            let span_id = trace.span_id.get(section.row as usize).copied().unwrap_or(0);
            json!({ "span_id": format!("{span_id:016x}"), "from_ns": section.from_ns, "to_ns": section.to_ns })
        })
        .collect();
    json!({
        "schema": SCHEMA,
        "trace_id": hex(&trace.trace_id),
        "start_ns": trace.start_unix_ns,
        "duration_ns": trace.duration_ns,
        "complete": trace.complete,
        "spans": spans,
        "critical_path": path,
        "warnings": trace.warnings,
    })
}

fn span(trace: &Trace, row: usize, span_id: u64, service: &str, detail: Option<&SpanDetail>) -> Value {
    let parent = trace.parent_id.get(row).copied().filter(|parent| *parent != 0);
    let offset = trace.start_ns.get(row).copied().unwrap_or(0);
    let start = trace.start_unix_ns.saturating_add_signed(offset);
    let duration = trace.span_duration_ns.get(row).copied().unwrap_or(0);
    json!({
        "span_id": format!("{span_id:016x}"),
        "parent_id": parent.map(|parent| format!("{parent:016x}")),
        "service": service,
        "instance": word(trace, trace.instance.get(row)),
        "operation": word(trace, trace.operation.get(row)),
        "kind": detail.map(|detail| detail.kind.as_str()),
        "start_ns": start,
        "end_ns": start.saturating_add(duration),
        "status": detail.map(|detail| detail.status.as_str()),
        "status_message": detail.map(|detail| detail.status_message.as_str()),
        "attributes": detail.map(|detail| attributes(&detail.attributes)).unwrap_or_default(),
        "resource": detail.map(|detail| attributes(&detail.resource)).unwrap_or_default(),
        "events": detail.map(events).unwrap_or_default(),
        "links": detail.map(links).unwrap_or_default(),
        "self_ns": trace.self_ns.get(row).copied().unwrap_or(0),
        "on_critical_path_ns": trace.on_path_ns.get(row).copied().unwrap_or(0),
    })
}

fn events(detail: &SpanDetail) -> Vec<Value> {
    let event = |event: &collector_api::console::SpanEvent| json!({ "name": event.name, "t_ns": event.unix_ns, "attributes": attributes(&event.attributes) });
    detail.events.iter().map(event).collect()
}

fn links(detail: &SpanDetail) -> Vec<Value> {
    let link = |link: &collector_api::console::SpanLink| {
        json!({
            "trace_id": hex(&link.trace_id),
            "span_id": format!("{:016x}", link.span_id),
            "attributes": attributes(&link.attributes),
        })
    };
    detail.links.iter().map(link).collect()
}

fn attributes(attributes: &[Attribute]) -> Map<String, Value> {
    attributes
        .iter()
        .map(|attribute| {
            let value = match &attribute.value {
                Some(Any::Text(text)) => json!(text),
                Some(Any::Integer(integer)) => json!(integer),
                Some(Any::Number(number)) => json!(number),
                Some(Any::Flag(flag)) => json!(flag),
                Some(Any::Json(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
                None => Value::Null,
            };
            (attribute.key.clone(), value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use collector_api::console::SpanLink;

    use super::*;

    #[test]
    fn a_span_that_another_trace_led_to_says_so() {
        let link = SpanLink { trace_id: vec![0xab; 16], span_id: 0x12, attributes: Vec::new() };
        let detail = SpanDetail { span_id: 7, service: "order-rpc".into(), links: vec![link], ..SpanDetail::default() };
        let trace = Trace {
            trace_id: vec![1; 16],
            duration_ns: 5_000_000,
            complete: true,
            strings: vec![String::new(), "order-rpc".into(), "payments process".into()],
            span_id: vec![7],
            parent_id: vec![0],
            depth: vec![0],
            start_ns: vec![0],
            span_duration_ns: vec![5_000_000],
            service: vec![1],
            instance: vec![1],
            operation: vec![2],
            note: vec![0],
            ..Trace::default()
        };
        let shown = text(&trace, std::slice::from_ref(&detail));
        let linked = format!("linked to trace {} span 0000000000000012", "ab".repeat(16));
        assert!(shown.contains(&linked) && !shown.contains("incomplete"), "{shown}");
        let document = document(&trace, &[detail]);
        assert_eq!(document["spans"][0]["links"][0]["trace_id"], "ab".repeat(16));
    }
}
