//! The Control service: the supervisor's side of `control.proto`, served beside the console protocol.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use mall_api::control::control_server::Control;
use mall_api::control::{
    AttachReply, AttachRequest, ClearFaultsRequest, DeregisterReply, DetachReply, DetachRequest, Endpoints, Fault,
    FaultSet, Lease, ListFaultsRequest, PoolReply, PoolRequest, PoolRow, RegisterRequest, RestartReply, RestartRequest,
    StatusReply, StatusRequest, StopProgress, StopRequest, WatchServiceRequest,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::auth;
use super::board::{Guest, State};
use super::instance::Instance;
use super::process::Mark;
use super::registry::Granted;
use super::shared::Shared;
use crate::hint;

/// Shortest time between two statuses of one watcher.
const STATUS_PAUSE: Duration = Duration::from_millis(100);

/// How long a restarted replica may take before the next one is restarted.
const RESTART_LIMIT: Duration = Duration::from_secs(10);

/// Most rows of a pool in one answer.
const POOL_LIMIT: u32 = 10_000;

/// The supervisor as a gRPC service.
#[derive(Debug, Clone)]
pub struct ControlService {
    shared: Arc<Shared>,
}

type Reply<T> = Result<Response<T>, Status>;
type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl ControlService {
    /// The service of this supervisor.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn authorised<T>(&self, request: Request<T>) -> Result<T, Status> {
        auth::check(request.metadata(), &self.shared.token)?;
        Ok(request.into_inner())
    }

    async fn restart_one(&self, instance: Instance) -> Result<(), Status> {
        let sender = self
            .shared
            .restarts
            .get(&instance)
            .ok_or_else(|| Status::not_found(format!("{instance} is not part of this stack")))?;
        let before = self.shared.board.row(instance).map_or(0, |row| row.restarts);
        let mut changes = self.shared.board.watch();
        let (reply, ended) = oneshot::channel();
        sender.send(reply).await.map_err(|_| Status::failed_precondition("the stack is stopping"))?;
        let back = async {
            ended.await.map_err(|_| Status::failed_precondition("the stack is stopping"))?;
            loop {
                let is_back = self
                    .shared
                    .board
                    .row(instance)
                    .is_some_and(|row| row.state == State::Ready && row.restarts > before);
                if is_back || changes.changed().await.is_err() {
                    return Ok(());
                }
            }
        };
        timeout(RESTART_LIMIT, back).await.map_err(|_| {
            Status::deadline_exceeded(format!(
                "{instance} was restarted and is not ready after 10 s; see {}",
                hint::command(self.shared.folder.stack(), &format!("logs {instance}"))
            ))
        })?
    }
}

#[tonic::async_trait]
impl Control for ControlService {
    type WatchStatusStream = Streamed<StatusReply>;
    type StopStream = Streamed<StopProgress>;
    type AttachStream = Streamed<AttachReply>;
    type WatchServiceStream = Streamed<Endpoints>;

    async fn status(&self, _: Request<StatusRequest>) -> Reply<StatusReply> {
        Ok(Response::new(self.shared.status().await))
    }

