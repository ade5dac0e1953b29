//! Requests that a shedder or a limit refused, told as episodes.
//!
//! Refusals come in bursts of thousands; people are shown one event from the first to the last of a burst, with how many
//! there were and some traces that show it.

use std::collections::BTreeMap;
use std::sync::Arc;

use collector_api::vocabulary as words;

use super::episode::{Episode, Step};
use crate::events::{EventLog, NewEvent};
use crate::model::{Span, SpanEvent, Value};

/// Bursts that are told apart; refusals of further ones are left to their spans.
const BURST_LIMIT: usize = 512;

/// A burst is over after this long without a refusal.
const CALM_NS: u64 = 2_000_000_000;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    kind: &'static str,
    instance: Arc<str>,
    limit: Arc<str>,
    /// What the limit counts by: one route may have two. Empty for a shedder.
    per: Arc<str>,
}

#[derive(Debug, Clone, Default)]
struct Burst {
    episode: Episode,
    event: u64,
    count: u64,
}

/// Bursts by who refused.
#[derive(Debug, Clone, Default)]
pub struct Refusals {
    bursts: BTreeMap<Source, Burst>,
    overflowed: u64,
}

impl Refusals {
    /// Takes the refusals of a span.
    pub fn observe(&mut self, span: &Span, events: &mut EventLog, version: u64) {
        for event in &span.events {
            let Some(source) = source_of(span, event) else { continue };
            if self.bursts.len() >= BURST_LIMIT && !self.bursts.contains_key(&source) {
                self.overflowed += 1;
                continue;
            }
            let burst = self.bursts.entry(source.clone()).or_default();
            let step = burst.episode.tripped(event.unix_ns);
            if !burst.episode.is_open() {
                continue;
            }
            if let Step::Open(at) = step {
                burst.count = 0;
                burst.event = events.open(opened(&source, span, at), version);
            }
            burst.count += 1;
            let count = burst.count;
            events.amend(burst.event, version, |told| {
                if let Step::Earlier(at) = step {
                    told.begins_unix_ns = at;
                }
                told.detail = detail(&source, count);
                told.fields.insert("count".into(), count.to_string());
            });
            events.add_exemplar(burst.event, span.trace_id, version);
        }
    }

    /// Ends bursts that are over.
    pub fn tick(&mut self, now_ns: u64, events: &mut EventLog, version: u64) {
        for burst in self.bursts.values_mut() {
            if let Step::Close(at) = burst.episode.tick(now_ns, CALM_NS) {
                events.close(burst.event, at, version);
            }
        }
    }

    /// Refusals whose source did not fit.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }
}

fn source_of(span: &Span, event: &SpanEvent) -> Option<Source> {
    let text = |key: &str| event.get(key).and_then(Value::as_text);
    let (kind, limit, per) = match &*event.name {
        words::SHED_DROP => ("shed", "shedder", ""),
        words::LIMITER_REJECT => {
            ("limiter", text(words::LIMITER_NAME).unwrap_or("limit"), text(words::LIMITER_KEY).unwrap_or_default())
        }
        _ => return None,
    };
    Some(Source { kind, instance: span.resource.instance.clone(), limit: limit.into(), per: per.into() })
}

fn opened(source: &Source, span: &Span, at: u64) -> NewEvent {
    let mut fields = BTreeMap::from([("instance".to_owned(), source.instance.to_string())]);
    if !source.per.is_empty() {
        fields.insert("per".to_owned(), source.per.to_string());
    }
    NewEvent {
        kind: source.kind.into(),
        begins_unix_ns: at,
        service: span.resource.service.to_string(),
        target: source.limit.to_string(),
        fields,
        ..NewEvent::default()
    }
}

fn detail(source: &Source, count: u64) -> String {
    let per = if source.per.is_empty() { String::new() } else { format!(" per {}", source.per) };
    format!("{}{per} of {} refused {count} requests", source.limit, source.instance)
}
