//! A supervisor's registry for tests.

use futures::stream::BoxStream;
use mall::config::{Control as ControlConfig, Secret};
use mall_api::control::control_server::{Control, ControlServer};
use mall_api::control::{
    self, AttachReply, AttachRequest, ClearFaultsRequest, DeregisterReply, DetachReply, DetachRequest, Endpoints,
    Fault, FaultSet, Lease, ListFaultsRequest, PoolReply, PoolRequest, RegisterRequest, RestartReply, RestartRequest,
    StatusReply, StatusRequest, StopProgress, StopRequest, WatchServiceRequest,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{TcpListenerStream, WatchStream};
use tonic::{Request, Response, Status};

use super::TOKEN;

/// A registry that forgets on demand.
#[derive(Clone)]
pub struct Fake {
    pub registered: Arc<watch::Sender<Vec<(u64, RegisterRequest)>>>,
    pub kept_alive: Arc<watch::Sender<u64>>,
    next_lease: Arc<AtomicU64>,
    ttl_ms: u64,
}

impl Fake {
    /// A registry of leases that live for `ttl_ms`.
    pub fn new(ttl_ms: u64) -> Self {
        let (registered, kept_alive) = (Arc::new(watch::Sender::new(Vec::new())), Arc::new(watch::Sender::new(0)));
        Self { registered, kept_alive, next_lease: Arc::default(), ttl_ms }
    }

    /// Serves on `listener`.
    pub fn start(&self, listener: TcpListener) -> tokio::task::JoinHandle<()> {
        let server = tonic::transport::Server::builder()
            .add_service(ControlServer::new(self.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(async move { server.await.expect("serves") })
    }

    /// Forgets every lease, as a restarted registry does.
    pub fn forget(&self) {
        self.registered.send_replace(Vec::new());
    }
}

fn authorised<T>(request: &Request<T>) -> Result<(), Status> {
    let token = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
    if token == Some(&format!("Bearer {TOKEN}")) { Ok(()) } else { Err(Status::unauthenticated("wrong token")) }
}

type Answer<T> = Result<Response<T>, Status>;

fn unused<T>() -> Answer<T> {
    Err(Status::unimplemented("not in this test"))
}

#[tonic::async_trait]
impl Control for Fake {
    type WatchStatusStream = BoxStream<'static, Result<StatusReply, Status>>;
    type StopStream = BoxStream<'static, Result<StopProgress, Status>>;
    type AttachStream = BoxStream<'static, Result<AttachReply, Status>>;
    type WatchServiceStream = BoxStream<'static, Result<Endpoints, Status>>;

    async fn register(&self, request: Request<RegisterRequest>) -> Answer<Lease> {
        authorised(&request)?;
        let id = self.next_lease.fetch_add(1, Ordering::Relaxed);
        self.registered.send_modify(|all| all.push((id, request.into_inner())));
        Ok(Response::new(Lease { id, ttl_ms: self.ttl_ms }))
    }

    async fn keep_alive(&self, request: Request<Lease>) -> Answer<Lease> {
        authorised(&request)?;
        if self.registered.borrow().iter().all(|(id, _)| *id != request.get_ref().id) {
            return Err(Status::not_found("no such lease"));
        }
        self.kept_alive.send_modify(|count| *count += 1);
        Ok(Response::new(request.into_inner()))
    }

    async fn deregister(&self, request: Request<Lease>) -> Answer<DeregisterReply> {
        authorised(&request)?;
        self.registered.send_modify(|all| all.retain(|(id, _)| *id != request.get_ref().id));
        Ok(Response::new(DeregisterReply {}))
    }

    async fn watch_service(&self, request: Request<WatchServiceRequest>) -> Answer<Self::WatchServiceStream> {
        authorised(&request)?;
        let service = request.into_inner().service;
        let lists = WatchStream::new(self.registered.subscribe()).map(move |all| {
            let of_service = all.into_iter().map(|(_, one)| one).filter(|one| one.service == service);
            let endpoint = |one: RegisterRequest| control::Endpoint { instance: one.instance, address: one.address };
            Ok(Endpoints { endpoints: of_service.map(endpoint).collect() })
        });
        Ok(Response::new(Box::pin(lists)))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Answer<StatusReply> {
        unused()
    }
    async fn watch_status(&self, _: Request<StatusRequest>) -> Answer<Self::WatchStatusStream> {
        unused()
    }
    async fn stop(&self, _: Request<StopRequest>) -> Answer<Self::StopStream> {
        unused()
    }
    async fn detach(&self, _: Request<DetachRequest>) -> Answer<DetachReply> {
        unused()
    }
    async fn attach(&self, _: Request<AttachRequest>) -> Answer<Self::AttachStream> {
        unused()
    }
    async fn restart(&self, _: Request<RestartRequest>) -> Answer<RestartReply> {
        unused()
    }
    async fn add_fault(&self, _: Request<Fault>) -> Answer<Fault> {
        unused()
    }
    async fn list_faults(&self, _: Request<ListFaultsRequest>) -> Answer<FaultSet> {
        unused()
    }
    async fn clear_faults(&self, _: Request<ClearFaultsRequest>) -> Answer<FaultSet> {
        unused()
    }
    async fn pool(&self, _: Request<PoolRequest>) -> Answer<PoolReply> {
        unused()
    }
}

/// A port to serve on, and how to reach it.
pub async fn listen() -> (TcpListener, ControlConfig) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = listener.local_addr().expect("bound").to_string();
    (listener, ControlConfig { endpoint, token: Secret::new(TOKEN) })
}

/// Waits for a condition, but not for ever.
pub async fn wait<T>(receiver: &mut watch::Receiver<T>, condition: impl FnMut(&T) -> bool) {
    let waiting = receiver.wait_for(condition);
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("in time").expect("the sender lives");
}
