//! The console protocol, and the vocabulary that the console understands.
//!
//! [`console`] holds the protocol (`console.proto`, `runs.proto`): what a console, the command line and a load run say
//! to a collector. [`vocabulary`] names every attribute, event and metric that goes beyond the OpenTelemetry
//! conventions. [`history`] is the record of what a load run did, read by `verify`. [`sketch`] is the one mergeable
//! latency summary of the house. [`kept`] says what tail retention kept, [`coverage`] what
//! spans do not show. [`text`] makes text from the wire safe to print.
//!
//! The crate owns words and shapes: it opens no connection, keeps no state and knows no clock.

pub mod coverage;
pub mod figure;
pub mod history;
pub mod kept;
pub mod lost;
pub mod prometheus;
pub mod sketch;
pub mod text;
pub mod vocabulary;

/// Messages and services of package `mallctl.console.v1`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod console {
    tonic::include_proto!("mallctl.console.v1");
}

/// The version of the console protocol that this crate speaks.
pub const PROTOCOL: u32 = 1;

/// Largest message of the console protocol that either side accepts: 64 MiB.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;
