//! A connection's pulse: what its requests do, and when it has been silent or half-spoken for too long.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Duration, Instant};

use super::Limits;

/// Milliseconds since the connection was opened, plus one so that zero means never.
#[derive(Debug)]
pub(super) struct Pulse {
    opened: Instant,
    active: AtomicUsize,
    is_http2: bool,
    /// When the last request ended.
    idle_since: AtomicU64,
    /// When the first byte came that belongs to no request yet.
    speaking_since: AtomicU64,
}

impl Pulse {
    pub fn new(is_http2: bool) -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            active: AtomicUsize::new(0),
            is_http2,
            idle_since: AtomicU64::new(1),
            speaking_since: AtomicU64::new(0),
        })
    }

    fn now(&self) -> u64 {
        self.opened.elapsed().as_millis() as u64 + 1
    }

    /// A request's headers are complete.
    pub fn begin(self: &Arc<Self>) -> Active {
        self.active.fetch_add(1, Ordering::Relaxed);
        self.speaking_since.store(0, Ordering::Relaxed);
        Active(Arc::clone(self))
    }

    fn heard(&self) {
        if self.active.load(Ordering::Relaxed) == 0 && self.speaking_since.load(Ordering::Relaxed) == 0 {
            self.speaking_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Why the connection should be closed now. HTTP/2 connections talk between requests, so only their silence counts.
    pub fn complaint(&self, limits: &Limits) -> Option<&'static str> {
        if self.active.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let has_passed =
            |since: u64, limit: Duration| since > 0 && self.now().saturating_sub(since) > limit.as_millis() as u64;
        if !self.is_http2 && has_passed(self.speaking_since.load(Ordering::Relaxed), limits.header_timeout) {
            return Some("slow headers");
        }
        has_passed(self.idle_since.load(Ordering::Relaxed), limits.idle_timeout).then_some("idle connection")
    }
}

/// A request under way.
pub(super) struct Active(Arc<Pulse>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.now(), Ordering::Relaxed);
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that tells its pulse when it was heard.
pub(super) struct Watched<S> {
    stream: S,
    pulse: Arc<Pulse>,
}

impl<S> Watched<S> {
    pub fn new(stream: S, pulse: Arc<Pulse>) -> Self {
        Self { stream, pulse }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.pulse.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
