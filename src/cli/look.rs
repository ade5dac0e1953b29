//! Verbs that ask a collector.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::Stack;
use crate::duration;

/// Which collector.
#[derive(Debug, Clone, Args)]
pub struct Source {
    #[command(flatten)]
    pub stack: Stack,
    /// Console address of a collector instead of a stack of this user.
    #[arg(long, value_name = "HOST:PORT")]
    pub addr: Option<String>,
}

/// A window of time of a collector.
#[derive(Debug, Args)]
pub struct Window {
    #[command(flatten)]
    pub source: Source,
    /// How far back to count.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration::parse)]
    pub window: Duration,
}

/// `mallctl trace`
#[derive(Debug, Subcommand)]
pub enum Trace {
    /// Traces that match a query.
    List {
        #[command(flatten)]
        source: Source,
        /// A trace query, such as `service=pay-rpc && duration>50ms`; all when none is given.
        #[arg(default_value = "")]
        query: String,
        /// The slowest instead of the newest.
        #[arg(long)]
        slowest: bool,
        /// Most traces.
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// One trace: every span, where the time went.
    Show {
        #[command(flatten)]
        source: Source,
        /// 32 hexadecimal digits, or enough of the first ones; `latest` is the newest.
        id: String,
    },
}

/// `mallctl alerts`
#[derive(Debug, Subcommand)]
pub enum Alerts {
    /// States of the alerts.
    List {
        #[command(flatten)]
        source: Source,
    },
    /// Whether every rule of Prometheus rule files can be evaluated here; the shipped ones when no file is given.
    Check {
        /// Rule files.
        files: Vec<PathBuf>,
    },
}
