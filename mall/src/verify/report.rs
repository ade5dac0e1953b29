//! What the checker says.

use serde::{Deserialize, Serialize};

/// Version of the report's JSON.
pub const SCHEMA: u32 = 1;

/// Three-valued: `unknown` is neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Holds.
    True,
    /// Violated.
    False,
    /// Cannot be told yet.
    Unknown,
}

impl Verdict {
    /// The worse of two: a violation before doubt, doubt before assent.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::True, Self::True) => Self::True,
        }
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Unknown => "unknown",
        }
    }
}

/// One thing that proves a violation, or that is not at rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counterexample {
    /// What is wrong, in a sentence.
    pub text: String,
    /// The order that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<i64>,
    /// Trace of the request that began it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

impl Counterexample {
    /// About nothing in particular.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), order_id: None, trace_id: None }
    }

    /// About an order, with the trace that began it.
    pub fn order(text: impl Into<String>, order_id: i64, trace_id: &str) -> Self {
        let trace_id = (!trace_id.is_empty()).then(|| trace_id.to_owned());
        Self { text: text.into(), order_id: Some(order_id), trace_id }
    }
}

/// One invariant, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invariant {
    /// `I1` and so on: stable.
    pub id: String,
    /// What holds, in a few words.
    pub name: String,
    /// Whether it does.
    pub verdict: Verdict,
    /// Things looked at.
    pub checked: u64,
    /// The first thing that is wrong.
    pub counterexample: Option<Counterexample>,
}

/// Everything that was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The worst of the invariants' verdicts.
    pub verdict: Verdict,
    /// Identity of the data.
    pub data_id: String,
    /// Runs whose histories were judged.
    pub runs: u64,
    /// Acknowledged operations in them.
    pub acknowledged: u64,
    /// What had not come to rest, when something had not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrest: Option<String>,
    /// By id.
    pub invariants: Vec<Invariant>,
}

impl Report {
    /// The first violation, or else the first doubt.
    pub fn first_counterexample(&self) -> Option<(&Invariant, &Counterexample)> {
        let of = |verdict| self.invariants.iter().find(move |invariant| invariant.verdict == verdict);
        let invariant = of(Verdict::False).or_else(|| of(Verdict::Unknown))?;
        Some((invariant, invariant.counterexample.as_ref()?))
    }
}
