//! What a run found out: figures first, then two ways to write them down.

mod attribution;
mod json;
#[cfg(test)]
mod tests;
mod text;

use std::time::Duration;

use collector_api::console::{Join, RunSettled};

use crate::gate::{Figure, Gate, Metric};
use crate::hooks::StackSnapshot;
use crate::host::HostShare;
use crate::record::Totals;

/// The result of one run.
#[derive(Debug, Clone)]
pub struct Report {
    /// Run id.
    pub run_id: String,
    /// Name given by the user; empty for none.
    pub name: String,
    /// Gates that did not hold.
    pub gates_failed: usize,
    /// The generator could not keep its own schedule, so the figures say more about it than about the target.
    pub generator_limited: bool,
    /// The run was stopped before its end.
    pub interrupted: bool,
    /// Why the run stopped itself; `None` when it did not.
    pub aborted: Option<String>,
    pub(crate) facts: Facts,
    pub(crate) gates: Vec<GateResult>,
}

/// Everything measured.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub scenario: String,
    pub summary: String,
    pub target: String,
    pub seed: u64,
    pub started_unix_ns: u64,
    pub duration: Duration,
    pub cut: Option<Cut>,
    pub totals: Totals,
    pub offered: u64,
    pub started: u64,
    pub limited_because: Option<String>,
    pub cpu_s: f64,
    pub host: HostShare,
    pub stack: Option<StackSnapshot>,
    pub settled: Option<RunSettled>,
    pub spans_acknowledged: u64,
    pub spans_lost: u64,
    pub faults: Vec<InjectedFault>,
}

/// A schedule whose end was taken away: what the scenario promises may lie behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub at: Duration,
    pub of: Duration,
}

/// A fault that the run asked for.
#[derive(Debug, Clone)]
pub(crate) struct InjectedFault {
    pub unix_ns: u64,
    pub spec: String,
    pub outcome: Result<String, String>,
}

/// A gate and what was observed.
#[derive(Debug, Clone)]
pub(crate) struct GateResult {
    pub gate: Gate,
    pub observed: Option<f64>,
    pub ok: bool,
}

impl Report {
    pub(crate) fn new(run_id: String, name: String, facts: Facts, gates: Vec<Gate>) -> Self {
        let gates: Vec<GateResult> = gates
            .into_iter()
            .map(|gate| {
                let observed = facts.observe(&gate.metric);
                GateResult { ok: gate.holds(observed), gate, observed }
            })
            .collect();
        Self {
            run_id,
            name,
            gates_failed: gates.iter().filter(|gate| !gate.ok).count(),
            generator_limited: facts.limited_because.is_some(),
            interrupted: false,
            aborted: None,
            facts,
            gates,
        }
    }

    /// `run.json`, schema 1.
    pub fn to_json(&self) -> serde_json::Value {
        json::write(self)
    }

    /// The report for people: aligned, without colour.
    pub fn to_text(&self) -> String {
        text::write(self)
    }
}

impl Facts {
    pub fn join(&self) -> Option<&Join> {
        self.settled.as_ref()?.join.as_ref()
    }

    /// Joined among sampled; 1 when nothing was sampled, because nothing is missing then.
    pub fn join_rate(&self) -> Option<f64> {
        let join = self.join()?;
        Some(if join.sampled == 0 { 1.0 } else { join.joined as f64 / join.sampled as f64 })
    }

    pub fn error_rate(&self) -> f64 {
        let counts = &self.totals.counts;
        let all = counts.sent + counts.unsent;
        if all == 0 { 0.0 } else { (counts.failed + counts.unsent) as f64 / all as f64 }
    }

    pub fn achieved_share(&self) -> f64 {
        if self.offered == 0 { 1.0 } else { self.started as f64 / self.offered as f64 }
    }

    fn observe(&self, metric: &Metric) -> Option<f64> {
        let counts = &self.totals.counts;
        match metric {
            Metric::Latency { figure, clock, step } => {
                let clocks = match step {
                    None => &self.totals.clocks,
                    Some(step) => &self.totals.steps.iter().find(|(name, _)| name == step)?.1,
                };
                clocks.of(*clock).figure_us(*figure)
            }
            Metric::ErrorRate => Some(self.error_rate()),
            Metric::Unexpected => Some(counts.unexpected as f64),
            Metric::Failed => Some((counts.failed + counts.unsent) as f64),
            Metric::Requests => Some(counts.sent as f64),
            Metric::JoinRate => self.join_rate(),
            Metric::AchievedRate => Some(self.achieved_share()),
            Metric::Events(kind) => {
                let events = &self.settled.as_ref()?.events;
                Some(events.iter().filter(|event| event.kind == *kind).count() as f64)
            }
            Metric::Alerts(name) => {
                let alerts = &self.settled.as_ref()?.alerts;
                Some(
                    alerts
                        .iter()
                        .filter(|alert| alert.name == *name && alert.fired_unix_ns >= self.started_unix_ns)
                        .count() as f64,
                )
            }
            Metric::Rejections(None) => Some(counts.rejected_by_place.values().sum::<u64>() as f64),
            Metric::Rejections(Some(place)) => Some(counts.rejected_by_place.get(place).copied().unwrap_or(0) as f64),
        }
    }
}

/// Why the generator counts as limited, if it does: it took up less than 98 % of what the schedule offered while the
/// schedule ran, or its own lateness while workers were free was more than `max(5 ms, 5 % of the intended p99)` at p99.
pub(crate) fn limited(totals: &Totals, offered: u64, started_in_time: u64) -> Option<String> {
    if offered > 0 && (started_in_time as f64) < offered as f64 * 0.98 {
        let share = started_in_time as f64 / offered as f64 * 100.0;
        return Some(format!("it took up {share:.1} % of the offered flow starts in time, 98 % are needed"));
    }
    let lag_us = totals.lag.quantile_us(0.99);
    let allowed_us = (totals.clocks.intended.figure_us(Figure::Quantile(0.99)).unwrap_or(0.0) * 0.05).max(5_000.0);
    (lag_us as f64 > allowed_us).then(|| {
        format!("its own lateness was {:.1} ms at p99, {:.1} ms are allowed", lag_us as f64 / 1e3, allowed_us / 1e3)
    })
}
