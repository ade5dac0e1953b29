//! What stands in front of every route, in go-zero's order.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::header::{ACCEPT, CONTENT_LENGTH, RETRY_AFTER, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use opentelemetry::context::FutureExt as _;
use tokio::time::Instant;

use super::access::Caller;
use super::connections::{Connections, Latch};
use super::drain::retain;
use super::extract::too_large;
use super::gone::Verdict;
use super::observed::{Observed, Series};
use super::token::Session;
use super::{Endpoint, Gateway, gunzip};
use crate::config::Role;
use crate::context::ServiceContext;
use crate::deadline;
use crate::error::{AppError, AppResult, ErrorCode};
use crate::fault::Faults;
use crate::limit::{LimitError, Limits, Rejected};
use crate::rpc::{Guard, Place};
use crate::shed::{self, Gate};
use crate::telemetry::Meters;

/// What the routes of a process share.
#[derive(Clone)]
pub(super) struct Governance {
    shared: Arc<Shared>,
}

struct Shared {
    context: ServiceContext,
    gateway: Gateway,
    meters: Meters,
    faults: Faults,
    connections: Connections,
    limits: Limits,
    timeout: Option<Duration>,
    max_bytes: usize,
}

/// Governs one route.
#[derive(Clone)]
pub(super) struct RouteLayer {
    route: Arc<Route>,
}

struct Route {
    method: &'static str,
    path: &'static str,
    /// `POST /api/order/create`: the span's name.
    name: String,
    is_for_users: bool,
    latch: Latch,
    guard: Arc<Guard>,
    gate: Option<Arc<Gate>>,
    shared: Arc<Shared>,
}

/// A governed handler.
#[derive(Clone)]
pub(super) struct Governed<S> {
    inner: S,
    route: Arc<Route>,
}

impl Governance {
    pub(super) fn new(context: &ServiceContext, gateway: &Gateway) -> Result<Self, LimitError> {
        let config = context.config();
        let shared = Shared {
            context: context.clone(),
            gateway: gateway.clone(),
            meters: context.meters().clone(),
            faults: context.faults().clone(),
            connections: context.connections().clone(),
            limits: context.limits()?,
            timeout: config.request_timeout(Role::Gateway),
            max_bytes: gateway.max_bytes(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The layer of one route; its breaker is called as in go-zero: `POST:///api/order/create`.
    pub(super) fn layer(&self, endpoint: &Endpoint) -> RouteLayer {
        let Endpoint { method, path, is_for_users, is_first, .. } = *endpoint;
        let context = &self.shared.context;
        let place = if is_first { shed::Place::HttpPriority } else { shed::Place::Http };
        let route = Route {
            method,
            path,
            name: format!("{method} {path}"),
            is_for_users,
            latch: self.shared.connections.latch(),
            guard: context.guard(Place::Route, &format!("{method}://{path}")),
            gate: context.shedders().gate(place),
            shared: self.shared.clone(),
        };
        RouteLayer { route: Arc::new(route) }
    }
}

impl<S> tower::Layer<S> for RouteLayer {
    type Service = Governed<S>;

    fn layer(&self, inner: S) -> Governed<S> {
        Governed { inner, route: self.route.clone() }
    }
}

impl<S> tower::Service<Request> for Governed<S>
where
    S: tower::Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The service that was polled ready must be the one that is called.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        let route = self.route.clone();
        Box::pin(async move { Ok(route.serve(ready, request).await) })
    }
}

/// A handler: what is left of the chain.
trait Handler: tower::Service<Request, Response = Response, Error = Infallible> {}

impl<S: tower::Service<Request, Response = Response, Error = Infallible>> Handler for S {}

impl Route {
    /// Trace, log and metrics: what sees every request.
    async fn serve(&self, inner: impl Handler, request: Request) -> Response {
        let Shared { meters, .. } = &*self.shared;
        let series = Series { meters, method: self.method, path: self.path };
        let observed = Observed::on_route(&request, &self.name, series);
        let (request, rest) = retain(request);
        let guarded = async {
            match self.limited(inner, request, observed.caller()).await {
                Ok(response) => response,
                Err(error) => error.into_response(),
            }
        };
        let mut response = guarded.with_context(observed.context()).await;
        observed.conclude(&mut response);
        rest.drain().await;
        response
    }

