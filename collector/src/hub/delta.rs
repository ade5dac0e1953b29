//! What changed since a console last heard.

use collector_api::console::{Delta, ReceiverStats, StoreStats};

use super::{Hub, locked};
use crate::rollup::SECOND_NS;
use crate::rollup::seconds::KEEP_S;

/// Seconds that a console gets that does not say how many it wants.
const DEFAULT_HISTORY_S: u64 = 300;

impl Hub {
    /// Everything that changed after `resume_version`; all of the last `history_s` seconds when it is 0 or not ours.
    ///
    /// Every part replaces what the console holds of it, so a part may come twice and applying it again changes nothing.
    pub fn delta(&self, resume_version: u64, history_s: u32) -> Delta {
        let now_ns = self.now_ns();
        let version = *self.published.borrow();
        let is_resumed =
            resume_version != 0 && resume_version <= version && resume_version >= self.started_ns / 1_000_000;
        let history_s = if history_s == 0 { DEFAULT_HISTORY_S } else { u64::from(history_s).min(KEEP_S) };
        let (since, from_s) =
            if is_resumed { (resume_version, 0) } else { (0, (now_ns / SECOND_NS).saturating_sub(history_s)) };
        let receiver = self.receiver_stats();
        let store = self.store_stats();
        let state = self.state();
        Delta {
            version,
            now_unix_ns: now_ns,
            seconds: state.rollup.seconds_since(since, from_s),
            events: state.events.changed_since(since).cloned().collect(),
            receiver: Some(receiver),
            store: Some(store),
            alerts: if state.alerts_changed > since { state.alerts.clone() } else { Vec::new() },
            runs: state.runs.changed_since(since),
            coverage: state.rollup.coverage(),
            first_trace: state.first_trace.as_ref().filter(|(at, _)| *at > since).map(|(_, trace)| trace.clone()),
        }
    }

    /// What came in, and what was refused.
    pub fn receiver_stats(&self) -> ReceiverStats {
        let mut stats = self.receiver.get().map(|stats| stats.snapshot()).unwrap_or_default();
        stats.dropped_by_exporter = self.state().rollup.lost_by_exporter();
        stats
    }

    /// What is kept, and what had to go.
    pub fn store_stats(&self) -> StoreStats {
        let mut stats = self.traces.stats();
        let unnamed = self.receiver.get().map_or(0, |stats| stats.overflowed_names());
        let metrics = locked(&self.metrics).stats();
        let state = self.state();
        stats.overflowed_names = unnamed + state.rollup.overflowed_names();
        stats.misdated_spans = state.rollup.misdated();
        stats.unawaited_calls = state.rollup.hops_dropped();
        stats.dropped_seconds = state.rollup.dropped_seconds();
        stats.dropped_events = state.events.dropped();
        stats.metric_series = metrics.series as u64;
        stats.refused_points = metrics.refused_series + metrics.out_of_order + metrics.from_future + metrics.trimmed;
        stats
    }
}
