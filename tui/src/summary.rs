//! What is worth saying after the console is closed.

use collector_api::console::AlertState;

use crate::fmt;
use crate::model::Model;
use crate::{RunSummary, Summary};

/// The summary of a model. Requests are those of the seconds that are kept, at most a quarter of an hour.
pub fn of(model: &Model) -> Summary {
    let data = &model.live;
    let entry = data.seconds.entry(0..=u64::MAX);
    let fired = data.alerts.iter().filter(|alert| matches!(alert.state(), AlertState::Firing | AlertState::Resolved));
    let mut alerts: Vec<String> = fired.map(|alert| alert.name.clone()).collect();
    alerts.sort();
    alerts.dedup();
    let run = data.current_run().map(|run| {
        let join = run.join.clone().unwrap_or_default();
        RunSummary {
            run_id: run.run_id.clone(),
            scenario: run.scenario.clone(),
            phase: run.phase.clone(),
            sent: run.sent,
            failed: run.failed,
            joined: join.joined,
            sampled: join.sampled,
            limited: run.generator_limited,
        }
    });
    Summary {
        requests: entry.count(),
        failed: entry.failed.count(),
        p50_us: entry.ok.quantile_us(0.5),
        p99_us: entry.ok.quantile_us(0.99),
        traces: data.store.traces_seen,
        lost_spans: data.lost_spans(),
        trips: data.events_of(&["breaker"]).count() as u64,
        alerts,
        run,
        sentence: data.sentence.text(),
    }
}

impl Summary {
    /// At most five lines for people.
    pub fn lines(&self) -> Vec<String> {
        let latency = |value: Option<u64>| value.map_or_else(|| "none".to_owned(), fmt::micros);
        let mut lines = vec![
            format!(
                "{} requests, {} failed; p50 {}, p99 {}",
                fmt::count(self.requests),
                fmt::count(self.failed),
                latency(self.p50_us),
                latency(self.p99_us)
            ),
            format!("{} traces seen, {} spans lost", fmt::count(self.traces), fmt::count(self.lost_spans)),
        ];
        if self.trips > 0 || !self.alerts.is_empty() {
            let alerts = if self.alerts.is_empty() { "none".to_owned() } else { self.alerts.join(", ") };
            lines.push(format!("{} breaker episodes; alerts fired: {alerts}", fmt::count(self.trips)));
        }
        if let Some(run) = &self.run {
            lines.push(format!(
                "run {} {}: {} sent, {} failed, joined {} of {} sampled{}",
                run.scenario,
                run.phase,
                fmt::count(run.sent),
                fmt::count(run.failed),
                fmt::count(run.joined),
                fmt::count(run.sampled),
                if run.limited { ", generator limited" } else { "" }
            ));
        }
        if !self.sentence.is_empty() {
            lines.push(self.sentence.clone());
        }
        lines
    }
}
