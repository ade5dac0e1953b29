//! From the wire to the model: every string is made safe to print here, once, and nowhere later.

use std::collections::HashMap;

use collector_api::console as wire;
use collector_api::sketch::Sketch;
use collector_api::text;
use mall_api::control;

use super::seconds::{RunCell, Second, ServiceCell};

/// Longest text that is kept of any field, bytes.
const MAX_TEXT: usize = 4_096;

/// Makes one string safe to print and bounded.
pub fn tidy(value: &mut String) {
    let (cut, was_cut) = text::truncate(value, MAX_TEXT);
    if was_cut {
        *value = cut.to_owned();
    }
    if value.chars().any(text::is_unsafe) {
        *value = text::clean(value).into_owned();
    }
}

fn tidied(mut value: String) -> String {
    tidy(&mut value);
    value
}

fn tidy_keys<V>(map: &mut HashMap<String, V>) {
    if map.keys().any(|key| key.chars().any(text::is_unsafe)) {
        *map = map.drain().map(|(key, value)| (tidied(key), value)).collect();
    }
}

fn tidy_map(map: &mut HashMap<String, String>) {
    tidy_keys(map);
    map.values_mut().for_each(tidy);
}

fn sketch(wire: Option<&wire::Sketch>) -> Sketch {
    wire.map(Sketch::from).unwrap_or_default()
}

/// One second.
pub fn second(wire: wire::Second) -> Second {
    let services = wire.services.into_iter().map(|cell| ServiceCell {
        service: tidied(cell.service),
        instance: tidied(cell.instance),
        requests: cell.requests,
        errors: cell.errors,
        latency: sketch(cell.latency.as_ref()),
    });
    let run = wire.run.map(|mut counts| {
        tidy(&mut counts.run_id);
        tidy_keys(&mut counts.outcomes);
        RunCell {
            intended: sketch(counts.intended.take().as_ref()),
            service: sketch(counts.service.take().as_ref()),
            ttfb: sketch(counts.ttfb.take().as_ref()),
            counts,
        }
    });
    let mut balance = wire.balance;
    for cell in &mut balance {
        tidy(&mut cell.service);
        tidy(&mut cell.instance);
    }
    let mut breakers = wire.breakers;
    for cell in &mut breakers {
        [&mut cell.place, &mut cell.caller, &mut cell.name].into_iter().for_each(tidy);
        cell.ratio = finite(cell.ratio);
    }
    Second {
        unix_s: wire.unix_s,
        services: services.collect(),
        entry_ok: sketch(wire.entry_ok.as_ref()),
        entry_failed: sketch(wire.entry_failed.as_ref()),
        run,
        balance,
        breakers,
    }
}

/// A figure that can be drawn: NaN and infinities are 0.
pub fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { 0.0 }
}

/// The collector's introduction.
pub fn hello(mut hello: wire::HelloReply) -> wire::HelloReply {
    [&mut hello.version, &mut hello.stack, &mut hello.otlp_grpc, &mut hello.otlp_http].into_iter().for_each(tidy);
    hello.reachable.iter_mut().for_each(tidy);
    hello
}

/// An event.
pub fn event(mut event: wire::Event) -> wire::Event {
    [&mut event.kind, &mut event.service, &mut event.target, &mut event.detail, &mut event.run_id]
        .into_iter()
        .for_each(tidy);
    tidy_map(&mut event.fields);
    event
}

/// An alert.
pub fn alert(mut alert: wire::Alert) -> wire::Alert {
    [&mut alert.name, &mut alert.severity, &mut alert.expression, &mut alert.summary].into_iter().for_each(tidy);
    tidy_map(&mut alert.labels);
    alert.value = finite(alert.value);
    alert
}

/// A load run.
pub fn run(mut run: wire::Run) -> wire::Run {
    [&mut run.run_id, &mut run.scenario, &mut run.name, &mut run.phase, &mut run.detail].into_iter().for_each(tidy);
    if let Some(join) = &mut run.join {
        tidy_keys(&mut join.reasons);
    }
    run.target_rate = finite(run.target_rate);
    run
}

/// What the receiver counted.
pub fn receiver(mut stats: wire::ReceiverStats) -> wire::ReceiverStats {
    tidy(&mut stats.last_error);
    tidy_keys(&mut stats.refused_by_reason);
    tidy_keys(&mut stats.dropped_by_exporter);
    stats
}

/// A row of the list of traces.
pub fn summary(mut summary: wire::TraceSummary) -> wire::TraceSummary {
    tidy(&mut summary.root_service);
    tidy(&mut summary.root_operation);
    summary.marks.iter_mut().for_each(tidy);
    summary
}

/// Where the time of a cohort went.
pub fn cohort(mut cohort: wire::Cohort) -> wire::Cohort {
    tidy(&mut cohort.name);
    for segment in &mut cohort.segments {
        [&mut segment.service, &mut segment.operation, &mut segment.instance, &mut segment.kind]
            .into_iter()
            .for_each(tidy);
    }
    cohort
}

