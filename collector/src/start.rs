//! A collector from its configuration: ports first, then service until told to stop.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::time::MissedTickBehavior;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;

use crate::alert::Rules;
use crate::hub::{Hub, HubOptions, TICK};
use crate::receiver::{BindError, Limits, Receiver, Sink};
use crate::serve::{self, Identity};
use crate::store::Keep;

/// A console whose connection is dead is found out after this.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Time for open queries when the collector stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// Concurrent queries of one console.
const MAX_STREAMS: u32 = 128;

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
    /// Share of the traces, from 0 to 1, that stays without a better reason; 1 keeps all that fits the budget.
    pub keep: f64,
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

impl From<BindError> for StartError {
    fn from(error: BindError) -> Self {
        let role = if error.role == "grpc" { "otlp grpc" } else { "otlp http" };
        Self::Port { role, address: error.address, source: error.source }
    }
}

/// Why a collector stopped before it was told to.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The console protocol's server failed.
    #[error("console protocol failed: {0}")]
    Console(#[from] tonic::transport::Error),
}

/// A collector whose ports are open and which serves once [`Collector::serve`] runs.
pub struct Collector {
    hub: Arc<Hub>,
    receiver: Receiver,
    console: TcpListener,
    addresses: Addresses,
    identity: Identity,
}

impl Collector {
    /// Opens the three ports, all or none.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let at = |port| SocketAddr::new(config.bind, port);
        let console = listen(at(config.console)).await?;
        let console_address = console.local_addr().map_err(|source| no_console(at(config.console), source))?;
        let (rules, refused) = read_rules(&config.rules);
        let hub = Arc::new(Hub::new(HubOptions {
            store_bytes: config.store_bytes,
            keep: Keep::new(config.keep),
            rules,
            refused,
            ..HubOptions::default()
        }));
        let sink: Arc<dyn Sink> = hub.clone();
        let receiver = Receiver::bind(at(config.otlp_grpc), at(config.otlp_http), Limits::default(), sink).await?;
        hub.set_receiver_stats(receiver.stats());
        let (otlp_grpc, otlp_http) = receiver.addresses();
        let addresses = Addresses { otlp_grpc, otlp_http, console: console_address };
        let identity = Identity {
            stack: config.stack,
            version: config.version,
            otlp_grpc,
            otlp_http,
            reachable: reachable(otlp_grpc),
            has_control: config.has_control,
            rules_profile: config.rules_profile,
            token: config.token,
        };
        Ok(Self { hub, receiver, console, addresses, identity })
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
    ///
    /// After `stop` the receiver drains first, so that the last spans of processes that stop at the same time count.
    pub async fn serve(self, extra: Routes, stop: CancellationToken) -> Result<(), ServeError> {
        let ticking = tokio::spawn(keep_ticking(self.hub(), stop.child_token()));
        let routes = serve::add_to(extra, &self.hub, self.identity, &stop);
        let console = Server::builder()
            .tcp_nodelay(true)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .max_concurrent_streams(MAX_STREAMS)
            .add_routes(routes)
            .serve_with_incoming_shutdown(TcpListenerStream::new(self.console), stop.clone().cancelled_owned());
        let bounded_console = async {
            let cut = async {
                stop.cancelled().await;
                tokio::time::sleep(FAREWELL).await;
            };
            let served = tokio::select! {
                served = console => served,
                () = cut => Ok(()),
            };
            // A console server that failed takes the rest with it.
            stop.cancel();
            served
        };
        let ((), served) = tokio::join!(self.receiver.serve(stop.clone()), bounded_console);
        // It ends by itself: the token is cancelled.
        let _ = ticking.await;
        served.map_err(ServeError::from)
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Collector").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

async fn keep_ticking(hub: Arc<Hub>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let hub = Arc::clone(&hub);
        if let Err(failure) = tokio::task::spawn_blocking(move || hub.tick()).await {
            tracing::error!(%failure, "a round of analysis failed and was skipped");
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| no_console(address, source))
}

fn no_console(address: SocketAddr, source: std::io::Error) -> StartError {
    StartError::Port { role: "console", address, source }
}

/// All rules that can be read, and why the rest cannot.
fn read_rules(sources: &[RuleSource]) -> (Rules, Vec<String>) {
    let mut rules = Rules::default();
    let mut refused = Vec::new();
    for source in sources {
        match Rules::parse(&source.name, &source.text) {
            Ok(read) => {
                rules.groups.extend(read.groups);
                rules.refused.extend(read.refused);
            }
            Err(unreadable) => refused.push(unreadable.to_string()),
        }
    }
    (rules, refused)
}

/// The receiver's address as others can reach it; nothing for loopback.
fn reachable(address: SocketAddr) -> Vec<String> {
    let ip = address.ip();
    if ip.is_loopback() || ip.is_unspecified() { Vec::new() } else { vec![address.to_string()] }
}
