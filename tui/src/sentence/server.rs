//! Servers under the shop that do not answer.

use collector_api::console as wire;

use super::{Sentence, Tone};
use crate::fmt;
use crate::model::data::{Data, SECOND_NS, is_open};

/// Events of servers that do not answer now, the first to go first.
pub fn away(data: &Data) -> impl Iterator<Item = &wire::Event> {
    data.events_of(&["server"]).filter(|event| is_open(event, data.now_ns))
}

/// `mysql AWAY 6 s`, for the head of the screen.
pub fn tag(data: &Data, event: &wire::Event) -> String {
    let seconds = data.now_ns.saturating_sub(event.begins_unix_ns) / SECOND_NS;
    format!("{} AWAY {seconds} s", event.service)
}

/// What stands at fault when a server is away: nothing above it can be well, whatever breakers say.
pub fn story(data: &Data) -> Option<Sentence> {
    let mut away = away(data);
    let first = away.next()?;
    let words = format!("{}, since {}", first.detail, fmt::clock(first.begins_unix_ns / SECOND_NS));
    let others: Vec<&str> = away.map(|event| event.service.as_str()).collect();
    let others = (!others.is_empty()).then(|| format!("{} neither", others.join(", ")));
    let entry = data.seconds.entry(data.window());
    let failing = match (entry.count(), entry.error_ratio()) {
        (0, _) => None,
        (_, ratio) if ratio > 0.0 => Some(format!("{} of requests fail", fmt::percent1(ratio))),
        _ => Some("no request fails".to_owned()),
    };
    Some(Sentence::new(Tone::Error, words).with(others).with(failing))
}