    async fn watch_status(&self, _: Request<StatusRequest>) -> Reply<Self::WatchStatusStream> {
        let shared = Arc::clone(&self.shared);
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut changes = shared.board.watch();
            loop {
                changes.mark_unchanged();
                if sender.send(Ok(shared.status().await)).await.is_err() {
                    return;
                }
                tokio::time::sleep(STATUS_PAUSE).await;
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn stop(&self, request: Request<StopRequest>) -> Reply<Self::StopStream> {
        self.authorised(request)?;
        let mut farewell = self.shared.farewell.subscribe();
        let (sender, receiver) = mpsc::channel(16);
        self.shared.stop.cancel();
        tokio::spawn(async move {
            let mut told = 0;
            loop {
                let lines: Vec<String> = farewell.borrow_and_update().iter().skip(told).cloned().collect();
                told += lines.len();
                for line in lines {
                    if sender.send(Ok(StopProgress { line })).await.is_err() {
                        return;
                    }
                }
                if farewell.changed().await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn detach(&self, request: Request<DetachRequest>) -> Reply<DetachReply> {
        self.authorised(request)?;
        self.shared.presence.detach();
        self.shared.board.changed();
        Ok(Response::new(DetachReply {}))
    }

    async fn attach(&self, request: Request<AttachRequest>) -> Reply<Self::AttachStream> {
        let asked = self.authorised(request)?;
        let shared = Arc::clone(&self.shared);
        let is_load = asked.role == "load";
        let role = if is_load { "load" } else { "console" };
        let guest = Mark::of(asked.pid).map(|mark| shared.board.add_guest(Guest { role: role.to_owned(), mark }));
        if !is_load {
            shared.presence.console_attached();
        }
        shared.board.changed();
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            // Nothing is ever said: the open stream itself is the attachment.
            tokio::select! {
                () = sender.closed() => {}
                () = shared.stop.cancelled() => {}
            }
            if !is_load {
                shared.presence.console_left();
            }
            match guest {
                Some(number) => shared.board.remove_guest(number),
                None => shared.board.changed(),
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn restart(&self, request: Request<RestartRequest>) -> Reply<RestartReply> {
        let asked = self.authorised(request)?;
        let target = match asked.replica {
            0 => asked.service.clone(),
            replica => format!("{}/{replica}", asked.service),
        };
        let instances = self.shared.board.meant_by(&target);
        if instances.is_empty() {
            let known: Vec<String> = self.shared.board.instances().iter().map(ToString::to_string).collect();
            return Err(Status::not_found(format!(
                "nothing is called '{target}' here; there are {}",
                known.join(", ")
            )));
        }
        let mut restarted = Vec::new();
        for instance in instances {
            self.restart_one(instance).await?;
            restarted.push(instance.to_string());
        }
        Ok(Response::new(RestartReply { restarted }))
    }

    async fn add_fault(&self, request: Request<Fault>) -> Reply<Fault> {
        let fault = self.authorised(request)?;
        Ok(Response::new(self.shared.add_fault(fault).await?))
    }

    async fn list_faults(&self, request: Request<ListFaultsRequest>) -> Reply<FaultSet> {
        self.authorised(request)?;
        Ok(Response::new(FaultSet { faults: self.shared.faults.list() }))
    }

    async fn clear_faults(&self, request: Request<ClearFaultsRequest>) -> Reply<FaultSet> {
        let asked = self.authorised(request)?;
        Ok(Response::new(self.shared.clear_faults(&asked.ids).await?))
    }

    async fn pool(&self, request: Request<PoolRequest>) -> Reply<PoolReply> {
        let asked = self.authorised(request)?;
        let rows = mall::seed::pool(&asked.name, asked.size.min(POOL_LIMIT)).ok_or_else(|| {
            Status::not_found(format!("there is no pool '{}'; there are {}", asked.name, mall::seed::POOLS.join(", ")))
        })?;
        let rows = rows.into_iter().map(|fields| PoolRow { fields: fields.into_iter().collect() }).collect();
        Ok(Response::new(PoolReply { rows }))
    }

    async fn register(&self, request: Request<RegisterRequest>) -> Reply<Lease> {
        let asked = self.authorised(request)?;
        let granted = self
            .shared
            .registry
            .register(asked.clone(), Instant::now())
            .map_err(|_| Status::resource_exhausted("the registry is full"))?;
        self.shared.hub.add_instance_address(&asked.address, &asked.instance);
        self.shared.registered(&asked);
        Ok(Response::new(lease(granted)))
    }

    async fn keep_alive(&self, request: Request<Lease>) -> Reply<Lease> {
        let asked = self.authorised(request)?;
        let granted = self
            .shared
            .registry
            .keep_alive(asked.id, Instant::now())
            .ok_or_else(|| Status::not_found("the lease is over: register again"))?;
        Ok(Response::new(lease(granted)))
    }

    async fn deregister(&self, request: Request<Lease>) -> Reply<DeregisterReply> {
        let asked = self.authorised(request)?;
        self.shared.registry.deregister(asked.id);
        Ok(Response::new(DeregisterReply {}))
    }

    async fn watch_service(&self, request: Request<WatchServiceRequest>) -> Reply<Self::WatchServiceStream> {
        let service = self.authorised(request)?.service;
        let shared = Arc::clone(&self.shared);
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut changes = shared.registry.watch();
            let mut told = None;
            loop {
                changes.mark_unchanged();
                let endpoints = shared.registry.endpoints(&service);
                if told.as_ref() != Some(&endpoints) {
                    told = Some(endpoints.clone());
                    if sender.send(Ok(Endpoints { endpoints })).await.is_err() {
                        return;
                    }
                }
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

fn lease(granted: Granted) -> Lease {
    Lease { id: granted.id, ttl_ms: granted.ttl.as_millis() as u64 }
}
