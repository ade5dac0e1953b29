//! A client that goes away in the middle of a slow request.

use super::latency;
use mall::context::ServiceContext;
use mall::shed::Place;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Trace of its request.
pub const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Sends a GET to the gateway of `context`, which is made slow, and goes away while it is held. Resolves when the gateway
/// has let go of it.
pub async fn leave(context: &ServiceContext, address: SocketAddr, path: &str) {
    context.faults().apply(&latency("gateway", "60s"), SystemTime::now()).expect("a legal fault");
    let mut client = TcpStream::connect(address).await.expect("connects");
    let parent = format!("traceparent: 00-{TRACE}-b7ad6b7169203331-01");
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n{parent}\r\n\r\n");
    client.write_all(request.as_bytes()).await.expect("sends");
    flying(context, 1).await;
    drop(client);
    flying(context, 0).await;
}

/// Waits until this many requests are in flight.
async fn flying(context: &ServiceContext, count: i64) {
    let gate = context.shedders().gate(Place::Http).expect("sheds by default");
    let reached = async {
        while gate.state().flying != count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.expect("in time");
}
