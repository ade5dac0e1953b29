//! The other end of a call: SERVER span, injected errors, breaker, shedding, deadline, injected delays, handler.

use super::guard::{Guards, Place};
use super::method::{Method, Methods};
use super::observed::Observed;
use super::{MAX_MESSAGE_BYTES, status, timeout};
use crate::context::ServiceContext;
use crate::deadline;
use crate::fault::Faults;
use crate::shed::{self, Gate};
use crate::telemetry::{Meters, RpcMethod, Side, extract};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use governance::grpc_acceptable;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use opentelemetry::context::FutureExt as _;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;
use tonic::body::Body;
use tonic::{Code, Status};

/// Methods of the shop start like this; health and control pass by ungoverned and unseen.
const GOVERNED: &str = "/mall.";
const CONTROL: &str = "/mall.control.";

/// What a server needs around its handlers.
#[derive(Clone)]
pub struct Policy {
    guards: Guards,
    gate: Option<Arc<Gate>>,
    faults: Faults,
    meters: Meters,
    timeout: Option<Duration>,
}

impl Policy {
    /// The breakers, shedder, faults and meters of `context`; no request may take longer than `timeout`.
    pub fn of(context: &ServiceContext, timeout: Option<Duration>) -> Self {
        Self {
            guards: context.guards().clone(),
            gate: context.shedders().gate(shed::Place::Rpc),
            faults: context.faults().clone(),
            meters: context.meters().clone(),
            timeout,
        }
    }
}

/// Governs the unary methods of the shop in front of `inner`.
#[derive(Clone)]
pub struct Governed<S> {
    inner: S,
    shared: Arc<Shared>,
}

struct Shared {
    policy: Policy,
    methods: Methods,
}

/// An answer with its code, or why there is none.
type Outcome = Result<(Code, Response<Body>), Status>;

fn code_of(outcome: &Outcome) -> Code {
    outcome.as_ref().map_or_else(Status::code, |(code, _)| *code)
}

impl<S> Governed<S> {
    /// Puts `policy` in front of `inner`.
    pub fn new(inner: S, policy: Policy) -> Self {
        Self { inner, shared: Arc::new(Shared { policy, methods: Methods::default() }) }
    }
}

impl<S> tower::Service<Request<Body>> for Governed<S>
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        if !path.starts_with(GOVERNED) || path.starts_with(CONTROL) {
            return Box::pin(self.inner.call(request));
        }
        // The service that was polled ready must be the one that is called.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { Ok(shared.serve(ready, request).await) })
    }
}

impl Shared {
    async fn serve<S>(&self, inner: S, request: Request<Body>) -> Response<Body>
    where
        S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let method = self.methods.get(request.uri().path(), |rpc| self.describe(rpc));
        let parent = extract(request.headers());
        let observed = Observed::begin(Side::Server, &parent, Arc::clone(&method), self.policy.meters.clone());
        let outcome = self.guarded(&method, inner, request).with_context(observed.context()).await;
        match outcome {
            Ok((code, response)) => {
                observed.conclude(code, status::message_in(response.headers()).unwrap_or_default());
                response
            }
            Err(status) => {
                observed.conclude(status.code(), status.message());
                status.into_http()
            }
        }
    }

    fn describe(&self, rpc: RpcMethod) -> Method {
        let guard = self.policy.guards.get(Place::Server, &rpc.name);
        self.policy.meters.register_rpc(Side::Server, &rpc);
        Method { rpc, guard }
    }

    /// Injected errors and breaker.
    async fn guarded<S>(&self, method: &Method, inner: S, request: Request<Body>) -> Outcome
    where
        S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        // An injected error stands for a replica that is broken before its code runs: its own breaker must not hide it.
        self.policy.faults.fail()?;
        let pass = method.guard.admit().map_err(|_| status::rejected(Place::Server.name(), method.guard.name()))?;
        let outcome = self.shed(method, inner, request).await;
        pass.resolve(grpc_acceptable(code_of(&outcome) as i32));
        outcome
    }

    /// Shedder: what it refuses, the breaker counts as a failure.
    async fn shed<S>(&self, method: &Method, inner: S, request: Request<Body>) -> Outcome
    where
        S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let Some(gate) = &self.policy.gate else {
            return self.timed(method, inner, request).await;
        };
        let pass = gate.admit().map_err(|_| status::overloaded())?;
        let outcome = self.timed(method, inner, request).await;
        pass.resolve(code_of(&outcome) != Code::DeadlineExceeded);
        outcome
    }

    /// Deadline and recovery.
    async fn timed<S>(&self, method: &Method, inner: S, request: Request<Body>) -> Outcome
    where
        S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let limit = match (timeout::parse(request.headers()), self.policy.timeout) {
            (Some(callers), Some(own)) => Some(callers.min(own)),
            (callers, own) => callers.or(own),
        };
        let work = AssertUnwindSafe(self.handle(inner, request)).catch_unwind();
        match deadline::within(limit, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panic)) => {
                tracing::error!(method = &*method.rpc.name, "the handler panicked");
                Err(Status::internal("the handler panicked; the service's log says where"))
            }
            Err(deadline::Expired) => Err(status::expired()),
        }
    }

    /// Injected delays and handler.
    async fn handle<S>(&self, mut inner: S, request: Request<Body>) -> Outcome
    where
        S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        self.policy.faults.delay().await;
        let Ok(response) = inner.call(request).await;
        let (parts, body) = response.into_parts();
        if let Some(code) = status::code_in(&parts.headers) {
            return Ok((code, Response::from_parts(parts, body)));
        }
        // A unary answer is complete when its handler is: reading it here shows the status in its trailers.
        let body = Limited::new(body, MAX_MESSAGE_BYTES + 5).collect().await;
        let body = body.map_err(|error| Status::internal(format!("the answer cannot be written: {error}")))?;
        let code = body.trailers().and_then(status::code_in).unwrap_or(Code::Unknown);
        Ok((code, Response::from_parts(parts, Body::new(body))))
    }
}
