//! Open-loop, trace-aware load generation.
//!
//! A [`Scenario`] says what arrives when. A pacer on its own thread turns it into tickets with an intended start; a pool
//! of goose users works the tickets off; every request is timed by three clocks, recorded, and told to the collector as a
//! CLIENT span whose trace the shop continues. [`run`] does all of that once and returns a [`Report`].
//!
//! What this crate refuses to do: it knows no shop and no supervisor ([`Pools`], [`Faults`] and [`Stack`] are
//! implemented by the caller), prints nothing, and drops nothing. A request that could not be sent on time waits, and its
//! lateness is part of its intended latency.
//!
//! Invariants: `requests.ok + requests.failed = requests.sent`, the outcomes sum to `sent`, every `invoke` of the history
//! has exactly one end, and every bounded queue counts what it lost.

mod clock;
mod data;
mod drive;
mod error;
pub mod gate;
mod history;
mod hooks;
mod host;
mod options;
mod outcome;
mod pacer;
mod pick;
mod record;
mod report;
mod run;
pub mod scenario;
mod schedule;
mod spans;
mod template;
mod worker;

pub use error::LoadError;
pub use hooks::{Faults, HookError, Hooks, PoolRow, Pools, ProcessSnapshot, Stack, StackSnapshot};
pub use options::{CollectorAddress, Options, Progress, SecondSummary, Settle, Tls, new_run_id};
pub use report::Report;
pub use run::run;
pub use scenario::{Scenario, ScenarioError};
