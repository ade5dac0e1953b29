//! Whether anybody still wants the stack: the parent's pipe, the consoles that are attached, and the grace between.
//!
//! A stack in the foreground belongs to the process that started it. When that one goes without saying whether the
//! stack shall stay, a console may take over within [`GRACE`]; otherwise the stack goes down.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a stack without a parent waits for a console.
pub const GRACE: Duration = Duration::from_mins(1);

/// Who wants the stack.
#[derive(Debug)]
pub struct Presence {
    grace: Duration,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Clone, Copy)]
struct State {
    detached: bool,
    parent_lost: bool,
    consoles: u32,
    grace_ends: Option<Instant>,
}

/// How the stack is held, as `status` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A parent or a console holds it.
    Foreground,
    /// It runs until told to stop.
    Detached,
    /// Nobody holds it; it stops after so long.
    Grace(Duration),
}

impl Presence {
    /// A stack that was started in the background or in the foreground, and how long it waits for a console once lost.
    pub fn new(detached: bool, grace: Duration) -> Self {
        let state = State { detached, parent_lost: false, consoles: 0, grace_ends: None };
        Self { grace, state: Mutex::new(state), changed: Notify::new() }
    }

    /// The parent may go.
    pub fn detach(&self) {
        self.change(|state| state.detached = true);
    }

    /// The parent's pipe closed.
    pub fn parent_lost(&self) {
        self.change(|state| state.parent_lost = true);
    }

    /// A console attached.
    pub fn console_attached(&self) {
        self.change(|state| state.consoles += 1);
    }

    /// A console left.
    pub fn console_left(&self) {
        self.change(|state| state.consoles = state.consoles.saturating_sub(1));
    }

    /// How the stack is held now.
    pub fn mode(&self) -> Mode {
        let state = *self.lock();
        match state.grace_ends {
            _ if state.detached => Mode::Detached,
            Some(ends) => Mode::Grace(ends.saturating_duration_since(Instant::now())),
            None => Mode::Foreground,
        }
    }

    /// Returns when a grace has run out.
    pub async fn abandoned(&self) {
        loop {
            let grace_ends = self.lock().grace_ends;
            match grace_ends {
                Some(ends) => tokio::select! {
                    () = tokio::time::sleep_until(ends) => return,
                    () = self.changed.notified() => {}
                },
                None => self.changed.notified().await,
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let unwanted = state.parent_lost && !state.detached && state.consoles == 0;
        state.grace_ends = unwanted.then(|| state.grace_ends.unwrap_or_else(|| Instant::now() + self.grace));
        drop(state);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    async fn is_abandoned_within(presence: &Presence, limit: Duration) -> bool {
        tokio::time::timeout(limit, presence.abandoned()).await.is_ok()
    }

    #[tokio::test]
    async fn a_lost_parent_ends_the_stack_after_the_grace() {
        let presence = Presence::new(false, SHORT);
        assert_eq!(presence.mode(), Mode::Foreground);
        presence.parent_lost();
        assert!(matches!(presence.mode(), Mode::Grace(left) if left <= SHORT));
        assert!(is_abandoned_within(&presence, GRACE).await);
    }

    #[tokio::test]
    async fn a_console_in_time_keeps_the_stack_and_its_leaving_starts_a_new_grace() {
        let presence = Presence::new(false, SHORT);
        presence.parent_lost();
        presence.console_attached();
        assert_eq!(presence.mode(), Mode::Foreground);
        assert!(!is_abandoned_within(&presence, SHORT * 3).await);
        presence.console_left();
        assert!(matches!(presence.mode(), Mode::Grace(_)));
        assert!(is_abandoned_within(&presence, GRACE).await);
    }

    #[tokio::test]
    async fn a_detached_stack_needs_nobody() {
        let presence = Presence::new(false, SHORT);
        presence.parent_lost();
        presence.detach();
        assert_eq!(presence.mode(), Mode::Detached);
        assert!(!is_abandoned_within(&presence, SHORT * 3).await);
    }
}
