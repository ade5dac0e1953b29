//! Reading a body only to throw it away.
//!
//! A connection that is closed while its peer still sends is reset, and a reset takes the answer with it: who refuses a
//! body reads some more of it first.

use std::time::Duration;

use axum::body::Body;
use http::HeaderMap;
use http::header::EXPECT;
use http_body_util::BodyExt as _;

use crate::deadline;

/// Bytes that are read in vain at most; a client that still sends more loses the answer.
const BYTES: usize = 8 << 20;
/// Time that is spent on it at most.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the client sends its body only after it was asked to: refused before that, it has sent nothing.
pub(super) fn awaits_permission(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Reads on until the body ends, breaks, or has cost enough.
pub(super) async fn drain(body: Body) {
    // Half of what the request has left, or the refusal itself would come too late.
    let patience = deadline::remaining().map_or(PATIENCE, |left| PATIENCE.min(left / 2));
    // Whether it ended or not, the answer follows.
    let _ = tokio::time::timeout(patience, skip(body, BYTES)).await;
}

async fn skip(mut body: Body, most: usize) {
    let mut skipped = 0;
    while skipped <= most {
        let Some(Ok(frame)) = body.frame().await else { return };
        skipped += frame.data_ref().map_or(0, bytes::Bytes::len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures::{StreamExt as _, stream};
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn an_endless_body_costs_only_so_much() {
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        let piece = Bytes::from(vec![b'x'; 64 << 10]);
        let endless = stream::repeat(piece).inspect(move |piece| {
            counted.fetch_add(piece.len(), Ordering::Relaxed);
        });
        drain(Body::from_stream(endless.map(Ok::<_, Infallible>))).await;
        assert_eq!(sent.load(Ordering::Relaxed), BYTES + (64 << 10));
    }

    #[tokio::test]
    async fn a_silent_client_leaves_time_for_the_answer() {
        let silent = async { drain(Body::from_stream(stream::pending::<Result<Bytes, Infallible>>())).await };
        assert_eq!(deadline::within(Some(Duration::from_millis(200)), silent).await, Ok(()));
    }
}
