//! The report for people: sentences where a sentence says it, tables where figures are compared.

use std::fmt::Write;

use collector_api::text::clean;

use super::{Facts, Report, attribution};
use crate::gate::Figure;
use crate::record::{Clocks, Latencies};

/// Parts of a cohort that are listed.
const PARTS: usize = 4;
/// Events that are listed.
const EVENTS: usize = 20;

pub fn write(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = sections(report, &mut out);
    out
}

fn sections(report: &Report, out: &mut String) -> std::fmt::Result {
    let facts = &report.facts;
    heading(report, out)?;
    requests(facts, out)?;
    latencies(facts, out)?;
    generator(facts, out)?;
    cohorts(facts, out)?;
    events(facts, out)?;
    gates(report, out)
}

fn heading(report: &Report, out: &mut String) -> std::fmt::Result {
    let facts = &report.facts;
    write!(out, "{} against {}: run {}", facts.scenario, facts.target, report.run_id)?;
    if !report.name.is_empty() {
        write!(out, " ({})", clean(&report.name))?;
    }
    writeln!(out, ", {:.1} s, seed {}", facts.duration.as_secs_f64(), facts.seed)?;
    if let Some(cut) = facts.cut {
        write!(out, "cut at {} s of {} s", cut.at.as_secs_f64(), cut.of.as_secs_f64())?;
        out.push_str(if facts.summary.is_empty() { "\n" } else { ": " });
    }
    if !facts.summary.is_empty() {
        writeln!(out, "{}", facts.summary)?;
    }
    if report.interrupted {
        writeln!(out, "The run was interrupted; what follows is what was done until then.")?;
    }
    if let Some(why) = &report.aborted {
        writeln!(out, "The run stopped itself: {why}.")?;
    }
    Ok(())
}

fn requests(facts: &Facts, out: &mut String) -> std::fmt::Result {
    let counts = &facts.totals.counts;
    let seconds = facts.duration.as_secs_f64().max(f64::EPSILON);
    writeln!(
        out,
        "\nrequests   {} sent ({:.1}/s), {} ok, {} failed, {} unexpected",
        counts.sent,
        counts.sent as f64 / seconds,
        counts.ok,
        counts.failed,
        counts.unexpected,
    )?;
    if counts.unsent > 0 {
        writeln!(out, "           {} connections refused: never sent, outside the join", counts.unsent)?;
    }
    for (outcome, count) in counts.by_outcome.iter().filter(|(outcome, _)| *outcome != "ok") {
        writeln!(out, "           {count:>8}  {outcome}")?;
    }
    match facts.join() {
        Some(join) => writeln!(
            out,
            "join       {} joined of {} sampled of {} sent ({:.3} %), {} late, {} missing",
            join.joined,
            join.sampled,
            counts.sent,
            facts.join_rate().unwrap_or(0.0) * 100.0,
            join.late,
            join.missing + join.waiting,
        )?,
        None => writeln!(out, "join       unknown: no collector was asked")?,
    }
    if let Some(settled) = &facts.settled {
        for (place, count) in &counts.rejected_by_place {
            let ledger = settled.rejections_by_place.get(place).copied().unwrap_or(0);
            writeln!(out, "breakers   {count} rejections at place {place} seen by the client, {ledger} in the ledger")?;
        }
    }
    Ok(())
}

fn latencies(facts: &Facts, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "\n{:<24}{:>8} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "latency, ms", "count", "p50", "p90", "p99", "p99.9", "max"
    )?;
    clocks("all", &facts.totals.clocks, out)?;
    if facts.totals.steps.len() > 1 {
        for (name, of_step) in &facts.totals.steps {
            clocks(name, of_step, out)?;
        }
    }
    Ok(())
}

