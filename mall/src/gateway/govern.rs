//! What stands in front of every route.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, USER_AGENT};
use opentelemetry::context::FutureExt as _;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::drain::{awaits_permission, drain};
use super::extract::too_large;
use crate::config::Role;
use crate::context::ServiceContext;
use crate::deadline;
use crate::error::{AppError, AppResult, ErrorCode, Failure};
use crate::fault::Faults;
use crate::rpc::{Guard, Place};
use crate::telemetry::{Meters, extract, inject, span};

/// From here on a request is slow, as in go-zero.
const SLOW: Duration = Duration::from_millis(500);

/// The limit of requests in flight, as it is counted; it is one for the whole process.
const LIMITER: (&str, &str) = ("max_connections", "process");

/// What the routes of a process share.
#[derive(Clone)]
pub(super) struct Governance {
    shared: Arc<Shared>,
}

struct Shared {
    context: ServiceContext,
    meters: Meters,
    faults: Faults,
    slots: Semaphore,
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
    guard: Arc<Guard>,
    shared: Arc<Shared>,
}

/// A governed handler.
#[derive(Clone)]
pub(super) struct Governed<S> {
    inner: S,
    route: Arc<Route>,
}

impl Governance {
    pub(super) fn new(context: &ServiceContext) -> Self {
        let config = context.config();
        context.meters().register_limiter(LIMITER.0);
        let shared = Shared {
            context: context.clone(),
            meters: context.meters().clone(),
            faults: context.faults().clone(),
            slots: Semaphore::new(config.max_conns.min(Semaphore::MAX_PERMITS)),
            timeout: config.request_timeout(Role::Gateway),
            max_bytes: usize::try_from(config.max_bytes).unwrap_or(usize::MAX),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The layer of one route; its breaker is called as in go-zero: `POST:///api/order/create`.
    pub(super) fn layer(&self, method: &'static str, path: &'static str) -> RouteLayer {
        let guard = self.shared.context.guard(Place::Route, &format!("{method}://{path}"));
        let route = Route { method, path, name: format!("{method} {path}"), guard, shared: self.shared.clone() };
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

impl Route {
    /// Trace, log and metrics: what sees every request.
    async fn serve<S>(&self, inner: S, request: Request) -> Response
    where
        S: tower::Service<Request, Response = Response, Error = Infallible>,
    {
        let began = Instant::now();
        let parent = extract(request.headers());
        let context = span::start(&parent, self.name.clone(), SpanKind::Server, || self.attributes(&request));
        let guarded = async {
            let response = match self.guarded(inner, request).await {
                Ok(response) => response,
                Err(error) => error.into_response(),
            };
            self.log(&response, began.elapsed());
            response
        };
        let mut response = guarded.with_context(context.clone()).await;
        conclude(&context, &response);
        inject(&context, response.headers_mut());
        span::end(&context);
        self.shared.meters.http_server(self.method, self.path, response.status().as_u16(), began.elapsed());
        response
    }

    /// Connection limit, breaker, deadline, recovery: what may refuse or cut.
    async fn guarded<S>(&self, inner: S, request: Request) -> AppResult<Response>
    where
        S: tower::Service<Request, Response = Response, Error = Infallible>,
    {
        let Ok(_slot) = self.shared.slots.try_acquire() else {
            self.shared.meters.limiter_rejected(LIMITER.0, LIMITER.1);
            return Err(AppError::new(ErrorCode::MaxConns, "too many requests in flight: retry later"));
        };
        let refused = |_| AppError::breaker(Place::Route.name(), &**self.guard.name());
        let pass = self.guard.admit().map_err(refused)?;
        let work = AssertUnwindSafe(self.handle(inner, request)).catch_unwind();
        let outcome = match deadline::within(self.shared.timeout, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panic)) => {
                tracing::error!(route = self.name, "the handler panicked");
                Err(AppError::internal())
            }
            Err(deadline::Expired) => Err(AppError::new(ErrorCode::Timeout, "the request was not answered in time")),
        };
        let status = outcome.as_ref().map_or_else(AppError::http_status, Response::status);
        pass.resolve(!status.is_server_error());
        outcome
    }

    /// Faults, size limit, handler.
    async fn handle<S>(&self, mut inner: S, request: Request) -> AppResult<Response>
    where
        S: tower::Service<Request, Response = Response, Error = Infallible>,
    {
        self.shared.faults.inject().await.map_err(tonic::Status::from)?;
        let declared = number_in(request.headers(), CONTENT_LENGTH.as_str());
        if declared.is_some_and(|bytes| bytes > self.shared.max_bytes) {
            if !awaits_permission(request.headers()) {
                drain(request.into_body()).await;
            }
            return Err(too_large(self.shared.max_bytes));
        }
        let Ok(response) = inner.call(request).await;
        Ok(response)
    }

    fn attributes(&self, request: &Request<Body>) -> Vec<KeyValue> {
        let mut attributes = vec![
            KeyValue::new("http.request.method", self.method),
            KeyValue::new("http.route", self.path),
            KeyValue::new("url.path", request.uri().path().to_owned()),
            KeyValue::new("url.scheme", "http"),
        ];
        attributes.extend(caller(request.headers()));
        attributes
    }

    fn log(&self, response: &Response, elapsed: Duration) {
        let status = response.status().as_u16();
        let duration_ms = elapsed.as_secs_f64() * 1e3;
        match response.extensions().get::<Failure>() {
            Some(Failure(error)) if response.status().is_server_error() => {
                let reason = error.reason().as_str();
                tracing::warn!(route = self.name, status, duration_ms, reason, %error, "request failed");
            }
            _ if elapsed >= SLOW => tracing::warn!(route = self.name, status, duration_ms, "slow request"),
            _ => tracing::debug!(route = self.name, status, duration_ms, "request"),
        }
    }
}

/// Who asks, as far as headers say.
pub(super) fn caller(headers: &HeaderMap) -> impl Iterator<Item = KeyValue> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let address = text("x-forwarded-for").and_then(|list| list.split(',').next()).map(|first| first.trim().to_owned());
    let agent = text(USER_AGENT.as_str()).map(ToOwned::to_owned);
    let address = address.map(|address| KeyValue::new("client.address", address));
    address.into_iter().chain(agent.map(|agent| KeyValue::new("user_agent.original", agent)))
}

/// Writes the outcome on the SERVER span: an error from 500 on, as the conventions have it.
pub(super) fn conclude(context: &Context, response: &Response) {
    let span = context.span();
    if !span.is_recording() {
        return;
    }
    let status = response.status();
    span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    let failure = response.extensions().get::<Failure>().map(|Failure(error)| error);
    if let Some(error) = failure {
        span.set_attribute(KeyValue::new("error.type", error.reason().as_str()));
    }
    if status.is_server_error() {
        span.set_status(Status::error(failure.map(|error| error.message.clone()).unwrap_or_default()));
    }
}

fn number_in(headers: &HeaderMap, name: &str) -> Option<usize> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}
