//! Receive, keep, analyse and answer OTLP telemetry.
//!
//! A request's bytes come in at [`receiver`], become [`model`] values, are counted by [`rollup`] before anything may be
//! lost, and are kept by [`store`] within a byte budget. When a trace falls quiet, [`analysis`] explains it and [`runs`]
//! adds it to the run that caused it. [`alert`] evaluates rules over the stored metrics. [`serve`] answers consoles.
//! [`hub`] is where they meet; [`start`] opens the ports and runs the whole.
//!
//! Invariants: every bound has a counter; RED figures count every span that was received; times are integer
//! nanoseconds; analysis, store, rollup, query and alert know no clock and no runtime: they are told what time it is.

pub mod alert;
pub mod analysis;
pub mod events;
pub mod hub;
pub mod model;
pub mod query;
pub mod receiver;
pub mod rollup;
pub mod runs;
pub mod serve;
pub mod start;
pub mod store;

pub use events::NewEvent;
pub use hub::Hub;
pub use start::{Addresses, Collector, Config, RuleSource, ServeError, StartError};
