//! SIGINT, SIGTERM and SIGHUP of the process.
//!
//! The worker pool installs a handler of its own when nobody has one, and that handler leaves the process at the second
//! signal. This one is installed before: the first signal ends the schedule, the second gives up what still waits.

use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// What the running load has of the process's one handler.
static SLOT: Mutex<Option<Interrupt>> = Mutex::new(None);

/// The two steps of an interruption.
#[derive(Debug, Clone)]
pub struct Interrupt {
    stop: CancellationToken,
    give_up: CancellationToken,
}

impl Interrupt {
    /// Cancelled by the second signal.
    pub fn given_up(&self) -> &CancellationToken {
        &self.give_up
    }
}

/// Routes the process's signals to this run.
pub fn install(stop: &CancellationToken) -> Interrupt {
    let interrupt = Interrupt { stop: stop.clone(), give_up: CancellationToken::new() };
    *SLOT.lock().unwrap_or_else(PoisonError::into_inner) = Some(interrupt.clone());
    // An earlier run of this process installed the handler already; it reads the slot.
    if let Err(error) = ctrlc::set_handler(signalled) {
        tracing::debug!(%error, "signal handler stays as it is");
    }
    interrupt
}

fn signalled() {
    let slot = SLOT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(interrupt) = slot.as_ref() {
        if interrupt.stop.is_cancelled() {
            interrupt.give_up.cancel();
        }
        interrupt.stop.cancel();
    }
}
