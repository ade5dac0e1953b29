//! `run.json`, schema 1. Its shape is documented in docs/scenarios.md and held still by a test.

use collector_api::console::{Event, RunSettled};
use serde_json::{Map, Value, json};

use super::{Facts, Report, attribution};
use crate::gate::Figure;
use crate::record::{Clocks, Latencies};

pub fn write(report: &Report) -> Value {
    let facts = &report.facts;
    let seconds = facts.duration.as_secs_f64().max(f64::EPSILON);
    json!({
        "schema": 1,
        "run_id": report.run_id,
        "name": report.name,
        "scenario": facts.scenario,
        "target": facts.target,
        "policy": facts.stack.as_ref().map(|stack| stack.policy.as_str()),
        "seed": facts.seed,
        "started_unix_ns": facts.started_unix_ns,
        "duration_s": thousandths(facts.duration.as_secs_f64()),
        "cut": facts.cut.map(|cut| json!({
            "at_s": thousandths(cut.at.as_secs_f64()),
            "of_s": thousandths(cut.of.as_secs_f64()),
        })),
        "interrupted": report.interrupted,
        "aborted": report.aborted,
        "requests": requests(facts),
        "join": join(facts),
        "latency_us": clocks(&facts.totals.clocks),
        "steps": facts.totals.steps.iter().map(|(name, of_step)| json!({
            "name": name,
            "requests": of_step.service.count(),
            "latency_us": clocks(of_step),
        })).collect::<Vec<_>>(),
        "offered_rate": thousandths(facts.offered as f64 / seconds),
        "achieved_rate": thousandths(facts.started as f64 / seconds),
        "generator": {
            "lag_p99_us": facts.totals.lag.quantile_us(0.99),
            "cpu_s": thousandths(facts.cpu_s),
            "limited": report.generator_limited,
            "limited_because": facts.limited_because,
        },
        "host": {
            "cpu_share": {
                "loadgen": thousandths(facts.host.loadgen),
                "collector": thousandths(facts.host.collector),
                "console": thousandths(facts.host.console),
                "shop": thousandths(facts.host.shop),
            },
            "steal": thousandths(facts.host.steal),
        },
        "attribution": facts.settled.as_ref().map_or_else(Vec::new, cohorts),
        "findings": [],
        "caveats": facts.settled.as_ref().map_or(&[][..], |settled| &settled.caveats),
        "events": events(facts),
        "gates": report.gates.iter().map(|result| json!({
            "expr": result.gate.expr,
            "observed": result.observed,
            "ok": result.ok,
            "exemplar_trace_id": Value::Null,
        })).collect::<Vec<_>>(),
        "spans": spans(facts),
        "alerts": alerts(facts),
        "processes": facts.stack.as_ref().map_or_else(Vec::new, |stack| stack.processes.iter().map(|process| json!({
            "role": process.role,
            "replica": process.replica,
            "rss_bytes": process.rss_bytes,
            "cpu_s": thousandths(process.cpu_s),
            "restarts": process.restarts,
        })).collect()),
    })
}

fn requests(facts: &Facts) -> Value {
    let counts = &facts.totals.counts;
    json!({
        "sent": counts.sent,
        "ok": counts.ok,
        "failed": counts.failed,
        "unexpected": counts.unexpected,
        "unsent": counts.unsent,
        "by_outcome": counts.by_outcome,
        "rejected_by_place": counts.rejected_by_place,
    })
}

fn join(facts: &Facts) -> Value {
    let sent = facts.totals.counts.sent;
    let Some(join) = facts.join() else {
        return json!({ "sent": sent, "sampled": facts.totals.counts.sampled, "joined": null, "missing": null,
            "late": null, "rate": null, "settle_s": null, "reasons": {} });
    };
    let reasons: Map<String, Value> =
        join.reasons.iter().map(|(reason, count)| (reason.clone(), (*count).into())).collect();
    let settle_s = facts.settled.as_ref().map_or(0.0, |settled| settled.settle_ns as f64 / 1e9);
    json!({
        "sent": sent,
        "sampled": join.sampled,
        "joined": join.joined,
        "missing": join.missing + join.waiting,
        "late": join.late,
        "rate": facts.join_rate().map(|rate| (rate * 1e6).floor() / 1e6),
        "settle_s": thousandths(settle_s),
        "reasons": reasons,
    })
}

