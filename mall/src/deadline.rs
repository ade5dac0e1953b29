//! The deadline of the request that the current task serves.
//!
//! A server sets it from `grpc-timeout` and its own limit, every call made on behalf of the request is bounded by what is
//! left of it, and the rest travels on. It is task-local: a spawned task has none until it sets one.

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
pub async fn within<T>(limit: Option<Duration>, work: impl Future<Output = T>) -> Result<T, Expired> {
    let own = limit.map(|limit| Instant::now() + limit);
    let deadline = match (current(), own) {
        (Some(outer), Some(own)) => outer.min(own),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => return Ok(work.await),
    };
    tokio::time::timeout_at(deadline, DEADLINE.scope(deadline, work)).await.map_err(|_| Expired)
}

/// Runs `work` without any deadline, for work that outlives its request.
pub async fn detached<T>(work: impl Future<Output = T>) -> T {
    // Far enough never to fire, near enough for every clock.
    DEADLINE.scope(Instant::now() + Duration::from_secs(86_400 * 365), work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_smaller_deadline_wins() {
        assert_eq!(remaining(), None);
        let seen = within(Some(Duration::from_millis(100)), async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            within(Some(Duration::from_secs(5)), async { remaining() }).await
        })
        .await;
        assert_eq!(seen, Ok(Ok(Some(Duration::from_millis(70)))));
    }

    #[tokio::test(start_paused = true)]
    async fn late_work_is_cut() {
        let late = within(Some(Duration::from_millis(10)), tokio::time::sleep(Duration::from_secs(1))).await;
        assert_eq!(late, Err(Expired));
    }

    #[tokio::test(start_paused = true)]
    async fn no_limit_means_no_limit() {
        assert_eq!(within(None, async { remaining() }).await, Ok(None));
    }
}