fn clocks(name: &str, clocks: &Clocks, out: &mut String) -> std::fmt::Result {
    let shortened: String = name.chars().take(12).collect();
    for (clock, latencies) in [("intended", &clocks.intended), ("service", &clocks.service), ("ttfb", &clocks.ttfb)] {
        let label = if clock == "intended" { shortened.as_str() } else { "" };
        write!(out, "  {label:<12} {clock:<9}{:>8}", latencies.count())?;
        for figure in [0.5, 0.9, 0.99, 0.999].map(Figure::Quantile).into_iter().chain([Figure::Max]) {
            write!(out, " {:>10}", millis(latencies, figure))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn millis(latencies: &Latencies, figure: Figure) -> String {
    latencies.figure_us(figure).map_or_else(|| "-".into(), |micros| format!("{:.2}", micros / 1e3))
}

fn generator(facts: &Facts, out: &mut String) -> std::fmt::Result {
    let seconds = facts.duration.as_secs_f64().max(f64::EPSILON);
    writeln!(
        out,
        "\ngenerator  {:.1}/s flow starts offered, {:.1}/s taken up, own lateness p99 {:.2} ms, {:.1} s processor time",
        facts.offered as f64 / seconds,
        facts.started as f64 / seconds,
        facts.totals.lag.quantile_us(0.99) as f64 / 1e3,
        facts.cpu_s,
    )?;
    match &facts.limited_because {
        Some(why) => writeln!(out, "           LIMITED: {why}; the latencies above are the generator's too")?,
        None => writeln!(out, "           not limited: it kept the schedule")?,
    }
    let host = facts.host;
    writeln!(
        out,
        "host       processors: load {:.0} %, shop {:.0} %, collector {:.0} %, console {:.0} %, stolen {:.1} %",
        host.loadgen * 100.0,
        host.shop * 100.0,
        host.collector * 100.0,
        host.console * 100.0,
        host.steal * 100.0,
    )?;
    if facts.spans_lost > 0 {
        writeln!(out, "           {} of the load tool's own spans were lost", facts.spans_lost)?;
    }
    for caveat in facts.settled.iter().flat_map(|settled| &settled.caveats) {
        writeln!(out, "note       {caveat}")?;
    }
    Ok(())
}

fn cohorts(facts: &Facts, out: &mut String) -> std::fmt::Result {
    let Some(settled) = facts.settled.as_ref().filter(|settled| settled.cohorts.iter().any(|group| group.count > 0))
    else {
        return Ok(());
    };
    writeln!(out, "\nwhere the time went (mean of the requests in each part of the latency distribution)")?;
    for cohort in settled.cohorts.iter().filter(|group| group.count > 0) {
        let attribution = attribution::of(cohort);
        let mean_ms = attribution.mean_us as f64 / 1e3;
        writeln!(out, "  {:<10} {:>8} requests {:>10.2} ms", attribution.cohort, attribution.count, mean_ms)?;
        for part in attribution.parts.iter().take(PARTS).filter(|part| part.us > 0) {
            let share = part.us as f64 / attribution.mean_us.max(1) as f64 * 100.0;
            let whose = if part.instance.is_empty() { &part.service } else { &part.instance };
            let what = format!("{} {}", clean(whose), clean(&part.operation));
            writeln!(out, "    {share:>5.1} % {:>9.2} ms  {:<8} {what}", part.us as f64 / 1e3, part.kind)?;
        }
    }
    Ok(())
}

fn events(facts: &Facts, out: &mut String) -> std::fmt::Result {
    for fault in &facts.faults {
        if let Err(why) = &fault.outcome {
            writeln!(out, "\nfault `{}` was not injected: {why}", fault.spec)?;
        }
    }
    // What the load itself did is in the heading and the schedule.
    let others = facts.settled.iter().flat_map(|settled| &settled.events).filter(|event| event.kind != "load");
    let others: Vec<_> = others.collect();
    if others.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nevents")?;
    for event in others.iter().take(EVENTS) {
        let at = (event.begins_unix_ns as f64 - facts.started_unix_ns as f64) / 1e9;
        let whose = if event.service.is_empty() { &event.target } else { &event.service };
        let length = match event.ends_unix_ns.checked_sub(event.begins_unix_ns) {
            // An alert that is over says in its own words how long it lasted.
            _ if event.kind == "alert" => String::new(),
            Some(length) if event.ends_unix_ns > 0 && length > 0 => format!(" for {:.1} s", length as f64 / 1e9),
            _ => String::new(),
        };
        // What names itself needs no name before it.
        let whose = if event.detail.starts_with(whose.as_str()) { String::new() } else { format!("{} ", clean(whose)) };
        writeln!(out, "  {at:>7.1} s  {:<8} {whose}{}{length}", event.kind, clean(&event.detail))?;
    }
    if others.len() > EVENTS {
        writeln!(out, "  and {} more in run.json", others.len() - EVENTS)?;
    }
    Ok(())
}

fn gates(report: &Report, out: &mut String) -> std::fmt::Result {
    if report.gates.is_empty() {
        return Ok(());
    }
    writeln!(out, "\ngates")?;
    for result in &report.gates {
        let mark = if result.ok { "ok  " } else { "FAIL" };
        writeln!(out, "  {mark}  {:<44} observed {}", result.gate.expr, result.gate.text_of(result.observed))?;
    }
    Ok(())
}
