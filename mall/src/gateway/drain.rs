//! Reading a body only to throw it away.
//!
//! A connection that is closed while its peer still sends is reset, and a reset takes the answer with it: who refuses a
//! body reads some more of it first. That concerns every refusal, whoever made it: a body is therefore kept until its
//! request is answered, and what nobody read is read then.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::HeaderMap;
use http::header::EXPECT;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;

/// Bytes that are read in vain at most; a client that still sends more loses the answer.
const BYTES: usize = 8 << 20;
/// Time that is spent on it at most.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was not read of a body by the time its reader dropped it.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// `None` for a request without a body.
    left: Option<Arc<Mutex<Option<Body>>>>,
}

/// A body whose rest outlives it.
struct Retained {
    body: Option<Body>,
    /// Nothing has to be read of a body that was never asked for: its client waits for `100 Continue`.
    is_awaited: bool,
    left: Arc<Mutex<Option<Body>>>,
}

/// The same request, and what will be left of its body.
pub(super) fn retain(request: Request) -> (Request, Rest) {
    if request.body().is_end_stream() {
        return (request, Rest::default());
    }
    let is_awaited = !awaits_permission(request.headers());
    let left = Arc::new(Mutex::new(None));
    let rest = Rest { left: Some(Arc::clone(&left)) };
    (request.map(|body| Body::new(Retained { body: Some(body), is_awaited, left })), rest)
}

impl Rest {
    /// Reads on until the body ends, breaks, or has cost enough. The request itself must be gone.
    pub(super) async fn drain(self) {
        self.drain_within(PATIENCE).await;
    }

    async fn drain_within(self, patience: Duration) {
        let left = self.left.and_then(|left| left.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(body) = left {
            // Whether it ended or not, the answer follows.
            let _ = tokio::time::timeout(patience, skip(body)).await;
        }
    }
}

impl http_body::Body for Retained {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_awaited = true;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Retained {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| self.is_awaited && !body.is_end_stream()) {
            *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

/// Whether the client sends its body only after it was asked to: refused before that, it has sent nothing.
fn awaits_permission(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

async fn skip(mut body: Body) {
    let mut skipped = 0;
    while skipped <= BYTES {
        let Some(Ok(frame)) = body.frame().await else { return };
        skipped += frame.data_ref().map_or(0, Bytes::len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{StreamExt as _, stream};
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const PIECE: usize = 64 << 10;

    /// A request whose endless body counts what was read of it.
    fn endless() -> (http::request::Builder, Body, Arc<AtomicUsize>) {
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        let pieces = stream::repeat(Bytes::from(vec![b'x'; PIECE])).inspect(move |piece| {
            counted.fetch_add(piece.len(), Ordering::Relaxed);
        });
        (Request::builder(), Body::from_stream(pieces.map(Ok::<_, Infallible>)), sent)
    }

    #[tokio::test]
    async fn an_endless_body_costs_only_so_much() {
        let (builder, body, sent) = endless();
        let (request, rest) = retain(builder.body(body).expect("legal"));
        drop(request);
        rest.drain().await;
        assert_eq!(sent.load(Ordering::Relaxed), BYTES + PIECE);
    }

    #[tokio::test]
    async fn what_a_reader_left_is_read_after_it() {
        let (builder, body, sent) = endless();
        let (request, rest) = retain(builder.body(body).expect("legal"));
        let mut reader = request.into_body();
        reader.frame().await.expect("a frame").expect("whole");
        drop(reader);
        assert_eq!(sent.load(Ordering::Relaxed), PIECE);
        rest.drain().await;
        assert_eq!(sent.load(Ordering::Relaxed), 2 * PIECE + BYTES);
    }

    #[tokio::test]
    async fn who_waits_to_be_asked_is_not_asked_in_vain() {
        let (builder, body, sent) = endless();
        let (request, rest) = retain(builder.header(EXPECT, "100-Continue").body(body).expect("legal"));
        drop(request);
        rest.drain().await;
        assert_eq!(sent.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_silent_client_is_not_waited_for_long() {
        let silent = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let (request, rest) = retain(Request::new(silent));
        drop(request);
        let draining = rest.drain_within(Duration::from_millis(10));
        tokio::time::timeout(Duration::from_secs(20), draining).await.expect("gives up");
    }

    #[tokio::test]
    async fn a_body_that_was_read_leaves_nothing() {
        let (request, rest) = retain(Request::new(Body::from("whole")));
        assert_eq!(request.into_body().collect().await.expect("whole").to_bytes(), "whole");
        let left = rest.left.as_ref().expect("has a body").lock().expect("not poisoned").is_none();
        assert!(left);
    }
}
