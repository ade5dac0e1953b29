//! The fault timeline of a drill.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::hooks::Faults;
use crate::report::InjectedFault;
use crate::scenario::TimedFault;

/// A running timeline.
pub struct Drill {
    tasks: Vec<JoinHandle<()>>,
    state: Arc<Mutex<State>>,
    faults: Option<Arc<dyn Faults>>,
}

#[derive(Default)]
struct State {
    injected: Vec<InjectedFault>,
    ids: Vec<String>,
}

impl Drill {
    /// Schedules every fault of a run that begins at `start`.
    pub fn begin(
        timeline: &[TimedFault],
        faults: Option<&Arc<dyn Faults>>,
        run_id: &str,
        start: Instant,
        clock: Clock,
    ) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let task = |fault: &TimedFault, faults: &Arc<dyn Faults>| {
            let (fault, faults, run_id, state) = (fault.clone(), faults.clone(), run_id.to_owned(), state.clone());
            tokio::spawn(async move {
                tokio::time::sleep_until((start + fault.at).into()).await;
                let outcome = faults.add(&fault.spec, fault.lasts, &run_id).await.map_err(|error| error.to_string());
                if let Err(why) = &outcome {
                    tracing::warn!(fault = fault.spec, why, "fault was not injected");
                }
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                state.ids.extend(outcome.clone().ok());
                state.injected.push(InjectedFault {
                    unix_ns: clock.unix_ns(Instant::now()),
                    spec: fault.spec,
                    outcome,
                });
            })
        };
        let tasks = faults.map_or_else(Vec::new, |faults| timeline.iter().map(|fault| task(fault, faults)).collect());
        Self { tasks, state, faults: faults.cloned() }
    }

    /// Ends the timeline and every fault that is still in force; tells what was injected.
    pub async fn end(self) -> Vec<InjectedFault> {
        self.tasks.iter().for_each(JoinHandle::abort);
        let State { injected, ids } = std::mem::take(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(faults) = self.faults.filter(|_| !ids.is_empty())
            && let Err(error) = faults.clear(ids).await
        {
            tracing::warn!(%error, "faults end by themselves");
        }
        injected
    }
}
