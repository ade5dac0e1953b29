//! One connection, from its first byte to its last answer.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::time::{Duration, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::handler::Handler;
use super::watch::{Pulse, Watched};
use super::{Limits, ReplyBody, Stats, grpc, http as otlp_http};

/// What a port speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    Http,
}

/// Counts a connection while it is open.
pub(super) struct Open(Arc<Stats>, Protocol);

fn gauge(stats: &Stats, protocol: Protocol) -> &AtomicU64 {
    match protocol {
        Protocol::Grpc => &stats.grpc_connections,
        Protocol::Http => &stats.http_connections,
    }
}

impl Open {
    pub fn new(stats: &Arc<Stats>, protocol: Protocol) -> Self {
        gauge(stats, protocol).fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(stats), protocol)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge(&self.0, self.1).fetch_sub(1, Ordering::Relaxed);
    }
}

/// An accepted connection.
pub(super) struct Connection {
    pub protocol: Protocol,
    pub handler: Arc<Handler>,
    pub stop: CancellationToken,
    pub open: Open,
}

/// What a connection begins with.
enum Opening {
    Http1,
    Http2,
    Tls,
    /// The other side closed without a word, as probes of a port do.
    Nothing,
}

impl Connection {
    /// Serves it until either side ends it.
    pub async fn serve(self, stream: TcpStream) {
        let limits = &self.handler.limits;
        let stats = Arc::clone(&self.open.0);
        let opening = tokio::select! {
            opening = timeout(limits.header_timeout, opening(&stream)) => opening,
            () = self.stop.cancelled() => return,
        };
        let is_http2 = match opening {
            Ok(Opening::Http1) => false,
            Ok(Opening::Http2) => true,
            Ok(Opening::Nothing) => return,
            Err(_) => return stats.hang_up("silent connection"),
            Ok(Opening::Tls) => {
                return stats.refuse_request(
                    "tls on a plain port",
                    "a sender spoke TLS: this port is plain, use http:// or insecure",
                );
            }
        };
        // Small answers must not wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let pulse = Pulse::new(is_http2);
        let io = TokioIo::new(Watched::new(stream, Arc::clone(&pulse)));
        let service = service_fn(|request: Request<Incoming>| {
            let active = pulse.begin();
            let answer = answer(Arc::clone(&self.handler), self.protocol, request);
            async move {
                let response = answer.await;
                drop(active);
                Ok::<_, Infallible>(response)
            }
        });
        let builder = builder(limits);
        let connection = builder.serve_connection(io, service);
        let mut connection = std::pin::pin!(connection);
        let mut stopping = false;
        loop {
            tokio::select! {
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        note_broken(&stats, error.as_ref());
                    }
                    return;
                }
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = sleep(limits.header_timeout / 4) => {
                    if let Some(reason) = pulse.complaint(limits) {
                        return stats.hang_up(reason);
                    }
                }
            }
        }
    }
}

/// Reads the first bytes without taking them.
async fn opening(stream: &TcpStream) -> Opening {
    let mut first = [0_u8; 3];
    loop {
        let Ok(seen) = stream.peek(&mut first).await else { return Opening::Nothing };
        match first.get(..seen).unwrap_or_default() {
            [] => return Opening::Nothing,
            [0x16, ..] => return Opening::Tls,
            b"PRI" => return Opening::Http2,
            // Too little to tell `PRI` from `PUT` yet; a byte that was peeked at stays readable, so wait for the next.
            b"P" | b"PR" => sleep(Duration::from_millis(5)).await,
            _ => return Opening::Http1,
        }
    }
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(limits.max_header_bytes.max(8 << 10));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(limits.max_header_bytes as u32)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

fn answer(
    handler: Arc<Handler>,
    protocol: Protocol,
    request: Request<Incoming>,
) -> impl Future<Output = Response<ReplyBody>> {
    super::stats::add(&handler.stats.requests, 1);
    async move {
        match protocol {
            Protocol::Grpc => grpc::answer(handler, request).await,
            Protocol::Http => otlp_http::answer(handler, request).await,
        }
    }
}

/// Counts a connection that broke the protocol. A peer that went away is no news.
fn note_broken(stats: &Stats, error: &(dyn std::error::Error + 'static)) {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(hyper_error) = error.downcast_ref::<hyper::Error>()
            && (hyper_error.is_parse() || hyper_error.is_parse_too_large())
        {
            return stats.refuse_request("not http", &super::refusal::quoted(&hyper_error.to_string()));
        }
        cause = error.source();
    }
}
