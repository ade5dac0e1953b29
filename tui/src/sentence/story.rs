//! The sentences themselves.

use std::collections::BTreeMap;

use super::cause::{self, ARROW};
use super::episode::Episode;
use super::{Sentence, Tone};
use crate::fmt;
use crate::model::data::{Data, SECOND_NS};

/// How long a recovery is worth a sentence.
const RECOVERY_S: u64 = 30;

/// Before there are requests to speak of.
pub fn start(data: &Data) -> Option<Sentence> {
    if let Some(run) = data.active_run().filter(|run| run.phase != "running") {
        let words = if run.detail.is_empty() { run.phase.clone() } else { run.detail.clone() };
        return Some(Sentence::new(Tone::Calm, words));
    }
    if data.seconds.entry(0..=data.head_s()).count() > 0 {
        return None;
    }
    if let Some(status) = data.status.as_ref().filter(|_| data.processes().is_some()) {
        let words = if status.ready {
            format!("ready in {:.2} s; no requests yet", status.ready_ms as f64 / 1e3)
        } else {
            format!(
                "{}: {} of {} processes ready",
                status.phase,
                data.processes().unwrap_or_default().0,
                data.processes().unwrap_or_default().1
            )
        };
        return Some(Sentence::new(Tone::Calm, words));
    }
    if data.hello.otlp_grpc.is_empty() {
        return Some(Sentence::default());
    }
    let connections = data.receiver.grpc_connections + data.receiver.http_connections;
    let words = format!(
        "listening {} (gRPC) and {} (HTTP), {connections} connections, {} spans",
        data.hello.otlp_grpc,
        data.hello.otlp_http,
        fmt::count(data.receiver.spans)
    );
    Some(Sentence::new(Tone::Calm, words))
}

/// A breaker drops calls now.
pub fn breaker(data: &Data, errors: Option<&Episode>) -> Option<Sentence> {
    #[derive(Default)]
    struct Ledger {
        all: u64,
        rejected: u64,
        ratio: f64,
        drops_now: bool,
    }
    let head = data.head_s();
    let mut ledgers: BTreeMap<(&str, &str), Ledger> = BTreeMap::new();
    for second in data.seconds.range(data.window()) {
        for cell in &second.breakers {
            let ledger = ledgers.entry((&cell.place, &cell.name)).or_default();
            ledger.all += cell.ok + cell.failed + cell.rejected;
            ledger.rejected += cell.rejected;
            if second.unix_s + 3 > head {
                ledger.ratio = ledger.ratio.max(cell.ratio);
                ledger.drops_now |= cell.ratio > 0.0 || cell.rejected > 0;
            }
        }
    }
    let ((place, name), ledger) = ledgers
        .into_iter()
        .filter(|(_, ledger)| ledger.drops_now)
        .max_by_key(|((place, _), ledger)| (ledger.rejected, *place == "client"))?;
    let since = breaker_since(data, place, name, head);
    let mut first = format!(
        "{place} breaker {name} throttles since {}: drop {}, {} of {} rejected in 10 s",
        fmt::clock(since),
        fmt::percent(ledger.ratio.max(0.0)),
        fmt::count(ledger.rejected),
        fmt::count(ledger.all)
    );
    let began = errors.filter(|episode| episode.to_s.is_none()).map_or(since, |episode| episode.from_s.min(since));
    if let Some(when) = cause::coincidence(data, began).or_else(|| cause::coincidence(data, since)) {
        first.push_str(", ");
        first.push_str(&when);
    }
    let failing = data.seconds.entry(data.window()).error_ratio();
    let clause = (failing > 0.0).then(|| format!("{} of requests fail", fmt::percent1(failing)));
    Some(Sentence::new(Tone::Warn, first).with(clause))
}

/// The first second of the last stretch in which a breaker dropped; pauses up to five seconds belong to it.
fn breaker_since(data: &Data, place: &str, name: &str, head: u64) -> u64 {
    let mut since = head;
    for second in data.seconds.range(head.saturating_sub(300)..=head).rev() {
        let drops = second
            .breakers
            .iter()
            .any(|cell| cell.place == place && cell.name == name && (cell.ratio > 0.0 || cell.rejected > 0));
        if drops {
            since = second.unix_s;
        } else if second.unix_s + 5 < since {
            break;
        }
    }
    since
}

/// More requests fail than usual.
pub fn failing(data: &Data, episode: Option<&Episode>) -> Option<Sentence> {
    let episode = episode.filter(|episode| episode.to_s.is_none())?;
    let mut first = format!(
        "errors {:.1} {ARROW} {} at {}",
        episode.before * 100.0,
        fmt::percent1(episode.during),
        fmt::clock(episode.from_s)
    );
    if let Some(when) = cause::coincidence(data, episode.from_s) {
        first = format!("{first}, {when}");
    }
    let skew = cause::telling_skew(data, episode.from_s);
    let replica = cause::failing_replica(data, Some(episode.from_s));
    let clause = match (replica, skew) {
        (Some((instance, own)), Some(skew)) if skew.instance == instance && skew.share > skew.fair => Some(format!(
            "{instance} fails {} and gets {} of picks (fair {}), no breaker trips",
            fmt::percent(own),
            fmt::percent(skew.share),
            fmt::percent(skew.fair)
        )),
        (Some((instance, own)), _) => Some(format!("{instance} fails {} of its calls", fmt::percent(own))),
        (None, Some(skew)) => Some(skew.words()),
        (None, None) => None,
    };
    Some(Sentence::new(Tone::Error, first).with(cause::refusing(data)).with(clause))
}

