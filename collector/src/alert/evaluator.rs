//! Evaluates rules when they are due and tells what changed.

use std::collections::BTreeSet;

use collector_api::console::{Alert, AlertState};

use super::promql::Value;
use super::rules::{Group, Rule, Rules};
use super::state::{Active, Alerts, Change, Reading};
use crate::rollup::metrics::{Labels, MetricStore};

/// Alerts that one rule may have where its group sets no lower limit.
const MAX_ALERTS: usize = 1_000;

/// An alert that changed its state.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// When, nanoseconds since the epoch.
    pub at_ns: u64,
    /// The state it left.
    pub from: AlertState,
    /// The alert in its new state. A pending alert that ended is `INACTIVE`.
    pub alert: Alert,
}

/// Rules and the alerts they have.
#[derive(Debug, Default)]
pub struct Evaluator {
    groups: Vec<Watched>,
    refused: Vec<String>,
}

#[derive(Debug)]
struct Watched {
    group: Group,
    evaluated_ns: Option<u64>,
    rules: Vec<Standing>,
}

#[derive(Debug, Clone, Default)]
struct Standing {
    alerts: Alerts,
    error: Option<String>,
}

impl Evaluator {
    /// Watches rules that have no alerts yet.
    pub fn new(rules: Rules) -> Self {
        let refused = rules.refused.iter().map(ToString::to_string).collect();
        let watched =
            |group: Group| Watched { evaluated_ns: None, rules: vec![Standing::default(); group.rules.len()], group };
        Self { groups: rules.groups.into_iter().map(watched).collect(), refused }
    }

    /// Evaluates every group that is due and returns what changed, in the order of the rules.
    pub fn eval(&mut self, now_ns: u64, store: &MetricStore) -> Vec<Transition> {
        let mut transitions = Vec::new();
        for watched in &mut self.groups {
            let is_due =
                watched.evaluated_ns.is_none_or(|last| now_ns >= last.saturating_add(watched.group.interval_ns));
            if !is_due {
                continue;
            }
            watched.evaluated_ns = Some(now_ns);
            let limit = if watched.group.limit == 0 { MAX_ALERTS } else { watched.group.limit.min(MAX_ALERTS) };
            for (rule, standing) in watched.group.rules.iter().zip(&mut watched.rules) {
                let changes = standing.step(rule, now_ns, store, limit);
                let transition = |change: Change| Transition {
                    at_ns: now_ns,
                    from: change.from,
                    alert: message(rule, &change.labels, &change.alert),
                };
                transitions.extend(changes.into_iter().map(transition));
            }
        }
        transitions
    }

    /// Every alert, in the order of the rules; a rule without alerts is one `INACTIVE` alert.
    pub fn alerts(&self) -> Vec<Alert> {
        let mut all = Vec::new();
        for watched in &self.groups {
            for (rule, standing) in watched.group.rules.iter().zip(&watched.rules) {
                let known = all.len();
                all.extend(standing.alerts.iter().map(|(labels, alert)| message(rule, labels, alert)));
                if all.len() == known {
                    all.push(inactive(rule));
                }
            }
        }
        all
    }

    /// Rules that cannot be used, rules whose last evaluation failed, and rules with more alerts than are kept, with why.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.refused.clone();
        for (rule, standing) in self.groups.iter().flat_map(|watched| watched.group.rules.iter().zip(&watched.rules)) {
            problems.extend(standing.error.as_ref().map(|error| format!("{}: {error}", rule.name)));
            let forgotten = standing.alerts.forgotten();
            if forgotten > 0 {
                problems.push(format!("{}: {forgotten} resolved alerts were forgotten early", rule.name));
            }
        }
        problems
    }
}

impl Standing {
    /// One evaluation. A failed one leaves the alerts as they are, as Prometheus does.
    fn step(&mut self, rule: &Rule, now_ns: u64, store: &MetricStore, limit: usize) -> Vec<Change> {
        match readings(rule, now_ns, store, limit) {
            Ok(readings) => {
                self.error = None;
                self.alerts.step(now_ns, readings, rule.for_ns, rule.keep_firing_for_ns)
            }
            Err(reason) => {
                self.error = Some(reason);
                Vec::new()
            }
        }
    }
}

fn readings(rule: &Rule, now_ns: u64, store: &MetricStore, limit: usize) -> Result<Vec<Reading>, String> {
    let samples = match rule.expression.eval(store, now_ns).map_err(|cause| cause.to_string())? {
        Value::Vector(samples) => samples,
        Value::Scalar(value) => vec![(Labels::default(), value)],
    };
    if samples.len() > limit {
        return Err(format!("{} alerts exceed the limit of {limit}", samples.len()));
    }
    let mut seen = BTreeSet::new();
    let mut readings = Vec::with_capacity(samples.len());
    for (series, value) in samples {
        let mut labels = series.unnamed();
        for (name, template) in &rule.labels {
            labels = labels.with(name, &template.expand(&series, value));
        }
        let labels = labels.with("alertname", &rule.name);
        if !seen.insert(labels.clone()) {
            return Err(format!("two alerts have the labels {labels}"));
        }
        let summary =
            rule.annotations.get("summary").map(|template| template.expand(&series, value)).unwrap_or_default();
        readings.push(Reading { labels, value, summary });
    }
    Ok(readings)
}

fn message(rule: &Rule, labels: &Labels, alert: &Active) -> Alert {
    Alert {
        name: rule.name.to_string(),
        state: alert.state.into(),
        severity: labels.get("severity").unwrap_or_default().to_owned(),
        labels: labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        value: alert.value,
        active_unix_ns: alert.since_ns,
        fired_unix_ns: alert.fired_ns,
        resolved_unix_ns: alert.resolved_ns,
        for_ns: rule.for_ns,
        expression: rule.expression.text().to_owned(),
        summary: alert.summary.clone(),
    }
}

fn inactive(rule: &Rule) -> Alert {
    let plain =
        |name: &str| rule.labels.get(name).map(|template| template.expand(&Labels::default(), 0.0)).unwrap_or_default();
    Alert {
        name: rule.name.to_string(),
        state: AlertState::Inactive.into(),
        severity: plain("severity"),
        for_ns: rule.for_ns,
        expression: rule.expression.text().to_owned(),
        ..Alert::default()
    }
}
