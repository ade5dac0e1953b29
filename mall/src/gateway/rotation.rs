//! Which of two secrets a token is tried with first.
//!
//! While a secret is being replaced, most tokens are signed with the old one at first and with the new one at last. As in
//! go-zero the secret with more successes goes first, the previous one when they are equal, and counting begins anew every
//! 24 hours. go-zero never moves the time of that reset, so that after a day it forgets on every success; here it is moved.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governance::Clock;

/// How long successes are counted together.
const PERIOD: Duration = Duration::from_hours(24);

/// One of the two secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// Signs and checks.
    Current,
    /// Checks what was signed before.
    Previous,
}

/// Successes of both secrets.
pub(super) struct Rotation {
    clock: Arc<dyn Clock>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    current: u64,
    previous: u64,
    since: Duration,
}

impl Rotation {
    /// Nothing counted yet.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let counts = Counts { since: clock.now(), ..Counts::default() };
        Self { clock, counts: Mutex::new(counts) }
    }

    /// Both secrets, the likelier one first.
    pub(super) fn order(&self) -> [Key; 2] {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).order()
    }

    /// A token was signed with `key`.
    pub(super) fn succeeded(&self, key: Key) {
        let now = self.clock.now();
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).succeeded(key, now);
    }
}

impl Counts {
    const fn order(&self) -> [Key; 2] {
        if self.current > self.previous { [Key::Current, Key::Previous] } else { [Key::Previous, Key::Current] }
    }

    fn succeeded(&mut self, key: Key, now: Duration) {
        if now.saturating_sub(self.since) > PERIOD {
            *self = Self { since: now, ..Self::default() };
        }
        match key {
            Key::Current => self.current += 1,
            Key::Previous => self.previous += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governance::ManualClock;
    use proptest::prelude::*;

    #[test]
    fn the_previous_secret_goes_first_until_the_new_one_leads() {
        let rotation = Rotation::new(Arc::new(ManualClock::new()));
        assert_eq!(rotation.order(), [Key::Previous, Key::Current]);
        rotation.succeeded(Key::Previous);
        rotation.succeeded(Key::Current);
        assert_eq!(rotation.order(), [Key::Previous, Key::Current]);
        rotation.succeeded(Key::Current);
        assert_eq!(rotation.order(), [Key::Current, Key::Previous]);
    }

    #[test]
    fn a_day_later_counting_begins_anew_once() {
        let clock = Arc::new(ManualClock::new());
        let rotation = Rotation::new(clock.clone());
        for _ in 0..5 {
            rotation.succeeded(Key::Current);
        }
        clock.advance(PERIOD);
        rotation.succeeded(Key::Current);
        assert_eq!(rotation.order()[0], Key::Current);
        clock.advance(Duration::from_nanos(1));
        rotation.succeeded(Key::Previous);
        assert_eq!(rotation.order()[0], Key::Previous);
        // The day that began just now counts on: go-zero would forget here again.
        rotation.succeeded(Key::Current);
        rotation.succeeded(Key::Current);
        assert_eq!(rotation.order()[0], Key::Current);
    }

    proptest! {
        #[test]
        fn within_a_day_the_majority_goes_first(successes in prop::collection::vec(any::<bool>(), 0..64)) {
            let mut counts = Counts::default();
            for is_current in &successes {
                counts.succeeded(if *is_current { Key::Current } else { Key::Previous }, Duration::from_secs(1));
            }
            let current = successes.iter().filter(|is_current| **is_current).count();
            let leads = current > successes.len() - current;
            prop_assert_eq!(counts.order()[0] == Key::Current, leads);
        }
    }
}
