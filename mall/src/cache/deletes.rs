//! Deletions that come later.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Keys that may wait; one more is lost, and counted.
const WAITING: usize = 10_000;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
/// When a deletion is tried: the repetition of one that succeeded as the first attempt after one that failed, then on.
const STEPS: [Duration; 5] =
    [SECOND, SECOND.saturating_mul(5), MINUTE, MINUTE.saturating_mul(5), MINUTE.saturating_mul(60)];

/// Keys that wait to be deleted, each once.
#[derive(Default)]
pub(super) struct Deletes {
    waiting: Mutex<HashMap<String, Waiting>>,
    changed: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    due: Instant,
    step: usize,
}

/// What became of a key that was to be deleted later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PutOff {
    /// It waits.
    Waits,
    /// There were no steps left, or no room.
    Lost,
}

/// A key whose time has come, and how often it was tried.
pub(super) struct Due {
    pub(super) key: String,
    step: usize,
}

impl Deletes {
    /// Deletes a key a second from now; one that waits already waits from now on.
    pub(super) fn soon(&self, key: String) -> PutOff {
        self.put(key, 0, Instant::now())
    }

    /// Puts off a deletion that failed again.
    pub(super) fn again(&self, due: Due) -> PutOff {
        self.put(due.key, due.step + 1, Instant::now())
    }

    fn put(&self, key: String, step: usize, now: Instant) -> PutOff {
        let Some(pause) = STEPS.get(step) else { return PutOff::Lost };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= WAITING && !waiting.contains_key(&key) {
            return PutOff::Lost;
        }
        waiting.insert(key, Waiting { due: now + *pause, step });
        drop(waiting);
        self.changed.notify_one();
        PutOff::Waits
    }

    /// Waits until a key is due, and takes every key that is.
    pub(super) async fn due(&self) -> Vec<Due> {
        loop {
            let next = self.next();
            let changed = self.changed.notified();
            match next {
                Some(next) if next <= Instant::now() => return self.take(|waiting| waiting.due <= next),
                Some(next) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(next) => {}
                        () = changed => {}
                    }
                }
                None => changed.await,
            }
        }
    }

    /// Takes every key, due or not: the process ends.
    pub(super) fn all(&self) -> Vec<Due> {
        self.take(|_| true)
    }

    fn next(&self) -> Option<Instant> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.values().map(|waiting| waiting.due).min()
    }

    fn take(&self, is_due: impl Fn(&Waiting) -> bool) -> Vec<Due> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = waiting.extract_if(|_, waiting| is_due(waiting));
        taken.map(|(key, waiting)| Due { key, step: waiting.step }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_deletion_is_tried_at_the_steps_and_then_given_up() {
        let deletes = Deletes::default();
        let began = Instant::now();
        let mut outcome = deletes.put("key".to_owned(), 0, began);
        let mut tried = Vec::new();
        while outcome == PutOff::Waits {
            let now = deletes.next().expect("one waits");
            tried.push(now.duration_since(began).as_secs());
            let due = deletes.take(|waiting| waiting.due <= now).pop().expect("one is due");
            outcome = deletes.put(due.key, due.step + 1, now);
        }
        assert_eq!(tried, [1, 6, 66, 366, 3_966]);
        assert_eq!(deletes.next(), None);
    }

    #[test]
    fn a_key_waits_once_from_its_last_change() {
        let deletes = Deletes::default();
        let began = Instant::now();
        for since in [Duration::ZERO, SECOND / 2] {
            assert_eq!(deletes.put("key".to_owned(), 0, began + since), PutOff::Waits);
        }
        assert_eq!(deletes.next(), Some(began + SECOND * 3 / 2));
        assert_eq!(deletes.all().len(), 1);
    }

    #[tokio::test]
    async fn what_is_due_is_taken_and_the_rest_waits() {
        let deletes = Deletes::default();
        let now = Instant::now();
        let long_ago = now.checked_sub(MINUTE).unwrap_or(now);
        assert_eq!(deletes.put("late".to_owned(), 0, now + MINUTE), PutOff::Waits);
        assert_eq!(deletes.put("due".to_owned(), 0, long_ago), PutOff::Waits);
        let due: Vec<String> = deletes.due().await.into_iter().map(|due| due.key).collect();
        assert_eq!(due, ["due"]);
        assert_eq!(deletes.all().len(), 1);
    }

    #[test]
    fn the_queue_is_bounded_and_can_be_emptied_at_once() {
        let deletes = Deletes::default();
        for key in 0..WAITING {
            assert_eq!(deletes.soon(key.to_string()), PutOff::Waits);
        }
        assert_eq!(deletes.soon("one more".to_owned()), PutOff::Lost);
        assert_eq!(deletes.soon("0".to_owned()), PutOff::Waits, "a key that waits may wait again");
        assert_eq!(deletes.all().len(), WAITING);
    }
}
