//! Injected faults: what can go wrong on purpose, and what is in force now.
//!
//! [`KINDS`] is the table of kinds and their parameters: help, validation and injection read the same rows. [`Faults`]
//! holds what is in force in this process. A call costs one relaxed load while there is nothing.

mod kind;
mod parse;
mod store;

pub use kind::{KINDS, Kind, Param, Shape};
pub use parse::{Effect, Fault, FaultError, Replica, parse};
pub use store::{Faults, Injected};
