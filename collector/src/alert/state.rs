//! The life of one rule's alerts.
//!
//! Prometheus' semantics (rules/alerting.go): a label set that the expression returns is pending from its first
//! evaluation and fires once it was active for `for`. A pending alert that is absent once is gone. A firing one that is
//! absent keeps firing for `keep_firing_for`, then is resolved, and stays known for 15 minutes.

use std::collections::{BTreeMap, BTreeSet};

use collector_api::console::AlertState;

use crate::rollup::metrics::Labels;

/// How long a resolved alert stays known.
const RESOLVED_KEPT_NS: u64 = 900_000_000_000;
/// Alerts of one rule that are known at a time; beyond it those that were resolved first are forgotten early.
const MAX_KNOWN: usize = 2_000;

/// One alert of a rule.
#[derive(Debug, Clone)]
pub(super) struct Active {
    pub(super) state: AlertState,
    pub(super) value: f64,
    pub(super) summary: String,
    pub(super) since_ns: u64,
    pub(super) fired_ns: u64,
    pub(super) resolved_ns: u64,
    /// When it ceased to be active while `keep_firing_for` holds it.
    kept_since_ns: Option<u64>,
}

/// What the expression returned for one label set.
pub(super) struct Reading {
    pub(super) labels: Labels,
    pub(super) value: f64,
    pub(super) summary: String,
}

/// An alert that changed its state.
pub(super) struct Change {
    pub(super) labels: Labels,
    pub(super) from: AlertState,
    pub(super) alert: Active,
}

/// The alerts of one rule by their labels.
#[derive(Debug, Clone, Default)]
pub(super) struct Alerts {
    alerts: BTreeMap<Labels, Active>,
    forgotten: u64,
}

impl Alerts {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Labels, &Active)> {
        self.alerts.iter()
    }

    /// Resolved alerts that were forgotten before their time.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Takes in one evaluation and returns what changed.
    pub(super) fn step(
        &mut self,
        now_ns: u64,
        readings: Vec<Reading>,
        for_ns: u64,
        keep_firing_for_ns: u64,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut present = BTreeSet::new();
        for reading in readings {
            present.insert(reading.labels.clone());
            self.read(now_ns, reading, for_ns, &mut changes);
        }
        self.alerts.retain(|labels, alert| {
            if present.contains(labels) {
                return true;
            }
            let from = alert.state;
            let is_kept = alert.miss(now_ns, keep_firing_for_ns);
            if alert.state != from {
                changes.push(Change { labels: labels.clone(), from, alert: alert.clone() });
            }
            is_kept
        });
        self.forget();
        changes
    }

    /// Holds the bound on known alerts.
    fn forget(&mut self) {
        let excess = self.alerts.len().saturating_sub(MAX_KNOWN);
        if excess == 0 {
            return;
        }
        let resolved = self.alerts.iter().filter(|(_, alert)| alert.state == AlertState::Resolved);
        let mut oldest: Vec<(u64, Labels)> =
            resolved.map(|(labels, alert)| (alert.resolved_ns, labels.clone())).collect();
        oldest.sort_unstable();
        for (_, labels) in oldest.into_iter().take(excess) {
            self.alerts.remove(&labels);
            self.forgotten += 1;
        }
    }

    fn read(&mut self, now_ns: u64, reading: Reading, for_ns: u64, changes: &mut Vec<Change>) {
        let Reading { labels, value, summary } = reading;
        let fresh = || Active {
            state: AlertState::Pending,
            value,
            summary: String::new(),
            since_ns: now_ns,
            fired_ns: 0,
            resolved_ns: 0,
            kept_since_ns: None,
        };
        let known = self.alerts.get(&labels).filter(|alert| alert.is_active()).cloned();
        let mut from = known.as_ref().map_or(AlertState::Inactive, |alert| alert.state);
        let mut alert = known.unwrap_or_else(fresh);
        alert.value = value;
        alert.summary = summary;
        alert.kept_since_ns = None;
        if from == AlertState::Inactive {
            changes.push(Change { labels: labels.clone(), from, alert: alert.clone() });
            from = AlertState::Pending;
        }
        if from == AlertState::Pending && now_ns.saturating_sub(alert.since_ns) >= for_ns {
            alert.state = AlertState::Firing;
            alert.fired_ns = now_ns;
            changes.push(Change { labels: labels.clone(), from, alert: alert.clone() });
        }
        self.alerts.insert(labels, alert);
    }
}

impl Active {
    fn is_active(&self) -> bool {
        matches!(self.state, AlertState::Pending | AlertState::Firing)
    }

    /// An evaluation without this alert; false when it is forgotten.
    fn miss(&mut self, now_ns: u64, keep_firing_for_ns: u64) -> bool {
        match self.state {
            AlertState::Firing => {
                let since = *self.kept_since_ns.get_or_insert(now_ns);
                if keep_firing_for_ns == 0 || now_ns.saturating_sub(since) >= keep_firing_for_ns {
                    self.state = AlertState::Resolved;
                    self.resolved_ns = now_ns;
                    self.kept_since_ns = None;
                }
                true
            }
            AlertState::Resolved => now_ns.saturating_sub(self.resolved_ns) < RESOLVED_KEPT_NS,
            _ => {
                self.state = AlertState::Inactive;
                false
            }
        }
    }
}
