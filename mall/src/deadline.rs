//! The deadline of the request that the current task serves.
//!
//! A server sets it from `grpc-timeout` and its own limit, every call made on behalf of the request is bounded by what is
//! left of it, and the rest travels on. It is task-local: a spawned task has none until it sets one.

use futures::FutureExt as _;
use futures::future::Either;
use std::time::Duration;
use tokio::time::Instant;

tokio::task_local! {
    static DEADLINE: Instant;
}

/// The deadline passed before the work was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("deadline exceeded")]
pub struct Expired;

/// When the current request must be answered; `None` outside of any.
pub fn current() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok()
}

/// What is left of the current request's time, zero once it is over; `None` outside of any.
pub fn remaining() -> Option<Duration> {
    current().map(|deadline| deadline.saturating_duration_since(Instant::now()))
}

/// Runs `work` with at most `limit` from now and never longer than the surrounding deadline. Without either it runs
/// unbounded.
///
/// A plain function on purpose: an `async fn` would hold `work` twice.
pub fn within<T, F: Future<Output = T>>(limit: Option<Duration>, work: F) -> impl Future<Output = Result<T, Expired>> {
    let own = limit.map(|limit| Instant::now() + limit);
    let deadline = match (current(), own) {
        (Some(outer), Some(own)) => Some(outer.min(own)),
        (outer, own) => outer.or(own),
    };
    match deadline {
        None => Either::Left(work.map(Ok)),
        Some(deadline) => {
            let bounded = tokio::time::timeout_at(deadline, DEADLINE.scope(deadline, work));
            Either::Right(bounded.map(|outcome| outcome.map_err(|_| Expired)))
        }
    }
}

/// Runs `work` without any deadline, for work that outlives its request.
pub fn detached<T, F: Future<Output = T>>(work: F) -> impl Future<Output = T> {
    // Far enough never to fire, near enough for every clock.
    DEADLINE.scope(Instant::now() + Duration::from_hours(24 * 365), work)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn the_smaller_deadline_wins() {
        assert_eq!(remaining(), None);
        let outer = within(Some(LONG), async {
            let outer = current();
            let longer = within(Some(LONG * 2), async { current() == outer }).await;
            let shorter = within(Some(LONG / 2), async { current() < outer }).await;
            (longer, shorter)
        });
        assert_eq!(outer.await, Ok((Ok(true), Ok(true))));
    }

    #[tokio::test]
    async fn late_work_is_cut() {
        assert_eq!(within(Some(SHORT), std::future::pending::<()>()).await, Err(Expired));
        let nested = within(Some(SHORT), within(Some(LONG), std::future::pending::<()>())).await;
        assert_eq!(nested.map_or(Err(Expired), |inner| inner), Err(Expired));
    }

    #[tokio::test]
    async fn no_limit_means_no_limit() {
        assert_eq!(within(None, async { remaining() }).await, Ok(None));
    }

    #[tokio::test]
    async fn detached_work_outlives_its_request() {
        let left = within(Some(SHORT), detached(async { remaining() })).await;
        assert!(left.is_ok_and(|left| left.is_some_and(|left| left > LONG)));
    }
}
