//! Answers to what consoles ask, in the protocol's words.

use collector_api::console::{
    self, AlertsReply, AttributionReply, BalanceReply, BreakersReply, Coverage, ListEventsReply, RefusalsReply,
    ServicesReply,
};

use super::{Hub, locked};
use crate::analysis::Replicas;
use crate::rollup::{SECOND_NS, WINDOW_S};
use crate::store::{LogStore, TraceStore};

/// Seconds of a window that a request does not give.
const DEFAULT_WINDOW_S: u64 = 10;

impl Hub {
    /// Which replicas listen at addresses, as far as they are known.
    pub fn replicas<'a>(&self, addresses: impl Iterator<Item = &'a str>) -> Replicas {
        self.state().rollup.replicas(addresses)
    }

    /// The store of traces.
    pub fn traces(&self) -> &TraceStore {
        &self.traces
    }

    /// The store of log records.
    pub fn logs(&self) -> &LogStore {
        &self.logs
    }

    /// RED by operation and the service graph.
    pub fn services(&self, at_ns: u64, window_s: u32) -> ServicesReply {
        let now_s = self.at(at_ns) / SECOND_NS;
        self.state().rollup.services(now_s, window(window_s), |trace| self.traces.holds(trace))
    }

    /// The balance ledger.
    pub fn balance(&self, at_ns: u64, window_s: u32) -> BalanceReply {
        BalanceReply { services: self.state().rollup.balance(self.at(at_ns), window(window_s)) }
    }

    /// The breaker ledger.
    pub fn breakers(&self, at_ns: u64, window_s: u32) -> BreakersReply {
        BreakersReply { breakers: self.state().rollup.breakers(self.at(at_ns) / SECOND_NS, window(window_s)) }
    }

    /// The ledger of shedders and limits.
    pub fn refusals(&self, at_ns: u64, window_s: u32) -> RefusalsReply {
        self.state().rollup.refusals(self.at(at_ns), window(window_s))
    }

    /// Services whose spans show only a part of their requests.
    pub fn coverage(&self) -> Vec<Coverage> {
        self.state().rollup.coverage()
    }

    /// Where the time of the slowest requests went; `None` when the run is not known.
    pub fn attribution(&self, request: &console::AttributionRequest) -> Option<AttributionReply> {
        let state = self.state();
        let cohort = if request.run_id.is_empty() {
            let now_s = self.at(request.at_ns) / SECOND_NS;
            let from = now_s.saturating_sub(window(request.window_s) - 1);
            state.runs.recent_cohort(from, now_s, request.slowest)
        } else {
            state.runs.run_cohort(&request.run_id, request.slowest)?
        };
        Some(AttributionReply { cohort: Some(cohort) })
    }

    /// Alerts, and rules that cannot be used.
    pub fn alert_list(&self, profile: &str) -> AlertsReply {
        let refused = locked(&self.alerting).problems();
        AlertsReply { alerts: self.alerts(), refused, profile: profile.to_owned() }
    }

    /// Events of a kind in a span of time.
    pub fn event_list(&self, kind: &str, from: u64, to: u64) -> ListEventsReply {
        let state = self.state();
        ListEventsReply { events: state.events.list(kind, from, to), dropped: state.events.dropped() }
    }

    fn at(&self, at_ns: u64) -> u64 {
        if at_ns == 0 { self.now_ns() } else { at_ns }
    }
}

fn window(window_s: u32) -> u64 {
    if window_s == 0 { DEFAULT_WINDOW_S } else { u64::from(window_s).min(WINDOW_S) }
}
