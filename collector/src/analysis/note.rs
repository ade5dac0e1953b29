//! What the vocabulary's events say of a span, in one line and in one word.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use collector_api::vocabulary as words;

use crate::model::{Span, SpanEvent, Value};

/// Events that a note tells of; the rest is counted.
const TOLD: usize = 3;

/// Replicas by the address where they listen.
pub type Replicas = HashMap<Arc<str>, Arc<str>>;

/// Addresses that picks in spans chose between, as often as they did.
pub fn candidates<'a>(spans: impl IntoIterator<Item = &'a Span>) -> impl Iterator<Item = &'a str> {
    let picks = spans.into_iter().flat_map(|span| &span.events).filter(|event| &*event.name == words::P2C_PICK);
    picks.flat_map(|pick| {
        let keys = [words::P2C_A_TARGET, words::P2C_B_TARGET, words::P2C_CHOSEN];
        keys.into_iter().filter_map(|key| pick.get(key).and_then(Value::as_text))
    })
}

/// One line of what happened inside a span, `None` without vocabulary events. A replica is named where its address is
/// known; another address stays as it is.
pub fn note(span: &Span, replicas: &Replicas) -> Option<String> {
    let mut parts = span.events.iter().filter_map(|event| part(event, replicas));
    let mut line = parts.by_ref().take(TOLD).collect::<Vec<_>>().join(" · ");
    let untold = parts.count();
    if untold > 0 {
        let _ = write!(line, " · {untold} more");
    }
    (!line.is_empty()).then_some(line)
}

/// Kinds of remarkable events in spans, each once: `breaker`, `fault`, `limiter`, `shed`. Picks are not remarkable.
pub fn marks<'a>(spans: impl IntoIterator<Item = &'a Span>) -> Vec<&'static str> {
    let mut marks: Vec<&'static str> = spans.into_iter().flat_map(|span| &span.events).filter_map(mark).collect();
    marks.sort_unstable();
    marks.dedup();
    marks
}

fn mark(event: &SpanEvent) -> Option<&'static str> {
    match &*event.name {
        words::BREAKER_TRIPPED | words::BREAKER_REJECTED => Some("breaker"),
        words::FAULT_INJECTED => Some("fault"),
        words::LIMITER_REJECT => Some("limiter"),
        words::SHED_DROP => Some("shed"),
        _ => None,
    }
}

fn part(event: &SpanEvent, replicas: &Replicas) -> Option<String> {
    let text = |key: &str| event.get(key).map(ToString::to_string).unwrap_or_default();
    let ratio = || event.get(words::BREAKER_RATIO).and_then(Value::as_float).unwrap_or_default();
    let part = match &*event.name {
        words::BREAKER_TRIPPED => format!("breaker tripped: {} drop ratio {:.2}", text(words::BREAKER_NAME), ratio()),
        words::BREAKER_REJECTED => format!("breaker rejected: {} drop ratio {:.2}", text(words::BREAKER_NAME), ratio()),
        words::SHED_DROP => format!(
            "shed: {} in flight, limit {}, cpu {}",
            text(words::SHED_FLYING),
            text(words::SHED_LIMIT),
            text(words::SHED_CPU)
        ),
        words::LIMITER_REJECT => format!("limited: {} {}", text(words::LIMITER_NAME), text(words::LIMITER_KEY)),
        words::FAULT_INJECTED => format!("fault {}: {}", text(words::FAULT_ID), text(words::FAULT_KIND)),
        words::P2C_PICK => pick(event, replicas),
        _ => return None,
    };
    Some(part)
}

fn pick(event: &SpanEvent, replicas: &Replicas) -> String {
    let text = |key: &str| event.get(key).map(ToString::to_string);
    let chosen = text(words::P2C_CHOSEN).unwrap_or_default();
    let a = (text(words::P2C_A_TARGET), text(words::P2C_A_LOAD));
    let b = (text(words::P2C_B_TARGET), text(words::P2C_B_LOAD));
    let (taken, other) = if a.0.as_ref() == Some(&chosen) { (a, b) } else { (b, a) };
    let is_forced = event.get(words::P2C_FORCED).and_then(Value::as_bool).unwrap_or_default();
    let forced = if is_forced { ", forced" } else { "" };
    let load = |load: Option<String>| load.map(|load| format!(" (load {load})")).unwrap_or_default();
    let name = |address: &str| replicas.get(address).map_or_else(|| address.to_owned(), ToString::to_string);
    let taken = format!("{}{}", name(&chosen), load(taken.1));
    match other.0 {
        Some(other_target) => format!("picked {taken} over {}{}{forced}", name(&other_target), load(other.1)),
        None => format!("picked {taken}{forced}"),
    }
}
