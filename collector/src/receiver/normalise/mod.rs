//! From wire types to model values: identities checked, texts made safe and cut, names bounded, attributes under current
//! conventions, deltas added up.

mod convention;
mod delta;
mod intern;
mod log;
mod metric;
mod resource;
mod span;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Limits, Stats};
use delta::Deltas;
use intern::{Names, Words};
use resource::Resources;

/// Shared state of normalisation: what was seen before, so that equal things share memory.
pub(super) struct Normaliser {
    limits: Limits,
    stats: Arc<Stats>,
    words: Words,
    services: Names,
    instances: Names,
    operations: Names,
    metric_names: Names,
    resources: Resources,
    deltas: Deltas,
}

impl Normaliser {
    pub fn new(limits: Limits, stats: Arc<Stats>) -> Self {
        Self {
            limits,
            stats,
            words: Words::default(),
            services: Names::new(limits.services),
            instances: Names::new(limits.services),
            operations: Names::new(limits.operations),
            metric_names: Names::new(limits.metric_names),
            resources: Resources::default(),
            deltas: Deltas::new(limits.delta_streams),
        }
    }

    /// A name out of a bounded set, `__other__` when the set is full.
    fn name(&self, names: &Names, text: &str) -> Arc<str> {
        let safe = self.safe(text);
        names.intern(&safe).unwrap_or_else(|| {
            self.stats.overflow_names(1);
            names.other()
        })
    }
}

/// Items of an accepted request that were refused.
#[derive(Debug, Default)]
pub(super) struct Rejected {
    counts: BTreeMap<&'static str, u64>,
    first: String,
}

impl Rejected {
    /// Counts one; `which` names it, asked only for the first.
    fn reject(&mut self, reason: &'static str, which: impl FnOnce() -> String) {
        if self.counts.is_empty() {
            self.first = super::refusal::quoted(&which());
        }
        *self.counts.entry(reason).or_default() += 1;
    }

    pub fn reasons(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.counts.iter().map(|(reason, count)| (*reason, *count))
    }

    pub fn total(&self) -> i64 {
        self.counts.values().sum::<u64>() as i64
    }

    /// What a sender is told, well under a kibibyte; `None` when nothing was refused.
    pub fn message(&self, what: &str) -> Option<String> {
        if self.counts.is_empty() {
            return None;
        }
        let reasons: Vec<String> = self.counts.iter().map(|(reason, count)| format!("{count} × {reason}")).collect();
        Some(format!("{} {what} refused: {} (the first is `{}`)", self.total(), reasons.join(", "), self.first))
    }
}