    /// Connection limit and breaker. What the limit refuses, the breaker never sees.
    async fn limited(&self, inner: impl Handler, request: Request, caller: &Caller) -> AppResult<Response> {
        let full = |_| AppError::new(ErrorCode::MaxConns, "too many requests in flight: retry later");
        let _place = self.latch.enter().map_err(full)?;
        let refused = |_| AppError::breaker(Place::Route.name(), &**self.guard.name());
        let pass = self.guard.admit().map_err(refused)?;
        let verdict = Verdict::awaited(move |status: StatusCode| pass.resolve(!status.is_server_error()));
        let outcome = self.shed(inner, request, caller).await;
        verdict.tell(status_of(&outcome));
        outcome
    }

    /// Shedder: what it refuses, the breaker counts as a failure.
    async fn shed(&self, inner: impl Handler, request: Request, caller: &Caller) -> AppResult<Response> {
        let limit = if is_long_lived(request.headers()) { None } else { self.shared.timeout };
        let Some(gate) = &self.gate else {
            return self.timed(limit, inner, request, caller).await;
        };
        let refused = |_| AppError::new(ErrorCode::Shed, "service overloaded: retry later");
        let pass = gate.admit().map_err(refused)?;
        let deadline = limit.map(|limit| Instant::now() + limit);
        let verdict = Verdict::awaited(move |status| {
            let is_late = deadline.is_some_and(|deadline| deadline <= Instant::now());
            pass.resolve(is_answer(status, is_late));
        });
        let outcome = self.timed(limit, inner, request, caller).await;
        verdict.tell(status_of(&outcome));
        outcome
    }

    /// Deadline and recovery.
    async fn timed(
        &self,
        limit: Option<Duration>,
        inner: impl Handler,
        request: Request,
        caller: &Caller,
    ) -> AppResult<Response> {
        let work = AssertUnwindSafe(self.handle(inner, request, caller)).catch_unwind();
        match deadline::within(limit, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panic)) => {
                tracing::error!(route = self.name, "the handler panicked");
                Err(AppError::internal())
            }
            Err(deadline::Expired) => Err(AppError::new(ErrorCode::Timeout, "the request was not answered in time")),
        }
    }

    /// Faults, size limit, decompression, token, rate limits, handler.
    async fn handle(&self, mut inner: impl Handler, request: Request, caller: &Caller) -> AppResult<Response> {
        let shared = &self.shared;
        shared.faults.inject().await.map_err(tonic::Status::from)?;
        let declared = text(request.headers(), &CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
        if declared.is_some_and(|bytes| bytes > shared.max_bytes) {
            return Err(too_large(shared.max_bytes));
        }
        let mut request = gunzip::open(request).await?;
        let mut session = None;
        if self.is_for_users {
            let user = shared.gateway.tokens().session(request.headers())?;
            request.extensions_mut().insert(user);
            session = Some(user);
        }
        if let Err(rejected) = self.within_limits(session, caller).await {
            return Ok(refused(rejected));
        }
        let Ok(response) = inner.call(request).await;
        Ok(response)
    }

    /// Rate limits: by user where there is one, else by the client's address.
    async fn within_limits(&self, session: Option<Session>, caller: &Caller) -> Result<(), Rejected> {
        let limits = &self.shared.limits;
        if limits.is_empty() {
            return Ok(());
        }
        match session {
            Some(session) => limits.check(&self.name, &session.user_id.to_string()).await,
            None => limits.check(&self.name, &caller.address().unwrap_or_default()).await,
        }
    }
}

