//! The console protocol over gRPC.
//!
//! Owns: the wire side of [`crate::hub::Hub`] — who may do what, message limits, streams that a slow reader cannot make
//! grow. Refuses: knowing anything itself; every answer comes from the hub, the stores or the analysis.
//!
//! Reading is open to whoever reaches the port. Changing a run needs the stack's token; where the stack has none, a
//! loopback address. Opening a run needs either.

mod access;
mod columns;
mod console;
mod details;
mod runs;
mod watch;

use std::sync::Arc;

use collector_api::MAX_MESSAGE_BYTES;
use collector_api::console::console_server::ConsoleServer;
use collector_api::console::runs_server::RunsServer;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use self::console::Identity;
use crate::hub::Hub;

/// Adds the services of the console protocol to whatever else is served on the port. Streams end with `stop`.
pub fn add_to(routes: Routes, hub: &Arc<Hub>, identity: Identity, stop: &CancellationToken) -> Routes {
    let runs = runs::RunsService::new(Arc::clone(hub), &identity, stop.clone());
    let console = console::ConsoleService::new(Arc::clone(hub), identity, stop.clone());
    routes
        .add_service(
            ConsoleServer::new(console)
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
        )
        .add_service(
            RunsServer::new(runs)
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
        )
}
