//! Why a load run could not be made.

use std::path::PathBuf;

use crate::scenario::ScenarioError;

/// Every way in which a run fails before or while it is made. A failed request is no error of the run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The scenario cannot be used.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The target's address is no URL.
    #[error("target `{url}` is not an http or https address: {why}")]
    Target {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody listens at the target.
    #[error("nothing answers at {address} ({why}): start the shop with `mallctl up`, or aim at another URL")]
    DeadTarget {
        /// host:port that was tried.
        address: String,
        /// The connection's error.
        why: String,
    },
    /// The target is another machine.
    #[error("{host} is not this machine: load sent there may hurt others; say `--allow-remote` if it is yours to load")]
    Remote {
        /// Host of the target.
        host: String,
    },
    /// A row source cannot be read.
    #[error("data `{name}`: {why}")]
    Data {
        /// Name in the scenario's `[data]`.
        name: String,
        /// What is wrong, and the mend.
        why: String,
    },
    /// A `once` step was refused.
    #[error("preparing failed at step `{step}`: {why}")]
    Prepare {
        /// The step.
        step: String,
        /// The answer, or the connection's error.
        why: String,
    },
    /// The scenario wants faults, and nobody can inject them.
    #[error("fault `{spec}`: {why}")]
    Fault {
        /// As written in the scenario.
        spec: String,
        /// What is wrong, and the mend.
        why: String,
    },
    /// A gate given on the command line cannot be read.
    #[error("gate `{expr}`, column {column}: {why}")]
    Gate {
        /// The expression.
        expr: String,
        /// Position of the mistake, from 1.
        column: usize,
        /// What is wrong.
        why: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// An option is out of range.
    #[error("{0}")]
    Option(String),
    /// Stopped while preparing; nothing was measured.
    #[error("interrupted before the first request")]
    Interrupted,
    /// The HTTP client cannot be built.
    #[error("http client: {0}")]
    Client(String),
    /// The worker pool ended by itself.
    #[error("the worker pool stopped: {0}")]
    Workers(String),
}
