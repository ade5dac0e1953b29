//! One HTTP request: how it is built, and how its answer is read.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;

use super::values::Context;
use crate::error::LoadError;
use crate::options::Tls;
use crate::outcome::Answer;
use crate::scenario::{Body, Step};

/// Bytes of an answer that are looked into; the rest is read and left.
const LOOKED_INTO: usize = 1 << 20;
/// Time limit of the first connection.
const PREFLIGHT: Duration = Duration::from_millis(1_500);

/// A request that is ready to be sent.
pub struct Call {
    /// Absolute address.
    pub url: String,
    /// Headers without the trace context.
    pub headers: HeaderMap,
    /// Body, with its content type in the headers.
    pub body: Option<Vec<u8>>,
}

/// Renders a step. The error says which value is missing or unfit.
pub fn render(step: &Step, base_url: &str, context: &mut Context<'_>) -> Result<Call, String> {
    let url = format!("{base_url}{}", step.path.render(context).map_err(|missing| missing.to_string())?);
    let mut headers = HeaderMap::with_capacity(step.headers.len() + 2);
    for (name, template) in &step.headers {
        let value = template.render(context).map_err(|missing| missing.to_string())?;
        let value =
            HeaderValue::from_str(&value).map_err(|_| format!("header `{name}` has a value that no header holds"))?;
        headers.append(name.clone(), value);
    }
    let body = match &step.body {
        Body::Empty => None,
        Body::Text(text) => Some(text.clone().into_bytes()),
        Body::Json(template) => {
            let value = template.render(context).map_err(|missing| missing.to_string())?;
            headers.entry(http::header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            Some(value.to_string().into_bytes())
        }
    };
    Ok(Call { url, headers, body })
}

impl Call {
    /// The request of a client.
    pub fn builder(self, client: &Client, method: &http::Method, timeout: Duration) -> RequestBuilder {
        let builder = client.request(method.clone(), self.url).headers(self.headers).timeout(timeout);
        match self.body {
            Some(body) => builder.body(body),
            None => builder,
        }
    }
}

/// Reads the whole answer. Bodies are parsed only when somebody needs what is inside.
pub async fn read(response: Result<Response, reqwest::Error>, needs_body: bool) -> Answer {
    let mut response = match response {
        Ok(response) => response,
        Err(error) => return failed(&error),
    };
    let status = response.status().as_u16();
    let mut text = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = LOOKED_INTO.saturating_sub(text.len());
                text.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
            }
            Ok(None) => break,
            Err(error) if error.is_timeout() => return Answer::Timeout,
            Err(_) => return Answer::Broken,
        }
    }
    let wanted = needs_body || !(200..300).contains(&status);
    let body: Option<Value> = if wanted { serde_json::from_slice(&text).ok() } else { None };
    Answer::Response { status, body }
}

/// What a client's error means for the request.
pub fn failed(error: &reqwest::Error) -> Answer {
    if error.is_connect() || error.is_builder() {
        Answer::Unsent
    } else if error.is_timeout() {
        Answer::Timeout
    } else {
        Answer::Broken
    }
}

/// The one client of a run: HTTP/1.1 with connections kept, no proxy, no redirects, no cookies.
pub fn client(pool: u32, tls: &Tls) -> Result<Client, LoadError> {
    let wrong = |error: reqwest::Error| LoadError::Client(error.to_string());
    let read = |path: &std::path::Path| {
        std::fs::read(path).map_err(|source| LoadError::File { path: path.to_owned(), source })
    };
    let mut builder = Client::builder()
        .user_agent(concat!("mallctl/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .http1_only()
        .pool_max_idle_per_host(pool as usize)
        .connect_timeout(Duration::from_secs(5));
    if let Some(path) = &tls.ca_cert {
        let certificates = reqwest::Certificate::from_pem_bundle(&read(path)?).map_err(wrong)?;
        builder = builder.tls_certs_merge(certificates);
    }
    match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => {
            let pem = [read(cert)?, read(key)?].join(&b'\n');
            builder = builder.identity(reqwest::Identity::from_pem(&pem).map_err(wrong)?);
        }
        (None, None) => {}
        _ => return Err(LoadError::Option("a client certificate needs both `--cert` and `--key`".into())),
    }
    if tls.insecure {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    builder.build().map_err(wrong)
}

/// Opens one connection, so that a dead target is named at once and not by ten thousand failures.
pub async fn preflight(host: &str, port: u16) -> Result<(), LoadError> {
    let address = format!("{host}:{port}");
    let bare = host.trim_matches(['[', ']']).to_owned();
    let why = match tokio::time::timeout(PREFLIGHT, tokio::net::TcpStream::connect((bare, port))).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    Err(LoadError::DeadTarget { address, why })
}
