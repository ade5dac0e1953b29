//! What happens as time passes.

use collector_api::console::TraceSummary;

use super::state::State;
use super::{Hub, locked};
use crate::analysis::{Attribution, Forest, forest, segments};
use crate::rollup::SECOND_NS;
use crate::store::{QuietTrace, Summary};

/// How often [`Hub::tick`] wants to be called.
pub const TICK: std::time::Duration = std::time::Duration::from_millis(250);

/// The slowest trace of each operation in this many seconds is what consoles are referred to.
const CITED_S: u64 = 10;

struct Analysed {
    summary: Summary,
    is_first: bool,
    forest: Forest,
    attribution: Option<Attribution>,
}

impl Hub {
    /// Analyses what fell quiet, evaluates rules, ages what is kept, and tells consoles when something changed.
    ///
    /// Blocks for as long as the analysis takes; call it every [`TICK`] away from the receiver's threads.
    pub fn tick(&self) {
        let now_ns = self.now_ns();
        self.cite(now_ns);
        let quiet: Vec<Analysed> = self.traces.take_quiet(now_ns).into_iter().map(analyse).collect();
        self.settle_quiet(&quiet, now_ns);
        self.evaluate_rules(now_ns);
        let published = self.state().publish();
        if let Some(version) = published {
            self.published.send_replace(version);
        }
    }

    /// Traces that the operations of the last seconds refer to shall stay when they are decided on.
    fn cite(&self, now_ns: u64) {
        if self.traces.keep().is_all() {
            return;
        }
        let cited = self.state().rollup.cited(now_ns / SECOND_NS, CITED_S);
        for trace in cited {
            self.traces.cite(trace);
        }
    }

    fn settle_quiet(&self, quiet: &[Analysed], now_ns: u64) {
        let mut state = self.state();
        let version = if quiet.is_empty() { state.version() } else { state.touch() };
        for trace in quiet {
            note_first(&mut state, trace, version);
            if let Some(attribution) = &trace.attribution {
                state.runs.analysed(&trace.forest, attribution, !trace.is_first, version);
            }
        }
        let State { rollup, runs, events, .. } = &mut *state;
        if runs.is_any_active() {
            rollup.load_is_active(now_ns);
        }
        rollup.tick(now_ns, events, version);
        runs.age(now_ns, events, version);
    }

    fn evaluate_rules(&self, now_ns: u64) {
        let mut alerting = locked(&self.alerting);
        if !alerting.is_due(now_ns) {
            return;
        }
        let transitions = alerting.evaluate(now_ns, &locked(&self.metrics));
        let alerts = alerting.alerts();
        let mut state = self.state();
        if !transitions.is_empty() || alerts != state.alerts {
            let version = state.touch();
            state.alerts = alerts;
            state.alerts_changed = version;
            alerting.log(&transitions, &mut state.events, version);
        }
    }
}

fn analyse(quiet: QuietTrace) -> Analysed {
    let forest = forest(&quiet.spans);
    let attribution = segments(&forest);
    Analysed { summary: quiet.summary, is_first: quiet.is_first, forest, attribution }
}

fn note_first(state: &mut State, trace: &Analysed, version: u64) {
    if state.first_trace.is_none() && trace.summary.complete {
        state.first_trace = Some((version, TraceSummary::from(&trace.summary)));
    }
}
