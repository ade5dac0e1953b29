//! Servers on ephemeral loopback ports.

// Each test is a program of its own and uses a part of this.
#![allow(dead_code, reason = "shared by tests that use different parts")]

pub mod collector;

use std::net::SocketAddr;

use axum::Router;

/// Serves until the test ends.
pub async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}
