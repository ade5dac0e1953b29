//! Calls between services: balanced, guarded, bounded in time.
//!
//! A [`Client`] makes unary calls to one service. In order: CLIENT span, breaker, deadline, P2C pick, one of the replica's
//! HTTP/2 connections. [`server::Governed`] is the other end: SERVER span, breaker, shedding, deadline, faults, handler. Nothing is
//! retried, as in go-zero; a call that could not be sent at all is picked again.

mod admin;
mod balancer;
mod client;
mod connection;
mod guard;
mod method;
mod observed;
pub mod server;
mod status;
mod timeout;

pub use admin::{AdminService, admin_service};
pub use balancer::Balancer;
pub use client::Client;
pub use guard::{Guard, Guards, Pass, Place};
pub use status::{CODES, DOMAIN, code_name, expired, explained, rejected};

/// Largest answer that a client reads, and largest request that a server does: 4 MiB.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;
