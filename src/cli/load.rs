//! Verbs around load: scenarios, faults, runs, reports, verdicts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::Stack;
use super::parse::{rate, settle, share};
use crate::duration;

/// `mallctl load`
#[derive(Debug, Args)]
pub struct Load {
    /// A shipped scenario, a file (with a slash or `.toml`), or a URL.
    #[arg(value_name = "SCENARIO|FILE|URL")]
    pub what: String,
    #[command(flatten)]
    pub stack: Stack,
    /// Highest rate, flow starts per second; scales every stage.
    #[arg(long, short, value_name = "N", value_parser = rate)]
    pub rate: Option<f64>,
    /// Most requests in flight, or users of a closed scenario.
    #[arg(long, value_name = "N")]
    pub users: Option<u32>,
    /// Length; cuts the schedule there.
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    pub lasts: Option<Duration>,
    /// Where the scenario is aimed instead of its own target.
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Method for a URL.
    #[arg(short = 'X', value_name = "METHOD")]
    pub method: Option<String>,
    /// Header for a URL, `K: V`.
    #[arg(short = 'H', value_name = "HEADER")]
    pub headers: Vec<String>,
    /// Body for a URL; `@file` reads a file.
    #[arg(short = 'd', value_name = "BODY")]
    pub body: Option<String>,
    /// Certificate authority for https, PEM.
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Client certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Key of the client certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Accept any certificate.
    #[arg(long)]
    pub insecure: bool,
    /// Allow a target that is not this machine.
    #[arg(long)]
    pub allow_remote: bool,
    /// Share of requests that are sampled, 0 to 1; only these are joined with their traces.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = share)]
    pub trace_sample: f64,
    /// How long to wait for traces after the last answer: `auto` or a time.
    #[arg(long, value_name = "TIME", default_value = "auto", value_parser = settle)]
    pub settle: loadgen::Settle,
    /// Governs arrivals and data.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// What must hold at the end, such as `p99(latency, step="create") < 250ms`.
    #[arg(long, value_name = "EXPR")]
    pub gate: Vec<String>,
    /// Where the result goes instead of the stack's runs.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Name of the run, for `mallctl report NAME`.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Identity of the run, when it was announced before.
    #[arg(long, hide = true)]
    pub run_id: Option<String>,
}

/// `mallctl scenario`
#[derive(Debug, Subcommand)]
pub enum Scenario {
    /// What ships with the binary.
    List,
    /// A scenario file as text: a start for one's own.
    Show {
        /// A shipped scenario.
        name: String,
    },
    /// Check a scenario without running it.
    Validate {
        /// A shipped scenario, or a file.
        what: String,
    },
}

/// `mallctl fault`
#[derive(Debug, Subcommand)]
pub enum Fault {
    /// What can be injected, with parameters.
    Kinds,
    /// Inject a fault into a service or a replica.
    Add {
        #[command(flatten)]
        stack: Stack,
        /// `latency`, `error` or `kill`.
        kind: String,
        /// `pay-rpc` (every replica) or `pay-rpc/1`.
        target: String,
        /// Parameters, such as `p50=200ms p99=2s`.
        #[arg(value_name = "K=V")]
        params: Vec<String>,
        /// When it ends by itself.
        #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
        lasts: Duration,
    },
    /// Faults in force.
    List {
        #[command(flatten)]
        stack: Stack,
    },
    /// End faults.
    Clear {
        #[command(flatten)]
        stack: Stack,
        /// Identities such as `f1`; all when none is given.
        ids: Vec<String>,
    },
}

/// `mallctl runs`
#[derive(Debug, Subcommand)]
pub enum Runs {
    /// Runs of a stack, the newest last.
    List {
        #[command(flatten)]
        stack: Stack,
    },
}

/// `mallctl report`
#[derive(Debug, Args)]
pub struct Report {
    #[command(flatten)]
    pub stack: Stack,
    /// A path, an identity, a name, `latest` or `latest~1`.
    #[arg(value_name = "RUN", default_value = "latest")]
    pub run: String,
    /// Form of the report.
    #[arg(short = 'f', value_name = "FORMAT", default_value = "text")]
    pub format: ReportFormat,
}

/// Form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    Text,
    /// As it was recorded.
    Json,
}

/// `mallctl verify`
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    pub stack: Stack,
    /// How long to wait for payments in flight before the verdict.
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration::parse)]
    pub quiesce: Duration,
}
