//! How long a server is waited for, and who is to blame when the wait ends.

use std::time::Duration;

use futures::FutureExt as _;

use crate::store::StoreError;

/// Kept of a request's time for saying that the database did not answer: cut off by its deadline, a request would blame
/// the service instead.
const FOR_THE_ANSWER: Duration = Duration::from_millis(50);

/// A server that is silent for so long does not answer. Longer than a lock is waited for,
/// and short enough for a request with its usual time to find out.
const SILENCE: Duration = Duration::from_millis(1_200);

/// How long to wait for a server: at most this long, and less when the current request must be answered before.
pub(super) fn patience(longest: Duration) -> Duration {
    let left = crate::deadline::remaining().map(|left| left.saturating_sub(FOR_THE_ANSWER));
    left.map_or(longest, |left| left.min(longest))
}

/// The server's answer, waited for with [`patience`]. A request that came with little time left says nothing about the
/// server: its end is [`StoreError::OutOfTime`].
///
/// A plain function on purpose: an `async fn` would hold `work` twice.
pub(super) fn answer<T>(
    longest: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> impl Future<Output = Result<T, StoreError>> {
    let patience = patience(longest);
    tokio::time::timeout(patience, work).map(move |outcome| match outcome {
        Ok(outcome) => outcome.map_err(StoreError::from),
        Err(_) => Err(blame(patience, longest)),
    })
}

/// Whose fault a silence is, where at most `longest` would have been waited.
fn blame(silence: Duration, longest: Duration) -> StoreError {
    if silence >= SILENCE.min(longest) {
        StoreError::Unreachable(format!("no answer in {} ms", silence.as_millis()))
    } else {
        StoreError::OutOfTime
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::within;

    #[test]
    fn silence_is_the_servers_fault_and_haste_the_requests() {
        let [long, short] = [Duration::from_secs(5), Duration::from_secs(1)];
        let ms = Duration::from_millis;
        for (silence, longest) in [(ms(5_000), long), (ms(1_950), long), (ms(1_200), long), (ms(1_000), short)] {
            assert!(matches!(blame(silence, longest), StoreError::Unreachable(_)), "{silence:?} of {longest:?}");
        }
        for (silence, longest) in [(ms(1_199), long), (ms(0), long), (ms(999), short)] {
            assert!(matches!(blame(silence, longest), StoreError::OutOfTime), "{silence:?} of {longest:?}");
        }
    }

    #[tokio::test]
    async fn a_request_with_little_time_blames_nobody() {
        assert_eq!(patience(Duration::from_secs(5)), Duration::from_secs(5));
        let silent = async { answer(Duration::from_secs(5), std::future::pending::<Result<(), sqlx::Error>>()).await };
        let outcome = within(Some(Duration::from_millis(60)), silent).await.expect("is answered before it is over");
        assert!(matches!(outcome, Err(StoreError::OutOfTime)), "{outcome:?}");
    }
}
