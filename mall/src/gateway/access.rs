//! Who asked, and the line that the access log has of each request.
//!
//! Lines of ordinary requests have the target `access` and the level INFO: a filter such as `info,access=warn` leaves them
//! out, and then they cost nothing. Over OTLP they are never sent, because the SERVER span says the same. Failed and slow
//! requests are warnings.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::HttpBody as _;
use axum::response::Response;
use http::header::USER_AGENT;
use http::{Extensions, HeaderMap, HeaderValue};
use opentelemetry::KeyValue;

use crate::error::Failure;
use crate::listener::Peer;

/// From here on a request is slow, as in go-zero.
const SLOW: Duration = Duration::from_millis(500);

/// Who asked, as far as headers and the connection say.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    forwarded: Option<HeaderValue>,
    peer: Option<SocketAddr>,
    agent: Option<HeaderValue>,
}

impl Caller {
    /// Who sent a request with these headers and extensions.
    pub(super) fn of(headers: &HeaderMap, extensions: &Extensions) -> Self {
        Self {
            forwarded: headers.get("x-forwarded-for").cloned(),
            peer: extensions.get().map(|Peer(address)| *address),
            agent: headers.get(USER_AGENT).cloned(),
        }
    }

    /// The first address of `X-Forwarded-For`, as go-zero takes it, else the peer's. Whoever can reach the port can write
    /// that header: a proxy in front must set it anew.
    pub(super) fn address(&self) -> Option<Cow<'_, str>> {
        let list = self.forwarded.as_ref().and_then(|value| value.to_str().ok());
        let first = list.and_then(|list| list.split(',').next()).map(str::trim).filter(|first| !first.is_empty());
        first.map(Cow::Borrowed).or_else(|| self.peer.map(|peer| peer.ip().to_string().into()))
    }

    /// What the client calls itself.
    pub(super) fn agent(&self) -> Option<&str> {
        self.agent.as_ref().and_then(|value| value.to_str().ok())
    }

    /// The same for a span.
    pub(super) fn attributes(&self) -> impl Iterator<Item = KeyValue> {
        let address = self.address().map(|address| KeyValue::new("client.address", address.into_owned()));
        let agent = self.agent().map(|agent| KeyValue::new("user_agent.original", agent.to_owned()));
        address.into_iter().chain(agent)
    }
}

/// Writes the line of a request that has ended, with the ids of the current trace.
pub(super) fn log(route: &str, caller: &Caller, response: &Response, elapsed: Duration) {
    let status = response.status().as_u16();
    let duration_ms = elapsed.as_secs_f64() * 1e3;
    match response.extensions().get::<Failure>() {
        Some(Failure(error)) if response.status().is_server_error() => tracing::warn!(
            target: "access",
            route,
            status,
            duration_ms,
            bytes = size(response),
            client = caller.address().as_deref(),
            agent = caller.agent(),
            reason = error.reason().as_str(),
            %error,
            "request failed"
        ),
        _ if elapsed >= SLOW => tracing::warn!(
            target: "access",
            route,
            status,
            duration_ms,
            bytes = size(response),
            client = caller.address().as_deref(),
            agent = caller.agent(),
            "slow request"
        ),
        _ => tracing::info!(
            target: "access",
            route,
            status,
            duration_ms,
            bytes = size(response),
            client = caller.address().as_deref(),
            agent = caller.agent(),
            "request"
        ),
    }
}

/// Bytes of the answer's body; `None` for one that is not known before it is sent.
fn size(response: &Response) -> Option<u64> {
    response.body().size_hint().exact()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(forwarded: Option<&'static str>, peer: Option<&str>) -> Caller {
        let mut headers = HeaderMap::new();
        headers.extend(
            forwarded.map(|list| (http::HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static(list))),
        );
        let mut extensions = Extensions::new();
        if let Some(peer) = peer {
            extensions.insert(Peer(peer.parse().expect("an address")));
        }
        Caller::of(&headers, &extensions)
    }

    #[test]
    fn the_first_forwarded_address_goes_before_the_peers() {
        let address = |forwarded, peer| caller(forwarded, peer).address().map(Cow::into_owned);
        assert_eq!(address(Some("10.0.0.7, 10.0.0.8"), Some("127.0.0.1:4")).as_deref(), Some("10.0.0.7"));
        assert_eq!(address(Some(" "), Some("127.0.0.1:4")).as_deref(), Some("127.0.0.1"));
        assert_eq!(address(None, Some("[::1]:4")).as_deref(), Some("::1"));
        assert_eq!(address(None, None), None);
    }
}
