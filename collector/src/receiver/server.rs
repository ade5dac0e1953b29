//! Both sockets, from bind to drain.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::body::Compression;
use super::handler::{Handler, Signal};
use super::watch::{Pulse, Watched};
use super::{Limits, ReplyBody, Sink, Stats, grpc, http as otlp_http};

/// A port that could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for otlp over {role} on {address}: {source}")]
pub struct BindError {
    /// `grpc` or `http`.
    pub role: &'static str,
    /// The address that was asked for.
    pub address: SocketAddr,
    /// Why not.
    pub source: std::io::Error,
}

/// Two open ports, not yet served.
pub struct Receiver {
    grpc: TcpListener,
    http: TcpListener,
    addresses: (SocketAddr, SocketAddr),
    handler: Arc<Handler>,
}

async fn listen(role: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), BindError> {
    let failed = |source| BindError { role, address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

impl Receiver {
    /// Opens both ports or none. Port 0 takes any free one.
    pub async fn bind(
        grpc: SocketAddr,
        http: SocketAddr,
        limits: Limits,
        sink: Arc<dyn Sink>,
    ) -> Result<Self, BindError> {
        let (grpc, grpc_address) = listen("grpc", grpc).await?;
        let (http, http_address) = listen("http", http).await?;
        let handler = Arc::new(Handler::new(limits, Arc::default(), sink));
        Ok(Self { grpc, http, addresses: (grpc_address, http_address), handler })
    }

    /// The addresses that were opened: gRPC, HTTP.
    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        self.addresses
    }

    /// The counters, also after [`Receiver::serve`] took the receiver.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.handler.stats)
    }

    /// Takes in the bytes of an uncompressed request on the caller's thread, as if they had come over a port: for replay
    /// and for benches. The answer is the encoded `Export…ServiceResponse`.
    pub fn take_in(&self, signal: Signal, body: Bytes) -> Result<Bytes, Status> {
        let mut reservation = self.handler.in_flight.reserve();
        let taken = reservation
            .grow(body.len())
            .and_then(|()| self.handler.take_in(signal, Compression::None, body, reservation));
        taken.map(Bytes::from).map_err(|refusal| {
            self.handler.stats.refuse_request(refusal.reason(), &refusal.to_string());
            refusal.status(&self.handler.limits)
        })
    }

    /// Serves both ports until `stop`; then open requests get [`Limits::drain_timeout`] to finish. When this returns,
    /// nothing reaches the sink any more.
    pub async fn serve(self, stop: CancellationToken) {
        let Self { grpc, http, handler, .. } = self;
        let port = |protocol, listener| Port { protocol, listener, handler: Arc::clone(&handler), stop: stop.clone() };
        tokio::join!(port(Protocol::Grpc, grpc).serve(), port(Protocol::Http, http).serve());
        handler.close();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Grpc,
    Http,
}

struct Port {
    protocol: Protocol,
    listener: TcpListener,
    handler: Arc<Handler>,
    stop: CancellationToken,
}

/// Counts a connection while it is open.
struct Open(Arc<Stats>, Protocol);

fn gauge(stats: &Stats, protocol: Protocol) -> &AtomicU64 {
    match protocol {
        Protocol::Grpc => &stats.grpc_connections,
        Protocol::Http => &stats.http_connections,
    }
}

impl Open {
    fn new(stats: &Arc<Stats>, protocol: Protocol) -> Self {
        gauge(stats, protocol).fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(stats), protocol)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge(&self.0, self.1).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Port {
    async fn serve(self) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.open(stream, &mut connections),
                    Err(error) => self.pause(&error).await,
                },
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                () = self.stop.cancelled() => break,
            }
        }
        drop(self.listener);
        let drained = async { while connections.join_next().await.is_some() {} };
        if timeout(self.handler.limits.drain_timeout, drained).await.is_err() {
            connections.shutdown().await;
        }
    }

    fn open(&self, stream: TcpStream, connections: &mut JoinSet<()>) {
        if connections.len() >= self.handler.limits.max_connections {
            return self.handler.stats.refuse_request("too many connections", "a connection over the limit was closed");
        }
        let connection = Connection {
            protocol: self.protocol,
            handler: Arc::clone(&self.handler),
            stop: self.stop.clone(),
            open: Open::new(&self.handler.stats, self.protocol),
        };
        connections.spawn(connection.serve(stream));
    }

    /// After a failed accept, which mostly means that there are no file descriptors: waits for some instead of spinning.
    async fn pause(&self, error: &std::io::Error) {
        self.handler.stats.refuse_request("accept failed", &error.to_string());
        sleep(Duration::from_millis(100)).await;
    }
}

struct Connection {
    protocol: Protocol,
    handler: Arc<Handler>,
    stop: CancellationToken,
    open: Open,
}

/// What a connection begins with.
enum Opening {
    Http1,
    Http2,
    Tls,
    Nothing,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        let limits = &self.handler.limits;
        let stats = Arc::clone(&self.open.0);
        let opening = tokio::select! {
            opening = timeout(limits.header_timeout, opening(&stream)) => opening.unwrap_or(Opening::Nothing),
            () = self.stop.cancelled() => return,
        };
        let is_http2 = match opening {
            Opening::Http1 => false,
            Opening::Http2 => true,
            Opening::Tls => {
                return stats.refuse_request(
                    "tls on a plain port",
                    "a sender spoke TLS: this port is plain, use http:// or insecure",
                );
            }
            Opening::Nothing => {
                return stats.refuse_request("silent connection", "a connection was opened and said nothing");
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
                        return stats.refuse_request(reason, "a connection was closed because it did not send a request in time");
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
