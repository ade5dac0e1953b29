//! One flow start: its steps in order, each timed, judged, recorded and told.

use std::sync::atomic::Ordering;
use std::time::Instant;

use collector_api::history::{Kind, Record};
use goose::goose::{GooseRequest, GooseUser};
use http::{HeaderMap, HeaderValue};
use rand::Rng;
use serde_json::Value;

use super::call::{Call, failed, read, render};
use super::values::Context;
use super::{Bench, StepLabels};
use crate::outcome::{Answer, Verdict, judge};
use crate::pacer::Ticket;
use crate::record::Times;
use crate::scenario::Step;
use crate::spans::ClientSpan;

/// Identity of one request's trace.
struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    sampled: bool,
}

/// The instants of one request.
struct Instants {
    intended: Instant,
    sent: Instant,
    headers: Option<Instant>,
    done: Instant,
}

/// Works one ticket off. A step that fails ends the flow, because what follows would miss what it saves.
pub async fn work(user: &mut GooseUser, bench: &Bench, ticket: &Ticket) {
    let (Some(flow), Some(labels)) = (bench.scenario.flows.get(ticket.pick.flow), bench.labels.get(ticket.pick.flow))
    else {
        return;
    };
    let mut context = Context {
        tables: &bench.tables,
        rows: &ticket.pick.rows,
        shared: &bench.saved,
        saved: std::collections::BTreeMap::new(),
        seq: ticket.seq,
        sent: None,
    };
    let mut intended = ticket.intended;
    for (step, label) in flow.steps.iter().zip(&labels.steps) {
        let call = match render(step, &bench.base_url, &mut context) {
            Ok(call) => call,
            Err(why) => {
                // Preparation has checked every variable; only a value from an answer can be unfit here.
                tracing::warn!(step = step.name, why, "step cannot be sent");
                let verdict = Verdict { outcome: "check".into(), ..judge(&Answer::Unsent, &step.expect) };
                bench.recorder.request(
                    label.index,
                    &verdict,
                    false,
                    Times { intended_us: 0, service_us: 0, ttfb_us: None },
                );
                return;
            }
        };
        let outcome = request(user, bench, step, call, &mut context, intended).await;
        tell(bench, &labels.flow, step, label, &outcome);
        if !outcome.verdict.ok {
            return;
        }
        intended = outcome.instants.done;
    }
}

/// What is known of a request when it is over.
struct Finished {
    trace: TraceContext,
    path: String,
    answer: Answer,
    verdict: Verdict,
    instants: Instants,
}

async fn request(
    user: &mut GooseUser,
    bench: &Bench,
    step: &Step,
    mut call: Call,
    context: &mut Context<'_>,
    intended: Instant,
) -> Finished {
    let trace = TraceContext::random(bench.sample);
    if let Ok(value) = HeaderValue::from_str(&trace.traceparent()) {
        call.headers.insert("traceparent", value);
    }
    let path = call.url.get(bench.base_url.len()..).and_then(|path| path.split('?').next()).unwrap_or("/").to_owned();
    let operation = invoke(bench, step, &call.headers, context, &trace).await;
    let builder = call.builder(&user.client, &step.method, step.timeout.unwrap_or(bench.scenario.timeout));
    let request = GooseRequest::builder().name(step.name.as_str()).set_request_builder(builder).build();
    let needs_body = !step.save.is_empty() || step.record.is_some();

    let sent = Instant::now();
    let (answer, headers) = match user.request(request).await {
        Ok(goose) => {
            let headers = goose.response.is_ok().then(Instant::now);
            match goose.response {
                Err(error) => (failed(&error), headers),
                response => (read(response, needs_body).await, headers),
            }
        }
        // goose refuses only what never left: an address or a header that is none.
        Err(_) => (Answer::Unsent, None),
    };
    let instants = Instants { intended, sent, headers, done: Instant::now() };
    let mut verdict = judge(&answer, &step.expect);
    if verdict.ok && !save(step, &answer, context) {
        verdict = Verdict { outcome: "check".into(), ok: false, unexpected: true, ..verdict };
    }
    if let Some(record) = operation {
        end(bench, step, record, &answer, &verdict, bench.clock.unix_ns(instants.done)).await;
    }
    Finished { trace, path, answer, verdict, instants }
}

/// Keeps what later steps need; false when the answer does not hold it.
fn save(step: &Step, answer: &Answer, context: &mut Context<'_>) -> bool {
    step.save.iter().all(|(name, path)| {
        let Answer::Response { body: Some(body), .. } = answer else { return false };
        match path.text(body) {
            Some(value) => {
                context.saved.insert(name.clone(), value);
                true
            }
            None => false,
        }
    })
}

