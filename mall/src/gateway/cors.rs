//! Which pages of other origins may call, as in go-zero: around every route, the unknown ones included.
//!
//! Without configured origins, or with `*` among them, every origin may call. A configured origin also allows what ends with
//! `.` and itself: `example.com` allows `https://shop.example.com`. Credentials are allowed to an origin that is named in
//! the answer, never to `*`. A preflight (any OPTIONS) is answered with 204 before it is traced, counted or limited.
//!
//! To go-zero's headers come the shop's own, as its `WithCorsHeaders` has it: a page may send `Idempotency-Key` and read what
//! came of it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

const ANY: &str = "*";
const METHODS: &str = "GET, HEAD, POST, PATCH, PUT, DELETE";
const SENT: &str =
    "Content-Type, Origin, X-CSRF-Token, Authorization, AccessToken, Token, Range, Idempotency-Key, Traceparent";
const READ: &str = "Content-Length, Access-Control-Allow-Origin, Access-Control-Allow-Headers, Idempotency-Key, \
                    Idempotent-Replayed, Retry-After, Traceparent";
/// A browser may remember a preflight for a day.
const SECONDS: &str = "86400";

/// The allowed origins, in lower case.
#[derive(Debug, Clone)]
pub(super) struct Origins(Arc<[String]>);

/// What an answer allows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Allowed {
    /// Every origin, without credentials.
    Any,
    /// The origin that asked, with credentials.
    Origin(HeaderValue),
    /// Nothing.
    Nobody,
}

impl Origins {
    /// The configured ones.
    pub(super) fn new(configured: &[String]) -> Self {
        Self(configured.iter().map(|origin| origin.to_ascii_lowercase()).collect())
    }

    fn allow(&self, origin: Option<&HeaderValue>) -> Allowed {
        if self.0.is_empty() {
            return Allowed::Any;
        }
        let asked = origin.and_then(|origin| Some((origin, origin.to_str().ok()?.to_ascii_lowercase())));
        match asked {
            Some((origin, text)) if self.0.iter().any(|allowed| covers(allowed, &text)) => {
                Allowed::Origin(origin.clone())
            }
            _ => Allowed::Nobody,
        }
    }
}

fn covers(allowed: &str, origin: &str) -> bool {
    allowed == ANY || origin.strip_suffix(allowed).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// The layer around the router.
pub(super) async fn share(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    let allowed = origins.allow(request.headers().get(header::ORIGIN));
    let is_preflight = request.method() == Method::OPTIONS;
    let mut response =
        if is_preflight { (StatusCode::NO_CONTENT, Body::empty()).into_response() } else { next.run(request).await };
    write(&allowed, is_preflight, response.headers_mut());
    response
}

fn write(allowed: &Allowed, is_preflight: bool, headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if is_preflight {
        headers.append(header::VARY, HeaderValue::from_static("Access-Control-Request-Method"));
        headers.append(header::VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
    }
    let origin = match allowed {
        Allowed::Any => HeaderValue::from_static(ANY),
        Allowed::Origin(origin) => origin.clone(),
        Allowed::Nobody => return,
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let fixed: [(HeaderName, &'static str); 4] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, SENT),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, READ),
        (header::ACCESS_CONTROL_MAX_AGE, SECONDS),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if matches!(allowed, Allowed::Origin(_)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allow(configured: &[&str], origin: Option<&'static str>) -> Allowed {
        let configured: Vec<String> = configured.iter().map(|origin| (*origin).to_owned()).collect();
        Origins::new(&configured).allow(origin.map(HeaderValue::from_static).as_ref())
    }

    fn echoed(origin: &'static str) -> Allowed {
        Allowed::Origin(HeaderValue::from_static(origin))
    }

    #[test]
    fn without_configured_origins_all_may_call_without_credentials() {
        assert_eq!(allow(&[], Some("https://a.example")), Allowed::Any);
        assert_eq!(allow(&[], None), Allowed::Any);
    }

    #[test]
    fn a_star_among_the_origins_names_whoever_asks() {
        assert_eq!(allow(&["*"], Some("https://a.example")), echoed("https://a.example"));
        assert_eq!(allow(&["*"], None), Allowed::Nobody);
    }

    #[test]
    fn an_origin_allows_itself_and_what_lies_below_it() {
        let configured = ["https://Shop.example", "mall.example"];
        for origin in ["https://shop.EXAMPLE", "https://a.mall.example", "https://a.b.mall.example"] {
            assert_eq!(allow(&configured, Some(origin)), echoed(origin));
        }
        for origin in
            ["https://evilmall.example", "https://mall.example", "http://shop.example", "https://mall.example.evil", ""]
        {
            assert_eq!(allow(&configured, Some(origin)), Allowed::Nobody, "{origin}");
        }
    }

    #[test]
    fn credentials_are_never_allowed_to_everybody() {
        for allowed in [Allowed::Any, Allowed::Nobody, echoed("https://a.example")] {
            let mut headers = HeaderMap::new();
            write(&allowed, true, &mut headers);
            let credentials = headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
            assert_eq!(credentials, matches!(allowed, Allowed::Origin(_)));
            assert_eq!(headers.get_all(header::VARY).iter().count(), 3);
        }
    }

    proptest! {
        #[test]
        fn a_suffix_that_is_no_label_is_no_subdomain(before in "[a-z0-9-]{1,12}", domain in "[a-z]{1,8}\\.[a-z]{2,4}") {
            let joined = format!("https://{before}{domain}");
            prop_assert!(!covers(&domain, &joined));
            let below = format!("https://{before}.{domain}");
            prop_assert!(covers(&domain, &below));
        }
    }
}
