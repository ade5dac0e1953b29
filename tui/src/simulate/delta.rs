//! What a watcher is told without asking: seconds, alerts and the load run.

use collector_api::console as wire;

use super::{BEGIN_S, Drill, FAULT_AT, RATE, Shop};
use crate::model::data::SECOND_NS;

impl Shop {
    /// Everything so far, as one delta.
    pub fn delta(&self) -> wire::Delta {
        let spans = self.tallies.len() as u64 * RATE * 9;
        let traces = self.tallies.len() as u64 * RATE;
        wire::Delta {
            version: self.tallies.len() as u64,
            now_unix_ns: self.now_ns(),
            seconds: self.seconds.clone(),
            events: self.events(),
            receiver: Some(wire::ReceiverStats { grpc_connections: 11, requests: 4_210, spans, ..Default::default() }),
            store: Some(wire::StoreStats {
                traces_seen: traces,
                traces_kept: traces.min(9_000),
                spans_kept: spans,
                ..Default::default()
            }),
            alerts: self.alerts(),
            runs: vec![self.load_run()],
            first_trace: None,
            coverage: Vec::new(),
        }
    }

    fn alerts(&self) -> Vec<wire::Alert> {
        let begin = (BEGIN_S + FAULT_AT + 2) * SECOND_NS;
        if self.drill == Drill::None || self.now_ns() < begin {
            return Vec::new();
        }
        let name = if self.drill == Drill::SlowReplica { "HighLatency" } else { "HighErrorRate" };
        vec![wire::Alert {
            name: name.to_owned(),
            state: wire::AlertState::Pending.into(),
            severity: "warning".to_owned(),
            active_unix_ns: begin,
            for_ns: 15 * SECOND_NS,
            value: 0.25,
            expression: "sum(rate(x[30s])) > 0.05".to_owned(),
            summary: "more requests than usual are slow".to_owned(),
            ..Default::default()
        }]
    }

    fn load_run(&self) -> wire::Run {
        let sent: u64 = self.tallies.iter().map(|tally| tally.requests).sum();
        wire::Run {
            run_id: "r-7f3a".to_owned(),
            scenario: "slow-replica".to_owned(),
            started_unix_ns: BEGIN_S * SECOND_NS,
            phase: "running".to_owned(),
            detail: "stage 2/3, 400/s".to_owned(),
            join: Some(wire::Join { sampled: sent, joined: sent - 401, late: 1, waiting: 400, ..Default::default() }),
            planned_ns: 180 * SECOND_NS,
            target_rate: RATE as f64,
            sent,
            failed: self.tallies.iter().map(|tally| tally.failed).sum(),
            ..Default::default()
        }
    }
}
