//! Both sockets, from bind to drain.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::body::Compression;
use super::connection::{Connection, Open, Protocol};
use super::handler::{Handler, Signal};
use super::{Limits, Sink, Stats};

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

struct Port {
    protocol: Protocol,
    listener: TcpListener,
    handler: Arc<Handler>,
    stop: CancellationToken,
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
