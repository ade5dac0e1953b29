//! One HTTP/2 connection to one replica: opened eagerly, watched, opened again.

use super::balancer::Balancer;
use crate::discovery::Endpoint;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::sync::Weak;
use std::time::Duration;
use tokio::net::TcpStream;
use tonic::body::Body;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(1);

/// Why a replica cannot be reached.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("no answer within {CONNECT_TIMEOUT:?}")]
    Timeout,
    #[error(transparent)]
    Socket(#[from] std::io::Error),
    #[error(transparent)]
    Protocol(#[from] hyper::Error),
}

/// Keeps `endpoint` connected until the balancer is gone or aborts the task, and tells it about every change.
///
/// The connection itself runs in a task of its own: calls in flight to a replica that left the list may end in peace.
pub(super) async fn keep(endpoint: Endpoint, balancer: Weak<Balancer>) {
    let mut pause = FIRST_RETRY;
    loop {
        match connect(&endpoint.address).await {
            Ok((sender, connection)) => {
                pause = FIRST_RETRY;
                let connection = tokio::spawn(connection);
                match balancer.upgrade() {
                    Some(balancer) => balancer.connected(&endpoint, sender),
                    None => return,
                }
                // How it ended does not matter: the replica is unreachable until the next connection.
                let _ = connection.await;
                match balancer.upgrade() {
                    Some(balancer) => balancer.disconnected(&endpoint),
                    None => return,
                }
            }
            Err(error) => {
                tracing::debug!(instance = &*endpoint.instance, address = &*endpoint.address, %error, "cannot connect");
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_RETRY);
    }
}

async fn connect(
    address: &str,
) -> Result<(SendRequest<Body>, impl Future<Output = ()> + Send + 'static), ConnectError> {
    let opened = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream)).await?;
        Ok((sender, async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
        }))
    };
    tokio::time::timeout(CONNECT_TIMEOUT, opened).await.unwrap_or(Err(ConnectError::Timeout))
}
