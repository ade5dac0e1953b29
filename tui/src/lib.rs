//! The console: a client of the console protocol.
//!
//! It owns the terminal and nothing else: every fact comes over the wire from a collector
//! ([`collector_api::console`]), and whatever changes a system goes through the shop's Control service or the
//! collector's Runs service. A crash of the console cannot hurt a stack.
//!
//! Inside it is a loop of three pure parts: `model` holds the state, `update` changes it by a message and says what to
//! do, `view` draws it. The shell around them owns the terminal, the clock and the connection; it runs questions as
//! tasks and brings their answers back as messages, so nothing ever waits while a frame is drawn. Strings from the wire
//! are made safe once, where they enter the model.

mod axis;
mod capture;
mod client;
mod fmt;
mod keymap;
mod lines;
mod model;
mod msg;
mod options;
mod palette;
mod run;
mod sentence;
mod shell;
#[cfg(test)]
mod simulate;
mod summary;
mod term;
#[cfg(test)]
mod tests;
mod theme;
mod update;
mod view;
mod widget;

use std::io::Write;

pub use keymap::markdown as keys_markdown;
pub use options::{ColorChoice, Format, Launch, Leave, Options, RunSummary, Screen, Summary, TuiError};

/// Opens the console on this terminal until the user leaves. The terminal is restored whatever happens: on leaving, on
/// a panic anywhere in the process, on SIGTERM, SIGHUP and SIGINT.
pub async fn run(options: Options) -> Result<(Leave, Summary), TuiError> {
    run::run(options).await
}

/// The same facts as lines, for outputs that are no terminal: one a second while something changes, until `until`
/// resolves. A collector that does not answer yet is tried again until then.
pub async fn lines(options: Options, out: impl Write, until: impl Future<Output = ()>) -> Result<Summary, TuiError> {
    lines::lines(options, out, until).await
}

/// One picture of a screen, `size` columns by rows, as it is after the first answers of the collector. Takes about two
/// seconds.
pub async fn capture(options: Options, size: (u16, u16), screen: Screen, format: Format) -> Result<String, TuiError> {
    capture::capture(options, size, screen, format).await
}

/// One picture of a trace, `size` columns by rows: the waterfall that the console draws. Pure.
pub fn trace_picture(trace: collector_api::console::Trace, size: (u16, u16), format: Format) -> String {
    capture::trace(trace, size, format)
}
