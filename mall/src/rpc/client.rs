//! Unary calls to one service.

use super::balancer::{self, Balancer, Target};
use super::guard::{Guards, Place};
use super::method::{Method, Methods};
use super::observed::Observed;
use super::{MAX_MESSAGE_BYTES, status, timeout};
use crate::deadline;
use crate::discovery::Discovery;
use crate::telemetry::{Meters, Reporter, RpcMethod, Side, inject};
use futures::future::BoxFuture;
use governance::{Environment, grpc_acceptable};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Request, Response};
use http_body_util::{BodyExt, Collected, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::SendRequest;
use opentelemetry::Context;
use opentelemetry::context::FutureExt as _;
use opentelemetry::trace::TraceContextExt;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};

/// How often one call is picked again when the picked connection turned out to be closed before anything was sent.
const PICKS: usize = 3;

/// A balanced, guarded client of one service: hand it to a generated client, such as `UserClient::new(client)`. Clones
/// share connections and breakers. Unary calls only: an answer is read to its end before it is handed on.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    balancer: Arc<Balancer>,
    timeout: Option<Duration>,
    guards: Guards,
    meters: Meters,
    methods: Methods,
}

/// How a call ended, as span, breaker and metrics see it.
struct Answer {
    code: Code,
    message: Option<String>,
    response: Response<Body>,
}

impl Client {
    /// A client of `service` as `discovery` finds it. A call takes at most `timeout`, and never longer than what is left of
    /// the request that it is made for. Must be called within a tokio runtime.
    pub fn new(
        service: &str,
        discovery: &dyn Discovery,
        timeout: Option<Duration>,
        environment: Environment,
        guards: Guards,
        reporter: Arc<Reporter>,
        meters: Meters,
    ) -> Self {
        let balancer = Balancer::follow(service, discovery.watch(service), environment, reporter);
        balancer::observe(&balancer, meters.meter());
        Self { inner: Arc::new(Inner { balancer, timeout, guards, meters, methods: Methods::default() }) }
    }

    /// Replicas that are connected, now and after every change.
    pub fn connected_replicas(&self) -> watch::Receiver<usize> {
        self.inner.balancer.connected_replicas()
    }

    /// Resolves when at least one replica is connected.
    pub async fn ready(&self) {
        // The sender lives in the balancer, which lives in `self`.
        let _ = self.connected_replicas().wait_for(|count| *count > 0).await;
    }

    /// The balancer, for its state.
    pub fn balancer(&self) -> &Arc<Balancer> {
        &self.inner.balancer
    }
}

impl tower::Service<Request<Body>> for Client {
    type Response = Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response<Body>, Status>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move { inner.call(request).await })
    }
}

impl Inner {
    async fn call(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let method = self.methods.get(request.uri().path(), |rpc| self.describe(rpc));
        let observed = Observed::begin(Side::Client, &Context::current(), Arc::clone(&method), self.meters.clone());
        let outcome = self.guarded(&method, request).with_context(observed.context()).await;
        match &outcome {
            Ok(answer) => observed.conclude(answer.code, answer.message.as_deref().unwrap_or_default()),
            Err(status) => observed.conclude(status.code(), status.message()),
        }
        outcome.map(|answer| answer.response)
    }

    fn describe(&self, rpc: RpcMethod) -> Method {
        let guard = self.guards.get(Place::Client, &format!("{}/{}", self.balancer.service(), rpc.name));
        self.meters.register_rpc(Side::Client, &rpc);
        Method { rpc, guard }
    }

    /// Breaker, then deadline. A call that is cancelled counts nothing at the breaker.
    async fn guarded(&self, method: &Method, request: Request<Body>) -> Result<Answer, Status> {
        let pass = method.guard.admit().map_err(|_| status::rejected(Place::Client.name(), method.guard.name()))?;
        // What the caller asked for on this one call may be shorter than the client's own limit.
        let limit = match (timeout::parse(request.headers()), self.timeout) {
            (Some(asked), Some(own)) => Some(asked.min(own)),
            (asked, own) => asked.or(own),
        };
        let own = limit.map(|limit| Instant::now() + limit);
        let until = match (own, deadline::current()) {
            (Some(own), Some(outer)) => Some(own.min(outer)),
            (own, outer) => own.or(outer),
        };
        let outcome = self.send(request, until).await;
        let code = outcome.as_ref().map_or_else(Status::code, |answer| answer.code);
        pass.resolve(grpc_acceptable(code as i32));
        outcome
    }

