//! The supervisor's registry: leases of three seconds, kept alive at a third of that.

use super::listed::Listed;
use super::{Announced, Announcement, Discovery, Endpoint};
use crate::config::{Control, Secret};
use crate::telemetry::Meters;
use futures::future::BoxFuture;
use mall_api::control::control_client::ControlClient;
use mall_api::control::{Lease, RegisterRequest, WatchServiceRequest};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint as Transport};
use tonic::{Request, Status};

const LEASE: Duration = Duration::from_secs(3);
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(1);
/// One answer of the registry, which is on this machine.
const ANSWER: Duration = Duration::from_secs(2);

type Client = ControlClient<InterceptedService<Channel, Authorize>>;

/// A client of the supervisor's registry.
#[derive(Clone)]
pub struct Registry {
    client: Client,
}

/// The registry cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The endpoint is no host:port.
    #[error("control endpoint `{endpoint}` cannot be used: {source}; give host:port without a scheme")]
    Endpoint {
        /// What the configuration says.
        endpoint: String,
        /// What the transport says.
        source: tonic::transport::Error,
    },
    /// The token does not fit into a header.
    #[error("the control token holds characters that a header cannot; use letters and digits")]
    Token,
}

impl Registry {
    /// A client of the registry at `control`. Connects when it is first needed.
    pub fn new(control: &Control) -> Result<Self, RegistryError> {
        let endpoint = control.endpoint.clone();
        let transport = Transport::from_shared(format!("http://{endpoint}"))
            .map_err(|source| RegistryError::Endpoint { endpoint, source })?
            .connect_timeout(Duration::from_secs(1))
            .tcp_nodelay(true);
        let authorize = Authorize::new(&control.token)?;
        let client = ControlClient::with_interceptor(transport.connect_lazy(), authorize)
            .max_decoding_message_size(mall_api::MAX_MESSAGE_BYTES);
        Ok(Self { client })
    }

    /// [`Discovery::watch`], counted on `meters`.
    pub(super) fn watch_counted(&self, service: &str, meters: &Meters) -> watch::Receiver<Vec<Endpoint>> {
        let (listed, receiver) = Listed::new(service, meters);
        tokio::spawn(follow(self.client.clone(), service.to_owned(), listed));
        receiver
    }
}

impl Discovery for Registry {
    fn watch(&self, service: &str) -> watch::Receiver<Vec<Endpoint>> {
        self.watch_counted(service, &Meters::disabled())
    }

    fn announce(&self, announcement: Announcement) -> BoxFuture<'_, Announced> {
        let client = self.client.clone();
        Box::pin(async move {
            let (known, is_known) = oneshot::channel();
            let (stop, stopped) = oneshot::channel();
            let keeper = tokio::spawn(keep(client, announcement, known, stopped));
            // The keeper only ends after it was stopped, so an error here cannot happen before.
            let _ = is_known.await;
            Announced::new(async move {
                let _ = stop.send(());
                let _ = keeper.await;
            })
        })
    }
}

/// Copies the registry's list into `listed` until nobody watches it. A lost registry leaves the list as it is.
async fn follow(mut client: Client, service: String, mut listed: Listed) {
    let mut unwatched = std::pin::pin!(listed.unwatched());
    let mut retry = Retry::new();
    loop {
        let lost = tokio::select! {
            lost = follow_once(&mut client, &service, &mut listed, &mut retry) => lost,
            () = &mut unwatched => return,
        };
        listed.lost(&lost.message());
        retry.pause().await;
    }
}

async fn follow_once(client: &mut Client, service: &str, listed: &mut Listed, retry: &mut Retry) -> Status {
    let request = WatchServiceRequest { service: service.to_owned() };
    let mut updates = match client.watch_service(request).await {
        Ok(response) => response.into_inner(),
        Err(status) => return status,
    };
    loop {
        match updates.message().await {
            Ok(Some(update)) => {
                retry.reset();
                listed.reloaded();
                listed.publish(
                    &update.endpoints.into_iter().map(|one| Endpoint::new(one.instance, one.address)).collect(),
                );
            }
            Ok(None) => return Status::unavailable("the registry ended the watch"),
            Err(status) => return status,
        }
    }
}

/// Holds a lease: registers, keeps alive, registers again after a loss, and takes it back when stopped.
async fn keep(
    mut client: Client,
    announcement: Announcement,
    known: oneshot::Sender<()>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut known = Some(known);
    let mut retry = Retry::new();
    loop {
        let registered = tokio::select! {
            answer = register(&mut client, &announcement) => answer,
            _ = &mut stopped => return,
        };
        let lease = match registered {
            Ok(lease) => lease,
            Err(status) => {
                tracing::debug!(reason = status.message(), "cannot register yet");
                tokio::select! {
                    () = retry.pause() => continue,
                    _ = &mut stopped => return,
                }
            }
        };
        retry.reset();
        if let Some(known) = known.take() {
            let _ = known.send(());
        }
        tokio::select! {
            status = keep_alive(&mut client, &lease) => {
                tracing::warn!(reason = status.message(), "lost the lease, registering again");
            }
            _ = &mut stopped => {
                let farewell = client.deregister(lease);
                // A registry that is gone forgets the lease by itself.
                let _ = tokio::time::timeout(ANSWER, farewell).await;
                return;
            }
        }
    }
}

async fn register(client: &mut Client, announcement: &Announcement) -> Result<Lease, Status> {
    let request = RegisterRequest {
        service: announcement.service.clone(),
        instance: announcement.endpoint.instance.to_string(),
        address: announcement.endpoint.address.to_string(),
        admin: announcement.admin.clone(),
        pid: std::process::id(),
        ttl_ms: LEASE.as_millis() as u64,
    };
    in_time(client.register(request)).await.map(tonic::Response::into_inner)
}

/// Returns when the lease could not be kept.
async fn keep_alive(client: &mut Client, lease: &Lease) -> Status {
    let life = if lease.ttl_ms == 0 { LEASE } else { Duration::from_millis(lease.ttl_ms) };
    loop {
        tokio::time::sleep(life / 3).await;
        if let Err(status) = in_time(client.keep_alive(*lease)).await {
            return status;
        }
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    tokio::time::timeout(ANSWER, answer).await.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
}

/// Pauses that double from 50 ms to 1 s.
struct Retry {
    next: Duration,
}

impl Retry {
    fn new() -> Self {
        Self { next: FIRST_RETRY }
    }

    fn reset(&mut self) {
        self.next = FIRST_RETRY;
    }

    async fn pause(&mut self) {
        let pause = self.next;
        self.next = (pause * 2).min(LAST_RETRY);
        tokio::time::sleep(pause).await;
    }
}

/// Adds the stack's token to every call.
#[derive(Clone)]
struct Authorize {
    header: MetadataValue<Ascii>,
}

impl Authorize {
    fn new(token: &Secret) -> Result<Self, RegistryError> {
        let mut header: MetadataValue<Ascii> =
            format!("Bearer {}", token.expose()).parse().map_err(|_| RegistryError::Token)?;
        header.set_sensitive(true);
        Ok(Self { header })
    }
}

impl tonic::service::Interceptor for Authorize {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.header.clone());
        Ok(request)
    }
}
