//! What a process is told at start: one YAML (or JSON) file, with go-zero's key names where go-zero has the key.
//!
//! Unknown keys are refused with the nearest valid one. Secrets never appear in `Debug`.

mod address;
mod check;
mod document;
mod edge;
mod environment;
mod error;
mod header;
mod level;
mod mall;
mod needs;
mod peers;
mod reading;
mod role;
mod schema;
mod secret;
mod service;
mod stores;
mod telemetry;
mod tree;

pub(crate) use address::can_connect;
pub use document::document;
pub use edge::{Auth, Cors, Limit, Per};
pub use error::ConfigError;
pub(crate) use level::filter as log_filter;
pub use mall::{Control, Mall};
pub use peers::{Consul, Etcd, RpcClient};
pub use reading::Reading;
pub use role::{Role, UnknownRole};
pub use secret::Secret;
pub use service::ServiceConfig;
pub use stores::{Cache, CacheNode, Database, Redis};
pub use telemetry::{DevServer, Log, Prometheus, Sampling, Telemetry};
pub use tree::Mistake;