    /// Picks and sends; again only when the picked connection was closed before anything was sent.
    async fn send(&self, mut request: Request<Body>, until: Option<Instant>) -> Result<Answer, Status> {
        inject(&Context::current(), request.headers_mut());
        for _ in 0..PICKS {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(status::expired());
            }
            if let Some(left) = left {
                timeout::write(left, request.headers_mut());
            }
            let Some((pick, target)) = self.balancer.pick() else { break };
            let Target { mut sender, authority, attributes } = target;
            Context::map_current(|context| context.span().set_attributes(attributes));
            aim(&mut request, authority)?;
            let outcome = match until {
                Some(until) => tokio::time::timeout_at(until, exchange(&mut sender, request))
                    .await
                    .unwrap_or_else(|_| Err(Failure::Answered(status::expired()))),
                None => exchange(&mut sender, request).await,
            };
            match outcome {
                Ok(answer) => {
                    pick.done(grpc_acceptable(answer.code as i32));
                    return Ok(answer);
                }
                Err(Failure::Answered(status)) => {
                    pick.done(grpc_acceptable(status.code() as i32));
                    return Err(status);
                }
                Err(Failure::Unsent(unsent)) => {
                    pick.done(false);
                    request = *unsent;
                }
            }
        }
        let service = self.balancer.service();
        let message = format!("no replica of {service} is connected; `mallctl status` shows which are running");
        Err(status::explained(Code::Unavailable, message, "downstream", []))
    }
}

enum Failure {
    /// The call ended with this status.
    Answered(Status),
    /// The connection was closed before anything was sent.
    Unsent(Box<Request<Body>>),
}

async fn exchange(sender: &mut SendRequest<Body>, request: Request<Body>) -> Result<Answer, Failure> {
    match sender.try_send_request(request).await {
        Ok(response) => read(response).await.map_err(Failure::Answered),
        Err(mut error) => Err(match error.take_message() {
            Some(unsent) => Failure::Unsent(Box::new(unsent)),
            None => Failure::Answered(broken(error.error())),
        }),
    }
}

/// Reads an answer to its end, where gRPC keeps the status.
async fn read(response: Response<Incoming>) -> Result<Answer, Status> {
    let (parts, body) = response.into_parts();
    if !parts.status.is_success() {
        return Err(Status::unavailable(format!("the replica answered HTTP {}", parts.status)));
    }
    if let Some(code) = status::code_in(&parts.headers) {
        let message = status::message_in(&parts.headers).map(str::to_owned);
        return Ok(Answer { code, message, response: Response::from_parts(parts, Body::empty()) });
    }
    let body: Collected<Bytes> = Limited::new(body, MAX_MESSAGE_BYTES + 5).collect().await.map_err(|error| {
        match error.downcast_ref::<hyper::Error>() {
            Some(error) => broken(error),
            None => Status::resource_exhausted(format!("the answer is larger than {MAX_MESSAGE_BYTES} bytes")),
        }
    })?;
    let code = body.trailers().and_then(status::code_in);
    let message = body.trailers().and_then(status::message_in).map(str::to_owned);
    let code = code.ok_or_else(|| Status::unknown("the answer ended without a status"))?;
    Ok(Answer { code, message, response: Response::from_parts(parts, Body::new(body)) })
}

fn broken(error: &hyper::Error) -> Status {
    use std::error::Error as _;
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    let message = format!("the connection to the replica broke: {error}{cause}");
    status::explained(Code::Unavailable, message, "downstream", [])
}

/// Points the request at the picked replica.
fn aim(request: &mut Request<Body>, authority: Authority) -> Result<(), Status> {
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(authority)
        .path_and_query(path)
        .build()
        .map_err(|error| Status::internal(format!("the request cannot be addressed: {error}")))?;
    Ok(())
}
