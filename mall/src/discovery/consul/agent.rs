use super::ConsulError;
use crate::config::Consul;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// Header that carries the ACL token.
const TOKEN: &str = "x-consul-token";
/// Largest answer that is read.
const LARGEST: usize = 4 << 20;
/// How much of an error's text is kept.
const KEPT: usize = 200;

/// The agent of Consul, and the service that is meant. Each request opens a connection of its own: there is one in many
/// seconds, and a blocking query must not hold up a check.
#[derive(Debug, Clone)]
pub(in super::super) struct Agent {
    conf: Arc<Consul>,
}

/// An answer that was read to its end.
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Agent {
    /// The agent at `conf`.
    pub(in super::super) fn new(conf: Consul) -> Self {
        Self { conf: Arc::new(conf) }
    }

    /// Name of the service.
    pub(super) fn key(&self) -> &str {
        &self.conf.key
    }

    /// One request; anything but a success is an error.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
        limit: Duration,
    ) -> Result<Answer, ConsulError> {
        let asked = async {
            let stream = TcpStream::connect(&self.conf.host)
                .await
                .map_err(|source| ConsulError::Connect { host: self.conf.host.clone(), source })?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            let exchange = async {
                let response = sender.send_request(self.request(&method, path, body)?).await?;
                self.read(&method, path, response).await
            };
            // Ends with the exchange: the connection is dropped, which also ends a blocking query that nobody waits for.
            tokio::select! {
                answer = exchange => answer,
                broken = drive(connection) => Err(broken),
            }
        };
        tokio::time::timeout(limit, asked).await.unwrap_or(Err(ConsulError::Timeout(limit)))
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Request<Full<Bytes>>, ConsulError> {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.conf.host);
        if !self.conf.token.is_empty() {
            request = request.header(TOKEN, self.conf.token.expose());
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let bytes = body.map(ToString::to_string).unwrap_or_default();
        request
            .body(Full::from(bytes))
            .map_err(|error| ConsulError::Answer { request: format!("{method} {path}"), what: error.to_string() })
    }

    async fn read(
        &self,
        method: &Method,
        path: &str,
        response: http::Response<hyper::body::Incoming>,
    ) -> Result<Answer, ConsulError> {
        let request = || format!("{method} {}", path.split('?').next().unwrap_or(path));
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, LARGEST).collect().await;
        let body =
            body.map_err(|error| ConsulError::Answer { request: request(), what: error.to_string() })?.to_bytes();
        if parts.status.is_success() {
            return Ok(Answer { headers: parts.headers, body });
        }
        let text: String = String::from_utf8_lossy(&body).trim().chars().take(KEPT).collect();
        Err(ConsulError::Status { request: request(), status: parts.status, body: text })
    }
}

/// Moves the bytes of a connection until it breaks; one that ended in peace has given its answer already.
async fn drive(connection: impl Future<Output = Result<(), hyper::Error>>) -> ConsulError {
    match connection.await {
        Ok(()) => std::future::pending().await,
        Err(error) => error.into(),
    }
}

/// A service's name or identity as a part of a path.
pub(super) fn encoded(text: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(byte);
    let encode = |byte: u8| if is_plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn a_path_keeps_plain_names_and_encodes_the_rest() {
        assert_eq!(encoded("user-rpc.v1_127.0.0.1:80"), "user-rpc.v1_127.0.0.1:80");
        assert_eq!(encoded("shop/user rpc?"), "shop%2Fuser%20rpc%3F");
    }
}
