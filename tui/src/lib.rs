//! The console: a client of the console protocol.
//!
//! It owns the terminal and nothing else: every fact comes over the wire from a collector
//! ([`collector_api::console`]), and whatever changes a system goes through the shop's Control service or the
//! collector's Runs service. A crash of the console cannot hurt a stack.

mod options;

use std::future::Future;
use std::io::Write;

pub use options::{ColorChoice, Format, Launch, Leave, Options, RunSummary, Screen, Summary, TuiError};

/// Opens the console on this terminal until the user leaves. The terminal is restored whatever happens.
pub async fn run(options: Options) -> Result<(Leave, Summary), TuiError> {
    Err(TuiError::Unreachable { address: options.address, why: "not built yet".to_owned() })
}

/// The same facts as lines, for outputs that are no terminal: one a second while something changes, until `until`
/// resolves.
pub async fn lines(options: Options, out: impl Write, until: impl Future<Output = ()>) -> Result<Summary, TuiError> {
    drop((out, until));
    Err(TuiError::Unreachable { address: options.address, why: "not built yet".to_owned() })
}

/// One picture of a screen, `size` columns by rows, as it is after the first answers of the collector.
pub async fn capture(options: Options, size: (u16, u16), screen: Screen, format: Format) -> Result<String, TuiError> {
    let _ = (size, screen, format);
    Err(TuiError::Unreachable { address: options.address, why: "not built yet".to_owned() })
}