/// Balance by service.
pub fn balance(mut reply: wire::BalanceReply) -> Vec<wire::BalancedService> {
    for service in &mut reply.services {
        tidy(&mut service.service);
        for replica in &mut service.replicas {
            tidy(&mut replica.instance);
            tidy(&mut replica.address);
            for figure in [&mut replica.inflight, &mut replica.ewma_ns, &mut replica.success, &mut replica.load] {
                *figure = finite(*figure);
            }
        }
    }
    reply.services
}

/// Breakers.
pub fn breakers(mut reply: wire::BreakersReply) -> Vec<wire::Breaker> {
    for breaker in &mut reply.breakers {
        [&mut breaker.place, &mut breaker.caller, &mut breaker.name].into_iter().for_each(tidy);
        tidy_keys(&mut breaker.last_errors);
        for figure in [&mut breaker.accepts, &mut breaker.total, &mut breaker.weight, &mut breaker.ratio] {
            *figure = finite(*figure);
        }
        breaker.series.iter_mut().for_each(|value| *value = finite(*value));
    }
    reply.breakers
}

/// Shedders and limits.
pub fn refusals(mut reply: wire::RefusalsReply) -> wire::RefusalsReply {
    for shedder in &mut reply.shedders {
        [&mut shedder.service, &mut shedder.instance, &mut shedder.place].into_iter().for_each(tidy);
        let gauges = [&mut shedder.cpu, &mut shedder.cpu_threshold, &mut shedder.flying, &mut shedder.avg_flying];
        gauges.into_iter().chain([&mut shedder.limit]).for_each(|gauge| *gauge = finite(*gauge));
    }
    for limit in &mut reply.limits {
        [&mut limit.service, &mut limit.instance, &mut limit.name, &mut limit.per].into_iter().for_each(tidy);
    }
    reply
}

/// A service whose spans do not show everything.
pub fn coverage(mut coverage: wire::Coverage) -> wire::Coverage {
    tidy(&mut coverage.service);
    coverage.ratio = finite(coverage.ratio);
    coverage
}

/// Operations and edges.
pub fn services(mut reply: wire::ServicesReply) -> wire::ServicesReply {
    for operation in &mut reply.operations {
        [&mut operation.service, &mut operation.operation, &mut operation.kind].into_iter().for_each(tidy);
    }
    for edge in &mut reply.edges {
        [&mut edge.caller, &mut edge.callee, &mut edge.kind].into_iter().for_each(tidy);
    }
    reply
}

/// A trace without its attributes.
pub fn trace(mut trace: wire::Trace) -> wire::Trace {
    trace.strings.iter_mut().for_each(tidy);
    trace.warnings.iter_mut().for_each(tidy);
    trace
}

fn attributes(attributes: &mut [wire::Attribute]) {
    for attribute in attributes {
        tidy(&mut attribute.key);
        if let Some(wire::attribute::Value::Text(text) | wire::attribute::Value::Json(text)) = &mut attribute.value {
            tidy(text);
        }
    }
}

/// A span with everything it carries.
pub fn span(mut span: wire::SpanDetail) -> wire::SpanDetail {
    [
        &mut span.service,
        &mut span.instance,
        &mut span.operation,
        &mut span.kind,
        &mut span.status,
        &mut span.status_message,
        &mut span.scope,
    ]
    .into_iter()
    .for_each(tidy);
    attributes(&mut span.attributes);
    attributes(&mut span.resource);
    for event in &mut span.events {
        tidy(&mut event.name);
        attributes(&mut event.attributes);
    }
    for link in &mut span.links {
        attributes(&mut link.attributes);
    }
    span
}

/// A log record.
pub fn log(mut record: wire::LogRecord) -> wire::LogRecord {
    [&mut record.service, &mut record.instance, &mut record.severity_text, &mut record.body].into_iter().for_each(tidy);
    attributes(&mut record.attributes);
    record
}

/// The shop's processes.
pub fn status(mut status: control::StatusReply) -> control::StatusReply {
    [&mut status.stack, &mut status.policy, &mut status.mode, &mut status.phase].into_iter().for_each(tidy);
    for process in &mut status.processes {
        [&mut process.role, &mut process.state, &mut process.listen, &mut process.last_log, &mut process.last_exit]
            .into_iter()
            .for_each(tidy);
    }
    for fault in &mut status.faults {
        [&mut fault.id, &mut fault.kind, &mut fault.target].into_iter().for_each(tidy);
        tidy_map(&mut fault.params);
    }
    if let Some(addresses) = &mut status.addresses {
        [&mut addresses.gateway, &mut addresses.otlp_grpc, &mut addresses.otlp_http, &mut addresses.console]
            .into_iter()
            .for_each(tidy);
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_an_escape_sequence_arrives_harmless() {
        let wire = wire::Second {
            services: vec![wire::ServiceCell { service: "pay\x1b[2J".to_owned(), ..Default::default() }],
            breakers: vec![wire::BreakerCell { ratio: f64::NAN, ..Default::default() }],
            ..Default::default()
        };
        let second = second(wire);
        assert_eq!(second.services[0].service, "pay\\u{1b}[2J");
        assert!(second.breakers[0].ratio.abs() < f64::EPSILON);
    }

    #[test]
    fn long_text_is_bounded() {
        let mut value = "a".repeat(100_000);
        tidy(&mut value);
        assert_eq!(value.len(), MAX_TEXT);
    }
}