/// The answer to a caller that asked too often: 429, and when to ask again.
fn refused(rejected: Rejected) -> Response {
    let after = HeaderValue::from(rejected.retry_after_s);
    let mut response = AppError::from(rejected).into_response();
    response.headers_mut().insert(RETRY_AFTER, after);
    response
}

fn status_of(outcome: &AppResult<Response>) -> StatusCode {
    outcome.as_ref().map_or_else(AppError::http_status, Response::status)
}

/// Whether a request's time tells the shedder how fast the service is. As in go-zero one does not that was refused or cut off
/// by its own deadline; there that is a 503 as well. A 504 before that time is a callee's, which did answer.
fn is_answer(status: StatusCode, is_late: bool) -> bool {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => false,
        // Whichever call the deadline met first has said so.
        StatusCode::GATEWAY_TIMEOUT => !is_late,
        _ => true,
    }
}

/// Whether a request asks for something that lasts: no deadline ends it, as in go-zero.
fn is_long_lived(headers: &HeaderMap) -> bool {
    text(headers, &UPGRADE).is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
        || text(headers, &ACCEPT).is_some_and(|kind| kind == "text/event-stream")
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Secret, ServiceConfig};
    use crate::discovery::Static;
    use tower::{Layer as _, ServiceExt as _};

    /// A gateway whose requests may take this long.
    fn context(timeout_ms: u64) -> ServiceContext {
        let mut config = ServiceConfig::new(Role::Gateway.name());
        config.auth.access_secret = Secret::new("signs tokens");
        config.timeout = Some(timeout_ms);
        ServiceContext::new(config, Meters::disabled(), Arc::new(Static::new()))
    }

    /// Sends one request to a route of `context` that does `work`.
    fn ask<F>(context: &ServiceContext, work: fn() -> F) -> impl Future<Output = Response> + use<F>
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let gateway = Gateway::new(context, &[]);
        let governance = Governance::new(context, &gateway).expect("no limits");
        let endpoint = Endpoint::new("GET", "/work", axum::routing::MethodRouter::new());
        let handler = tower::service_fn(move |_: Request| work().map(Ok::<_, Infallible>));
        let asked = governance.layer(&endpoint).layer(handler).oneshot(Request::default());
        asked.map(|Ok(response)| response)
    }

    /// Requests that the shedder let through, and those of them that count as answered.
    fn counts(context: &ServiceContext) -> (u64, u64) {
        let counts = context.shedders().gate(shed::Place::Http).expect("sheds by default").counts();
        (counts.passes, counts.answered)
    }

    fn timeout() -> Response {
        AppError::new(ErrorCode::Timeout, "a call was not answered in time").into_response()
    }

    #[tokio::test]
    async fn what_its_own_deadline_cut_off_is_no_answer_to_the_shedder() {
        let context = context(20);
        let cut = ask(&context, std::future::pending).await;
        assert_eq!((cut.status(), counts(&context)), (StatusCode::GATEWAY_TIMEOUT, (1, 0)));
        // A call that is made on behalf of a request has the same deadline, and may be the first to meet it.
        let call = || async {
            tokio::time::sleep_until(deadline::current().expect("has one")).await;
            timeout()
        };
        let cut = ask(&context, call).await;
        assert_eq!((cut.status(), counts(&context)), (StatusCode::GATEWAY_TIMEOUT, (2, 0)));
    }

    #[tokio::test]
    async fn a_callees_timeout_is_an_answer_to_the_shedder() {
        let context = context(600_000);
        let answer = ask(&context, || async { timeout() }).await;
        assert_eq!((answer.status(), counts(&context)), (StatusCode::GATEWAY_TIMEOUT, (1, 1)));
    }

    #[tokio::test]
    async fn a_client_that_has_gone_is_no_failure_of_the_route() {
        let context = context(600_000);
        assert!(ask(&context, std::future::pending).now_or_never().is_none());
        assert_eq!(counts(&context), (1, 1));
        let totals = context.guard(Place::Route, "GET:///work").totals();
        assert_eq!((totals.accepted, totals.failed, totals.rejected), (1, 0, 0));
    }
}