fn clocks(clocks: &Clocks) -> Value {
    json!({ "intended": figures(&clocks.intended), "service": figures(&clocks.service), "ttfb": figures(&clocks.ttfb) })
}

fn figures(latencies: &Latencies) -> Value {
    let figure = |figure| latencies.figure_us(figure).map(|value| value.round() as u64);
    json!({
        "p50": figure(Figure::Quantile(0.5)),
        "p90": figure(Figure::Quantile(0.9)),
        "p99": figure(Figure::Quantile(0.99)),
        "p999": figure(Figure::Quantile(0.999)),
        "max": figure(Figure::Max),
        "mean": figure(Figure::Mean),
        "count": latencies.count(),
    })
}

fn cohorts(settled: &RunSettled) -> Vec<Value> {
    let cohort = |cohort| {
        let attribution = attribution::of(cohort);
        let segments: Vec<Value> = attribution
            .parts
            .iter()
            .map(|part| {
                json!({
                    "service": part.service,
                    "operation": part.operation,
                    "instance": part.instance,
                    "kind": part.kind,
                    "share": ratio(part.us, attribution.mean_us),
                    "us": part.us,
                })
            })
            .collect();
        json!({
            "cohort": attribution.cohort,
            "count": attribution.count,
            "mean_us": attribution.mean_us,
            "from_us": cohort.from_us,
            "to_us": cohort.to_us,
            "segments": segments,
        })
    };
    settled.cohorts.iter().filter(|group| group.count > 0).map(cohort).collect()
}

/// The collector's events; without a collector the faults that the run itself asked for.
fn events(facts: &Facts) -> Vec<Value> {
    match &facts.settled {
        Some(settled) => settled.events.iter().map(event).collect(),
        None => facts
            .faults
            .iter()
            .filter(|fault| fault.outcome.is_ok())
            .map(|fault| json!({ "t_ns": fault.unix_ns, "kind": "fault", "service": null, "target": null, "detail": fault.spec }))
            .collect(),
    }
}

fn event(event: &Event) -> Value {
    json!({
        "t_ns": event.begins_unix_ns,
        "ends_ns": if event.ends_unix_ns == 0 { Value::Null } else { event.ends_unix_ns.into() },
        "kind": event.kind,
        "service": event.service,
        "target": event.target,
        "detail": event.detail,
        "fields": event.fields.iter().collect::<std::collections::BTreeMap<_, _>>(),
    })
}

fn spans(facts: &Facts) -> Value {
    let own = json!({ "acknowledged": facts.spans_acknowledged, "lost": facts.spans_lost });
    match &facts.settled {
        Some(settled) => json!({
            "received": settled.spans_received,
            "stored": settled.spans_stored,
            "dropped": settled.spans_dropped,
            "orphan_traces": settled.orphan_traces,
            "client": own,
            "rejections_by_place": settled.rejections_by_place.iter().collect::<std::collections::BTreeMap<_, _>>(),
        }),
        None => json!({ "received": null, "stored": null, "dropped": null, "orphan_traces": null, "client": own }),
    }
}

fn alerts(facts: &Facts) -> Vec<Value> {
    let alerts = facts.settled.iter().flat_map(|settled| &settled.alerts);
    alerts
        .map(|alert| {
            json!({
                "name": alert.name,
                "state": alert.state().as_str_name().trim_start_matches("ALERT_STATE_").to_lowercase(),
                "severity": alert.severity,
                "labels": alert.labels.iter().collect::<std::collections::BTreeMap<_, _>>(),
                "active_ns": alert.active_unix_ns,
                "fired_ns": alert.fired_unix_ns,
                "resolved_ns": alert.resolved_unix_ns,
            })
        })
        .collect()
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 1e4).round() / 1e4 }
}

fn thousandths(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