/// Notes that an operation is about to be sent; the returned record is completed by [`end`].
async fn invoke(
    bench: &Bench,
    step: &Step,
    headers: &HeaderMap,
    context: &mut Context<'_>,
    trace: &TraceContext,
) -> Option<Record> {
    let history = bench.history.as_ref()?;
    let record = step.record.as_ref()?;
    let mut sent = Context {
        tables: context.tables,
        rows: context.rows,
        shared: context.shared,
        saved: context.saved.clone(),
        seq: context.seq,
        sent: Some(headers),
    };
    let key = record.key.as_ref().and_then(|key| key.render(&mut sent).ok()).unwrap_or_default();
    let args =
        record.args.iter().filter_map(|(name, value)| Some((name.clone(), value.render(&mut sent).ok()?))).collect();
    let line = Record {
        run_id: bench.run_id.clone(),
        index: bench.operation.fetch_add(1, Ordering::Relaxed),
        kind: Kind::Invoke,
        op: record.op.clone(),
        key,
        args,
        result: std::collections::BTreeMap::new(),
        unix_ns: bench.clock.unix_ns(Instant::now()),
        trace_id: hex(&trace.trace_id),
        reason: String::new(),
    };
    history.append(line.clone()).await;
    Some(line)
}

/// Notes how an operation ended.
async fn end(bench: &Bench, step: &Step, invoked: Record, answer: &Answer, verdict: &Verdict, unix_ns: u64) {
    let (Some(history), Some(record)) = (&bench.history, &step.record) else { return };
    let mut result: std::collections::BTreeMap<String, Value> = std::collections::BTreeMap::new();
    if let (Kind::Ok | Kind::Info, Answer::Response { body: Some(body), .. }) = (verdict.kind, answer) {
        result.extend(record.result.iter().filter_map(|(name, path)| Some((name.clone(), path.get(body)?.clone()))));
    }
    let reason = if verdict.kind == Kind::Ok { String::new() } else { verdict.outcome.clone() };
    history.append(Record { kind: verdict.kind, result, unix_ns, reason, ..invoked }).await;
}

/// Counts the request, and exports its span when it is sampled and was sent.
fn tell(bench: &Bench, flow: &std::sync::Arc<str>, step: &Step, label: &StepLabels, finished: &Finished) {
    let Instants { intended, sent, headers, done } = finished.instants;
    let micros = |from: Instant, to: Instant| to.saturating_duration_since(from).as_micros() as u64;
    let times = Times {
        intended_us: micros(intended, done),
        service_us: micros(sent, done),
        ttfb_us: headers.map(|headers| micros(sent, headers)),
    };
    bench.recorder.request(label.index, &finished.verdict, finished.trace.sampled, times);
    let Some(spans) = bench.spans.as_ref().filter(|_| finished.trace.sampled && finished.verdict.sent) else { return };
    let status = match finished.answer {
        Answer::Response { status, .. } => Some(status),
        _ => None,
    };
    spans.send(ClientSpan {
        trace_id: finished.trace.trace_id,
        span_id: finished.trace.span_id,
        name: label.span.clone(),
        flow: flow.clone(),
        step: label.step.clone(),
        method: step.method.clone(),
        path: finished.path.clone(),
        intended_unix_ns: bench.clock.unix_ns(intended),
        start_unix_ns: bench.clock.unix_ns(sent),
        end_unix_ns: bench.clock.unix_ns(done),
        status,
        outcome: finished.verdict.outcome.clone(),
        ok: finished.verdict.ok,
    });
}

impl TraceContext {
    fn random(sample: f64) -> Self {
        let mut random = rand::rng();
        let sampled = sample >= 1.0 || random.random::<f64>() < sample;
        Self { trace_id: random.random(), span_id: random.random(), sampled }
    }

    fn traceparent(&self) -> String {
        format!("00-{}-{}-0{}", hex(&self.trace_id), hex(&self.span_id), u8::from(self.sampled))
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value)).map_or('0', |digit| char::from(*digit));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_follows_the_standard() {
        let trace = TraceContext { trace_id: [0xab; 16], span_id: [0x01; 8], sampled: true };
        assert_eq!(trace.traceparent(), format!("00-{}-{}-01", "ab".repeat(16), "01".repeat(8)));
        let unsampled = TraceContext { sampled: false, ..trace };
        assert!(unsampled.traceparent().ends_with("-00"));
    }
}
