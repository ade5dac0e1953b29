//! Both sockets, from bind to drain.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

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
    limits: Limits,
    stats: Arc<Stats>,
    sink: Arc<dyn Sink>,
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
        Ok(Self { grpc, http, addresses: (grpc_address, http_address), limits, stats: Arc::default(), sink })
    }

    /// The addresses that were opened: gRPC, HTTP.
    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        self.addresses
    }

    /// The counters, also after [`Receiver::serve`] took the receiver.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// Serves both ports until `stop`; then open requests get [`Limits::drain_timeout`] to finish.
    pub async fn serve(self, stop: CancellationToken) {
        stop.cancelled().await;
        drop((self.grpc, self.http, self.sink, self.limits));
    }
}
