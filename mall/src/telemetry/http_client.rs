//! How OTLP travels over HTTP.
//!
//! The SDK exports from threads of its own, which belong to no runtime. The requests are sent by the service's runtime,
//! over connections that are kept.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

/// Largest answer that is read, in bytes: a receiver says little.
const LARGEST_ANSWER: usize = 64 << 10;

/// Sends on the runtime that it was made on.
#[derive(Debug, Clone)]
pub(super) struct RuntimeClient {
    client: Client<HttpConnector, Full<Bytes>>,
    runtime: Handle,
    timeout: Duration,
}

impl RuntimeClient {
    /// A client of which one request takes at most `timeout`. Must be called within a tokio runtime.
    pub(super) fn new(timeout: Duration) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, runtime: Handle::current(), timeout }
    }
}

#[tonic::async_trait]
impl HttpClient for RuntimeClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let exchange = async move {
            let answer = client.request(request.map(Full::new)).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, LARGEST_ANSWER).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        self.runtime.spawn(tokio::time::timeout(self.timeout, exchange)).await??
    }
}
