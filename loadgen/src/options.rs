//! What a run is told, and what it tells while it runs.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::scenario::Scenario;

/// Everything that one run needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// What arrives when; rate and length overrides are applied already.
    pub scenario: Scenario,
    /// `http://127.0.0.1:8888`: what the steps' paths are appended to.
    pub target_base_url: String,
    /// Identity of the run, see [`new_run_id`].
    pub run_id: String,
    /// Name given by the user; empty for none.
    pub name: String,
    /// Overrides the scenario's `max_in_flight` (open) or `users` (closed).
    pub users: Option<u32>,
    /// Governs arrivals and picks of data.
    pub seed: u64,
    /// How long to wait for the traces after the last answer.
    pub settle: Settle,
    /// Share of requests that are sampled, in `[0, 1]`; only these are joined.
    pub trace_sample: f64,
    /// Where spans and the run's progress go; `None` drives without a collector.
    pub collector: Option<CollectorAddress>,
    /// The history file; `None` writes none.
    pub history: Option<PathBuf>,
    /// Where `run.json` goes; `None` writes none.
    pub out: Option<PathBuf>,
    /// Gates beside the scenario's own.
    pub gates: Vec<String>,
    /// For https targets.
    pub tls: Tls,
    /// Whether a target beyond loopback may be loaded.
    pub allow_remote: bool,
}

impl Options {
    /// Defaults for a scenario and a target: seed 1, all requests sampled, no collector, no files.
    pub fn new(scenario: Scenario, target_base_url: impl Into<String>) -> Self {
        Self {
            scenario,
            target_base_url: target_base_url.into(),
            run_id: new_run_id(),
            name: String::new(),
            users: None,
            seed: 1,
            settle: Settle::Auto,
            trace_sample: 1.0,
            collector: None,
            history: None,
            out: None,
            gates: Vec::new(),
            tls: Tls::default(),
            allow_remote: false,
        }
    }
}

/// A fresh run id: time of the day for people, random for uniqueness; letters, digits and `-` only.
pub fn new_run_id() -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("r{}", random.get(..10).unwrap_or("0"))
}

/// How long a run waits for its traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Settle {
    /// Until no request waits for its trace, at most 15 s.
    #[default]
    Auto,
    /// At most this long; zero does not wait.
    For(Duration),
}

/// Where a collector listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorAddress {
    /// OTLP over gRPC.
    pub otlp_grpc: SocketAddr,
    /// The console protocol, which also serves `Runs`.
    pub console: SocketAddr,
    /// The stack's token, when it has one.
    pub token: Option<String>,
}

/// How an https target is trusted, and how we show who we are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of a certificate authority.
    pub ca_cert: Option<PathBuf>,
    /// PEM file of our certificate; needs `key`.
    pub cert: Option<PathBuf>,
    /// PEM file of our private key.
    pub key: Option<PathBuf>,
    /// Accept any certificate.
    pub insecure: bool,
}

/// What a run says while it runs. Its `Display` is the line that a terminal without a console shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// Something that the user should know, once.
    Notice(String),
    /// Unmeasured work before the run.
    Preparing {
        /// Plural of what is done, such as `logins`.
        what: String,
        /// How many are done.
        done: u64,
        /// Of how many.
        total: u64,
    },
    /// The measured window begins.
    Started {
        /// Length of the schedule.
        planned: Duration,
        /// Its length before it was cut.
        uncut: Option<Duration>,
        /// Its highest rate, flow starts per second.
        highest_rate: f64,
    },
    /// One second of the measured window.
    Second(SecondSummary),
    /// All requests are done; traces are awaited.
    Settling {
        /// Sampled requests.
        sampled: u64,
        /// Of these, joined with their trace.
        joined: u64,
        /// Of these, waiting.
        waiting: u64,
    },
    /// The report is ready.
    Done,
}

/// One second of a run in figures.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SecondSummary {
    /// Since the start of the measured window.
    pub elapsed: Duration,
    /// Which part of the schedule, such as `stage 2/3, 400/s`.
    pub phase: String,
    /// Flow starts that the schedule asked for.
    pub offered: u64,
    /// Answers as expected, and others.
    pub ok: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests in flight at the end of the second.
    pub in_flight: u64,
    /// Tickets that no worker has taken yet.
    pub waiting: u64,
    /// Intended latency, microseconds.
    pub p50_us: u64,
    /// Intended latency, microseconds.
    pub p99_us: u64,
    /// Requests joined with their trace so far, of those sampled; `None` without a collector.
    pub joined: Option<(u64, u64)>,
}

impl fmt::Display for Progress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Notice(text) => out.write_str(text),
            Self::Preparing { what, done, total } => write!(out, "preparing {done}/{total} {what} (not measured)"),
            Self::Started { planned, uncut, highest_rate } => {
                write!(out, "running for {:.0} s", planned.as_secs_f64())?;
                if let Some(uncut) = uncut {
                    write!(out, " of {:.0} s", uncut.as_secs_f64())?;
                }
                write!(out, ", up to {highest_rate:.0} flow starts/s")
            }
            Self::Second(second) => second.fmt(out),
            Self::Settling { sampled, joined, waiting } => {
                write!(out, "settling: {joined} of {sampled} requests joined with their trace, {waiting} waiting")
            }
            Self::Done => out.write_str("done"),
        }
    }
}

impl fmt::Display for SecondSummary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{:>4.0} s  {:<20} {:>5} offered {:>5} ok {:>4} failed {:>4} in flight  p50 {:>7.1} ms  p99 {:>7.1} ms",
            self.elapsed.as_secs_f64(),
            self.phase,
            self.offered,
            self.ok,
            self.failed,
            self.in_flight,
            self.p50_us as f64 / 1e3,
            self.p99_us as f64 / 1e3,
        )?;
        if self.waiting > 0 {
            write!(out, "  {} waiting for a worker", self.waiting)?;
        }
        if let Some((joined, sampled)) = self.joined {
            write!(out, "  joined {joined}/{sampled}")?;
        }
        Ok(())
    }
}
