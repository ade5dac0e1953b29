//! The supervisor's registry, as a service uses it: leases, losses and returns.

mod support;

use futures::stream::BoxStream;
use mall::config::{Control as ControlConfig, Secret};
use mall::discovery::{Announcement, Discovery, Endpoint, Registry};
use mall_api::control::control_server::{Control, ControlServer};
use mall_api::control::{self, *};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::TOKEN;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{TcpListenerStream, WatchStream};
use tonic::{Request, Response, Status};

/// A registry that forgets on demand.
#[derive(Clone)]
struct Fake {
    registered: Arc<watch::Sender<Vec<RegisterRequest>>>,
    kept_alive: Arc<watch::Sender<u64>>,
    lease: Arc<Mutex<u64>>,
    ttl_ms: u64,
}

impl Fake {
    fn new(ttl_ms: u64) -> Self {
        let (registered, kept_alive) = (Arc::new(watch::Sender::new(Vec::new())), Arc::new(watch::Sender::new(0)));
        Self { registered, kept_alive, lease: Arc::default(), ttl_ms }
    }

    fn start(&self, listener: TcpListener) -> tokio::task::JoinHandle<()> {
        let server = tonic::transport::Server::builder()
            .add_service(ControlServer::new(self.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(async move { server.await.expect("serves") })
    }

    /// Forgets every lease, as a restarted registry does.
    fn forget(&self) {
        *self.lease.lock().expect("not poisoned") += 1;
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
        self.registered.send_modify(|all| all.push(request.into_inner()));
        Ok(Response::new(Lease { id: *self.lease.lock().expect("not poisoned"), ttl_ms: self.ttl_ms }))
    }

    async fn keep_alive(&self, request: Request<Lease>) -> Answer<Lease> {
        authorised(&request)?;
        if request.get_ref().id != *self.lease.lock().expect("not poisoned") {
            return Err(Status::not_found("no such lease"));
        }
        self.kept_alive.send_modify(|count| *count += 1);
        Ok(Response::new(request.into_inner()))
    }

    async fn deregister(&self, request: Request<Lease>) -> Answer<DeregisterReply> {
        authorised(&request)?;
        self.registered.send_replace(Vec::new());
        Ok(Response::new(DeregisterReply {}))
    }

    async fn watch_service(&self, request: Request<WatchServiceRequest>) -> Answer<Self::WatchServiceStream> {
        authorised(&request)?;
        let service = request.into_inner().service;
        let lists = WatchStream::new(self.registered.subscribe()).map(move |all| {
            let of_service = all.into_iter().filter(|one| one.service == service);
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

async fn listen() -> (TcpListener, ControlConfig) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = listener.local_addr().expect("bound").to_string();
    (listener, ControlConfig { endpoint, token: Secret::new(TOKEN) })
}

fn announcement() -> Announcement {
    let endpoint = Endpoint::new("pay-rpc/1", "127.0.0.1:9");
    Announcement { service: "pay-rpc".to_owned(), endpoint, admin: "127.0.0.1:9".to_owned() }
}

async fn wait<T>(receiver: &mut watch::Receiver<T>, condition: impl FnMut(&T) -> bool) {
    let waiting = receiver.wait_for(condition);
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("in time").expect("the sender lives");
}

#[tokio::test]
async fn who_registers_is_found_until_it_withdraws() {
    let fake = Fake::new(60);
    let (listener, config) = listen().await;
    fake.start(listener);
    let registry = Registry::new(&config).expect("a valid endpoint");
    let mut found = registry.watch("pay-rpc");
    let announced = registry.announce(announcement()).await;
    wait(&mut found, |list| *list == [announcement().endpoint]).await;
    wait(&mut fake.kept_alive.subscribe(), |count| *count > 2).await;
    announced.withdraw().await;
    wait(&mut found, Vec::is_empty).await;
}

#[tokio::test]
async fn a_forgotten_lease_is_taken_again() {
    let fake = Fake::new(60);
    let (listener, config) = listen().await;
    fake.start(listener);
    let registry = Registry::new(&config).expect("a valid endpoint");
    let _announced = registry.announce(announcement()).await;
    fake.forget();
    wait(&mut fake.registered.subscribe(), |all| all.len() == 1).await;
}

#[tokio::test]
async fn a_lost_registry_leaves_the_last_known_endpoints() {
    let fake = Fake::new(3_000);
    let (listener, config) = listen().await;
    let server = fake.start(listener);
    let registry = Registry::new(&config).expect("a valid endpoint");
    let mut found = registry.watch("pay-rpc");
    let _announced = registry.announce(announcement()).await;
    wait(&mut found, |list| !list.is_empty()).await;
    server.abort();
    assert!(server.await.is_err_and(|error| error.is_cancelled()));
    // The watch breaks with the server's connections; the list must survive that and the attempts to reconnect.
    let changed = tokio::time::timeout(Duration::from_millis(300), found.changed()).await;
    assert!(changed.is_err(), "nothing may change");
    assert_eq!(*found.borrow(), [announcement().endpoint]);
}

#[tokio::test]
async fn announcing_waits_for_a_registry_that_is_late() {
    let (listener, config) = listen().await;
    drop(listener);
    let registry = Registry::new(&config).expect("a valid endpoint");
    let announcing = registry.announce(announcement());
    let starting = async {
        tokio::time::sleep(Duration::from_millis(120)).await;
        let listener = TcpListener::bind(&config.endpoint).await.expect("still free");
        let fake = Fake::new(3_000);
        fake.start(listener);
        fake
    };
    let both = tokio::time::timeout(Duration::from_secs(20), futures::future::join(announcing, starting)).await;
    let (_announced, fake) = both.expect("in time");
    assert_eq!(fake.registered.borrow().len(), 1);
}
