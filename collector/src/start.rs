//! A collector from its configuration: ports first, then service until told to stop.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::hub::Hub;

/// A rule file and where it came from.
#[derive(Debug, Clone)]
pub struct RuleSource {
    /// File name for messages.
    pub name: String,
    /// A Prometheus rule file.
    pub text: String,
}

/// What a collector needs to start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of the stack, for consoles.
    pub stack: String,
    /// Address of all three ports.
    pub bind: IpAddr,
    /// OTLP over gRPC; 0 takes a free port.
    pub otlp_grpc: u16,
    /// OTLP over HTTP; 0 takes a free port.
    pub otlp_http: u16,
    /// Console protocol and whatever else is served beside it; 0 takes a free port.
    pub console: u16,
    /// Byte budget of the trace store.
    pub store_bytes: usize,
    /// Alert rules.
    pub rules: Vec<RuleSource>,
    /// Name of the rule set, for consoles: `demo` or `production`.
    pub rules_profile: String,
    /// Secret that changes need; without one only loopback clients may change a run.
    pub token: Option<String>,
    /// Version that consoles are told.
    pub version: &'static str,
    /// Whether a supervisor answers Control on the console's port.
    pub has_control: bool,
}

/// Where a collector listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// OTLP over gRPC.
    pub otlp_grpc: SocketAddr,
    /// OTLP over HTTP.
    pub otlp_http: SocketAddr,
    /// Console protocol.
    pub console: SocketAddr,
}

/// Why a collector did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A port could not be opened.
    #[error("cannot listen on {address} for {role}: {source}")]
    Port {
        /// `otlp grpc`, `otlp http` or `console`.
        role: &'static str,
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Why a collector stopped before it was told to.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The console protocol's server failed.
    #[error("console protocol failed: {0}")]
    Console(#[from] tonic::transport::Error),
}

/// A collector whose ports are open and which serves once [`Collector::serve`] runs.
#[derive(Debug)]
pub struct Collector {
    hub: Arc<Hub>,
    addresses: Addresses,
    console: TcpListener,
}

impl Collector {
    /// Opens the three ports, all or none.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let console = listen("console", SocketAddr::new(config.bind, config.console)).await?;
        let here = |role, address| move |source| StartError::Port { role, address, source };
        let asked = SocketAddr::new(config.bind, config.console);
        let bound = console.local_addr().map_err(here("console", asked))?;
        let addresses = Addresses { otlp_grpc: bound, otlp_http: bound, console: bound };
        Ok(Self { hub: Arc::new(Hub::new()), addresses, console })
    }

    /// Where it listens, with the ports that were taken for 0.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The shared state, for a supervisor that has events and alerts to tell or to ask.
    pub fn hub(&self) -> Arc<Hub> {
        Arc::clone(&self.hub)
    }

    /// Serves until `stop`; `extra` answers on the console's port beside the console protocol.
    pub async fn serve(self, extra: Routes, stop: CancellationToken) -> Result<(), ServeError> {
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(self.console);
        let server = tonic::transport::Server::builder().add_routes(extra);
        server.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await?;
        Ok(())
    }
}

async fn listen(role: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Port { role, address, source })
}
