//! The shop: a gateway and user, order and pay services, as real processes.
//!
//! [`serve`](serve::serve) runs one role until it is told to stop. A request enters at [`gateway`] (HTTP) or an RPC
//! server, passes the governance layers of [`rpc`], and ends in [`store`] (SQL). [`telemetry`] turns what happened into
//! spans, metrics and logs; [`fault`] makes it go wrong on purpose; [`verify`] judges afterwards.
//!
//! The crate owns the shop's behaviour. It refuses to supervise (that is the binary's stack) and to keep telemetry
//! (that is the collector).

pub mod cache;
pub mod config;
pub mod context;
pub mod deadline;
pub mod dev_server;
pub mod discovery;
pub mod error;
pub mod events;
pub mod fault;
pub mod gateway;
pub mod limit;
pub mod listener;
mod nearest;
pub mod order;
pub mod pay;
pub mod redis;
pub mod rpc;
pub mod seed;
pub mod serve;
pub mod shed;
pub mod store;
pub mod telemetry;
pub mod user;
pub mod verify;
