//! One look-up per key at a time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// Look-ups under way. The first who asks for a key does the work; the others wait for its outcome. When the first one is
/// cancelled, panics or has no more time, one of the others does the work: nobody waits for somebody who is gone, or pays
/// for another's haste.
pub(super) struct Flights<T> {
    under_way: Mutex<HashMap<Box<str>, watch::Receiver<Option<T>>>>,
}

enum Seat<'a, T> {
    First(Flight<'a, T>),
    Other(watch::Receiver<Option<T>>),
}

/// The work of the first one. Dropped without an outcome, it closes the channel on which the others wait.
struct Flight<'a, T> {
    flights: &'a Flights<T>,
    key: &'a str,
    outcome: watch::Sender<Option<T>>,
}

impl<T: Clone> Flights<T> {
    pub(super) fn new() -> Self {
        Self { under_way: Mutex::default() }
    }

    /// The outcome of `work` or of somebody else's, and whether it is that of `work`. An outcome that `is_private` is
    /// nobody else's.
    pub(super) async fn run(
        &self,
        key: &str,
        is_private: impl FnOnce(&T) -> bool,
        work: impl Future<Output = T>,
    ) -> (T, bool) {
        loop {
            match self.board(key) {
                Seat::First(flight) => {
                    let outcome = work.await;
                    if !is_private(&outcome) {
                        flight.land(outcome.clone());
                    }
                    return (outcome, true);
                }
                Seat::Other(mut outcome) => {
                    let landed = outcome.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
                    if let Some(outcome) = landed {
                        return (outcome, false);
                    }
                }
            }
        }
    }

    fn board<'a>(&'a self, key: &'a str) -> Seat<'a, T> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = under_way.get(key) {
            return Seat::Other(outcome.clone());
        }
        let (outcome, receiver) = watch::channel(None);
        under_way.insert(key.into(), receiver);
        Seat::First(Flight { flights: self, key, outcome })
    }
}

impl<T> Flight<'_, T> {
    fn land(self, outcome: T) {
        self.outcome.send_replace(Some(outcome));
    }
}

impl<T> Drop for Flight<'_, T> {
    fn drop(&mut self) {
        // Before the channel closes, so that who waits finds the seat of the first one free.
        self.flights.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use std::panic::AssertUnwindSafe;
    use std::pin::pin;

    const SHARED: fn(&i32) -> bool = |_| false;

    #[tokio::test]
    async fn who_had_no_time_fails_alone() {
        let flights = Flights::new();
        let (send, receive) = tokio::sync::oneshot::channel();
        let mut hasty = pin!(flights.run("key", |outcome| *outcome < 0, async { receive.await.expect("is sent") }));
        assert!(hasty.as_mut().now_or_never().is_none());
        let mut other = pin!(flights.run("key", SHARED, async { 2 }));
        assert!(other.as_mut().now_or_never().is_none(), "it waits for the first one");
        send.send(-1).expect("is awaited");
        assert_eq!((hasty.await, other.await), ((-1, true), (2, true)));
    }

    #[tokio::test]
    async fn one_works_and_all_share() {
        let flights = Flights::new();
        let (send, receive) = tokio::sync::oneshot::channel();
        let mut first = pin!(flights.run("key", SHARED, async { receive.await.expect("is sent") }));
        assert!(first.as_mut().now_or_never().is_none());
        let mut other = pin!(flights.run("key", SHARED, async { unreachable!("the first one works") }));
        assert!(other.as_mut().now_or_never().is_none());
        assert_eq!(flights.run("another", SHARED, async { 1 }).await, (1, true), "another key is not held up");
        send.send(7).expect("is awaited");
        assert_eq!((first.await, other.await), ((7, true), (7, false)));
        assert!(flights.under_way.lock().expect("not poisoned").is_empty());
    }

    #[tokio::test]
    async fn whoever_waits_takes_over_from_one_who_is_gone() {
        let flights = Flights::new();
        let mut other = Box::pin(flights.run("key", SHARED, async { 2 }));
        {
            let mut cancelled = pin!(flights.run("key", SHARED, std::future::pending()));
            assert!(cancelled.as_mut().now_or_never().is_none());
            assert!(other.as_mut().now_or_never().is_none(), "it waits for the first one");
        }
        assert_eq!(other.await, (2, true));

        let panicking = flights.run("key", SHARED, async { panic!("on purpose") });
        assert!(AssertUnwindSafe(panicking).catch_unwind().await.is_err());
        assert_eq!(flights.run("key", SHARED, async { 3 }).await, (3, true));
    }
}
