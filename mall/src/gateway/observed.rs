//! One request as telemetry sees it: its span, its line in the access log and, on a route, its count.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use tokio::time::Instant;

use super::access::{self, Caller};
use super::gone::GONE;
use crate::error::Failure;
use crate::telemetry::{Meters, extract, inject, span};

/// A request under way. Dropped without [`Observed::conclude`], its client has gone.
pub(super) struct Observed<'a> {
    context: Context,
    name: &'a str,
    caller: Caller,
    series: Option<Series<'a>>,
    began: Instant,
    is_concluded: bool,
}

/// What the requests of one route are counted as.
#[derive(Clone, Copy)]
pub(super) struct Series<'a> {
    pub(super) meters: &'a Meters,
    pub(super) method: &'static str,
    /// The pattern, never the path.
    pub(super) path: &'static str,
}

impl<'a> Observed<'a> {
    /// Begins the span of a request that a route answers.
    pub(super) fn on_route(request: &Request, name: &'a str, series: Series<'a>) -> Self {
        Self::begin(request, name, series.method, Some(series))
    }

    /// Begins the span of a request that no route answers: it is in no metric.
    pub(super) fn off_route(request: &Request, method: &'static str) -> Self {
        Self::begin(request, method, method, None)
    }

    fn begin(request: &Request, name: &'a str, method: &'static str, series: Option<Series<'a>>) -> Self {
        let began = Instant::now();
        let caller = Caller::of(request.headers(), request.extensions());
        let attributes = || {
            let mut attributes = vec![
                KeyValue::new("http.request.method", method),
                KeyValue::new("url.path", request.uri().path().to_owned()),
                KeyValue::new("url.scheme", "http"),
            ];
            attributes.extend(series.map(|series| KeyValue::new("http.route", series.path)));
            attributes.extend(caller.attributes());
            attributes
        };
        let context = span::start(&extract(request.headers()), name.to_owned(), SpanKind::Server, attributes);
        Self { context, name, caller, series, began, is_concluded: false }
    }

    /// The context that holds the span.
    pub(super) fn context(&self) -> Context {
        self.context.clone()
    }

    /// Who asked.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Ends the request with its answer, which from then on names the trace.
    pub(super) fn conclude(mut self, response: &mut Response) {
        self.end(response);
        inject(&self.context, response.headers_mut());
    }

    fn end(&mut self, response: &Response) {
        if std::mem::replace(&mut self.is_concluded, true) {
            return;
        }
        let elapsed = self.began.elapsed();
        {
            // The line has the ids of the trace.
            let _current = self.context.clone().attach();
            access::log(self.name, &self.caller, response, elapsed);
        }
        describe(&self.context, response);
        span::end(&self.context);
        if let Some(Series { meters, method, path }) = self.series {
            meters.http_server(method, path, response.status().as_u16(), elapsed);
        }
    }
}

impl Drop for Observed<'_> {
    fn drop(&mut self) {
        if !self.is_concluded {
            self.end(&GONE.into_response());
        }
    }
}

/// Writes the outcome on the SERVER span: an error from 500 on, as the conventions have it.
fn describe(context: &Context, response: &Response) {
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