/// Successful requests are slower than usual.
pub fn slow(data: &Data, episode: Option<&Episode>) -> Option<Sentence> {
    let episode = episode.filter(|episode| episode.to_s.is_none())?;
    let mut first = format!("{} at {}", p99(episode.before, episode.during), fmt::clock(episode.from_s));
    if let Some(when) = cause::coincidence(data, episode.from_s) {
        first = format!("{first}, {when}");
    }
    let skew = cause::telling_skew(data, episode.from_s).filter(|skew| skew.share < skew.fair).map(|skew| skew.words());
    Some(Sentence::new(Tone::Warn, first).with(cause::slowest(data)).with(skew))
}

/// `p99 44 -> 412 ms`: one unit when both share it.
fn p99(before: f64, after: f64) -> String {
    let (before, after) = (fmt::micros(before as u64), fmt::micros(after as u64));
    match (before.rsplit_once(' '), after.rsplit_once(' ')) {
        (Some((number, unit)), Some((_, other))) if unit == other => format!("p99 {number} {ARROW} {after}"),
        _ => format!("p99 {before} {ARROW} {after}"),
    }
}

/// It was slow or failing until a moment ago.
pub fn recovered(data: &Data, latency: Option<&Episode>, errors: Option<&Episode>) -> Option<Sentence> {
    let head = data.head_s();
    let over = |episode: Option<&Episode>| {
        episode.copied().filter(|episode| episode.to_s.is_some_and(|to| to + RECOVERY_S >= head))
    };
    let (latency, errors) = (over(latency), over(errors));
    let end = latency.iter().chain(&errors).filter_map(|episode| episode.to_s).max()? + 1;
    let now = data.seconds.entry(end..=head);
    if now.count() == 0 {
        return None;
    }
    let mut parts = Vec::new();
    if let Some(episode) = errors {
        parts.push(format!("errors {:.1} {ARROW} {}", episode.during * 100.0, fmt::percent1(now.error_ratio())));
    }
    if let Some(episode) = latency {
        parts.push(p99(episode.during, now.ok.quantile_us(0.99).unwrap_or(0) as f64));
    }
    let mut first = format!("recovered at {}: {}", fmt::clock(end), parts.join(", "));
    if let Some(after) = cause::ended(data, end) {
        first = format!("{first}, {after}");
    }
    // A balancer may hide a fault that is still there.
    let (fault, skew) = in_force(data);
    Some(Sentence::new(Tone::Good, first).with(fault).with(skew))
}

/// The newest fault in force in words, and the share of picks that tells of it.
fn in_force(data: &Data) -> (Option<String>, Option<String>) {
    let Some(event) = data.faults().last() else { return (None, None) };
    let left = event.ends_unix_ns.saturating_sub(data.now_ns) / SECOND_NS;
    let words = format!("fault '{}' in force, {left} s left", cause::fault_label(event));
    let skew = cause::telling_skew(data, event.begins_unix_ns / SECOND_NS);
    (Some(words), skew.map(|skew| skew.words()))
}

/// Nothing changed.
pub fn calm(data: &Data) -> Sentence {
    let entry = data.seconds.entry(data.window());
    if entry.count() == 0 {
        return idle(data);
    }
    let errors = match entry.failed.count() {
        0 => "0 errors".to_owned(),
        failed => format!("{} errors ({})", fmt::count(failed), fmt::percent1(entry.error_ratio())),
    };
    let p99 = entry
        .ok
        .quantile_us(0.99)
        .map_or_else(|| "none succeeds".to_owned(), |p99| format!("p99 {}", fmt::micros(p99)));
    let words = format!("steady: {p99}, {errors}, n={} in 10 s", fmt::count(entry.count()));
    let (fault, skew) = in_force(data);
    let changed = || cause::telling_skew(data, *data.window().start()).map(|skew| skew.words());
    let skew = if fault.is_some() { skew } else { changed() };
    Sentence::new(Tone::Calm, words).with(fault).with(skew)
}

fn idle(data: &Data) -> Sentence {
    let done = data.current_run().filter(|run| run.ended_unix_ns != 0).map(|run| {
        let join = run.join.clone().unwrap_or_default();
        format!(
            "run {} done: {} requests, {} failed, joined {} of {} sampled{}",
            run.scenario,
            fmt::count(run.sent),
            fmt::count(run.failed),
            fmt::count(join.joined),
            fmt::count(join.sampled),
            if run.generator_limited { ", generator limited" } else { "" }
        )
    });
    let quiet = || {
        let last = data
            .seconds
            .range(0..=data.head_s())
            .rev()
            .find(|second| second.entry_ok.count() + second.entry_failed.count() > 0);
        let since = last.map_or(0, |second| data.head_s().saturating_sub(second.unix_s));
        format!("quiet: no requests for {}", fmt::seconds(since))
    };
    Sentence::new(Tone::Calm, done.unwrap_or_else(quiet))
}
