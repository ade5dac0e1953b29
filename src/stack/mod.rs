//! The supervisor of a stack, and the way to it.
//!
//! [`supervisor`] owns the processes: it starts the collector, the databases and the replicas in order, restarts what
//! ends ([`replica`], [`backoff`]), keeps the registry ([`registry`]) and the faults ([`faults`], [`inject`]), answers
//! Control ([`control`]), tells of servers that go away ([`outages`]), and stops in order. [`state`] and [`stack_file`] are
//! what a stack leaves on disk, [`stand`] is where its data is. [`launch`] starts a supervisor,
//! [`client`] talks to one.
//!
//! Invariants: a stack is alive exactly while its lock is held; no signal goes to a process whose start time differs
//! from the recorded one; every child ends when its supervisor does, however that ended.

pub mod auth;
pub mod backoff;
pub mod board;
pub mod client;
pub mod configs;
pub mod control;
pub mod edge;
pub mod faults;
pub mod inject;
pub mod instance;
pub mod jobs;
pub mod launch;
pub mod logs;
pub mod order;
pub mod outages;
pub mod ports;
pub mod presence;
pub mod probe;
pub mod process;
pub mod purge;
pub mod registry;
pub mod replica;
pub mod rules;
pub mod servers;
pub mod shared;
pub mod spawn;
pub mod stack_file;
pub mod stand;
pub mod state;
pub mod status;
pub mod supervisor;
