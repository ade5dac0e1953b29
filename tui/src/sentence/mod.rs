//! The overview's one sentence: what changed, when, where the time went, and what coincided.
//!
//! Pure: facts in, words out. It says "when", never "because", and "injected" only when a fault event lies there. The
//! order is by how much a reader needs it: servers that are away, then breakers that drop, then failures, then slowness, then recovery, then calm.

mod cause;
mod episode;
pub mod server;
mod story;

pub use cause::{fault_label, place_of, share_of_replica, share_subject};

use crate::model::data::Data;

/// How a sentence feels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Nothing to see.
    #[default]
    Calm,
    /// It got better.
    Good,
    /// It got slower, or calls are dropped to protect something.
    Warn,
    /// It fails.
    Error,
}

/// One sentence in clauses: the first says what and when, the others what else is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sentence {
    /// How it feels.
    pub tone: Tone,
    /// Parts, most important first.
    pub clauses: Vec<String>,
}

impl Sentence {
    fn new(tone: Tone, first: String) -> Self {
        Self { tone, clauses: vec![first] }
    }

    fn with(mut self, clause: Option<String>) -> Self {
        self.clauses.extend(clause);
        self
    }

    /// All clauses.
    pub fn text(&self) -> String {
        self.clauses.join("; ")
    }
}

/// Computes the sentence.
pub fn of(data: &Data) -> Sentence {
    if let Some(start) = story::start(data) {
        return start;
    }
    if let Some(away) = server::story(data) {
        return away;
    }
    if data.seconds.entry(data.window()).count() == 0 {
        return story::calm(data);
    }
    let latency = episode::latency(data);
    let errors = episode::errors(data);
    story::breaker(data, errors.as_ref())
        .or_else(|| story::failing(data, errors.as_ref()))
        .or_else(|| story::slow(data, latency.as_ref()))
        .or_else(|| story::recovered(data, latency.as_ref(), errors.as_ref()))
        .unwrap_or_else(|| story::calm(data))
}
