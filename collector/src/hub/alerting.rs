//! Rules over metrics, and their alerts as events.

use std::collections::{BTreeMap, HashMap};

use collector_api::console::{Alert, AlertState};

use crate::alert::{Evaluator, Rules, Transition};
use crate::events::{EventLog, NewEvent};
use crate::rollup::metrics::MetricStore;

/// Rules are evaluated this often; a group with a longer interval waits for its own.
const INTERVAL_NS: u64 = 1_000_000_000;

/// Name and labels of an alert.
type AlertKey = (String, BTreeMap<String, String>);

/// The evaluator and the events of alerts that are going on.
#[derive(Debug)]
pub struct Alerting {
    evaluator: Evaluator,
    refused: Vec<String>,
    evaluated_ns: u64,
    events: HashMap<AlertKey, u64>,
}

impl Alerting {
    /// No alerts yet. `refused` says why rule files could not be read.
    pub fn new(rules: Rules, refused: Vec<String>) -> Self {
        Self { evaluator: Evaluator::new(rules), refused, evaluated_ns: 0, events: HashMap::new() }
    }

    /// Whether it is time to evaluate.
    pub fn is_due(&self, now_ns: u64) -> bool {
        now_ns >= self.evaluated_ns.saturating_add(INTERVAL_NS)
    }

    /// Evaluates all rules that are due.
    pub fn evaluate(&mut self, now_ns: u64, metrics: &MetricStore) -> Vec<Transition> {
        self.evaluated_ns = now_ns;
        self.evaluator.eval(now_ns, metrics)
    }

    /// Every alert, in the order of the rules.
    pub fn alerts(&self) -> Vec<Alert> {
        self.evaluator.alerts()
    }

    /// Rules that cannot be used and rules whose last evaluation failed, with why.
    pub fn problems(&self) -> Vec<String> {
        self.refused.iter().cloned().chain(self.evaluator.problems()).collect()
    }

    /// Writes transitions into the event log: an alert is one event, from pending to resolved.
    pub fn log(&mut self, transitions: &[Transition], events: &mut EventLog, version: u64) {
        for transition in transitions {
            let alert = &transition.alert;
            let labels = alert.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            let key: AlertKey = (alert.name.clone(), labels);
            match alert.state() {
                AlertState::Pending | AlertState::Firing => {
                    let is_known = self.events.get(&key).is_some_and(|id| {
                        events.amend(*id, version, |event| {
                            event.detail = detail(alert);
                            event.fields = fields(transition).into_iter().collect();
                        })
                    });
                    if !is_known {
                        self.events.insert(key, events.open(opened(transition), version));
                    }
                }
                AlertState::Resolved | AlertState::Inactive | AlertState::Unspecified => {
                    if let Some(id) = self.events.remove(&key) {
                        events.amend(id, version, |event| {
                            event.detail = past(alert, transition.at_ns.saturating_sub(event.begins_unix_ns));
                            event.fields.insert("state".into(), state_name(alert).into());
                        });
                        events.close(id, transition.at_ns, version);
                    }
                }
            }
        }
    }
}

fn opened(transition: &Transition) -> NewEvent {
    let alert = &transition.alert;
    let label = |name: &str| alert.labels.get(name).cloned();
    NewEvent {
        kind: "alert".into(),
        begins_unix_ns: if alert.active_unix_ns == 0 { transition.at_ns } else { alert.active_unix_ns },
        service: label("service").or_else(|| label("job")).unwrap_or_default(),
        target: alert.name.clone(),
        detail: detail(alert),
        fields: fields(transition),
        ..NewEvent::default()
    }
}

fn detail(alert: &Alert) -> String {
    let state = state_name(alert);
    if alert.summary.is_empty() {
        format!("{} {state}", alert.name)
    } else {
        format!("{} {state}: {}", alert.name, alert.summary)
    }
}

/// What an alert that is over was: its summary tells of the time while it lasted.
fn past(alert: &Alert, lasted_ns: u64) -> String {
    let ended = format!("{} {} after {:.2} s", alert.name, state_name(alert), lasted_ns as f64 / 1e9);
    if alert.summary.is_empty() { ended } else { format!("{ended}; was: {}", alert.summary) }
}

fn fields(transition: &Transition) -> BTreeMap<String, String> {
    let alert = &transition.alert;
    let mut fields: BTreeMap<String, String> =
        alert.labels.iter().map(|(name, value)| (format!("label.{name}"), value.clone())).collect();
    fields.insert("state".into(), state_name(alert).into());
    fields.insert("severity".into(), alert.severity.clone());
    fields.insert("value".into(), format!("{}", alert.value));
    if alert.fired_unix_ns > 0 {
        fields.insert("fired_unix_ns".into(), alert.fired_unix_ns.to_string());
    }
    fields
}

fn state_name(alert: &Alert) -> &'static str {
    match alert.state() {
        AlertState::Pending => "pending",
        AlertState::Firing => "firing",
        AlertState::Resolved => "resolved",
        AlertState::Inactive | AlertState::Unspecified => "inactive",
    }
}
