//! What `up` and `collect` order from the supervisor, and what it reports back: JSON lines over its standard input and
//! output. The first line in is the order; after it the pipe only says that the parent lives.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::state::Addresses;
use crate::exit::{Exit, Failure};

/// Everything that a supervisor needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Address that the collector listens on.
    pub bind: IpAddr,
    /// OTLP over gRPC; 0 takes a free port.
    pub otlp_grpc: u16,
    /// OTLP over HTTP; 0 takes a free port.
    pub otlp_http: u16,
    /// Console protocol and control; 0 takes a free port.
    pub console: u16,
    /// The shop, unless only a collector is wanted.
    pub shop: Option<Shop>,
    /// Governs picks and jitter.
    pub seed: u64,
    /// Whether the stack runs on without its parent.
    pub detached: bool,
    /// A load to start once the stack is ready.
    pub load: Option<LoadOrder>,
    /// When the user asked, nanoseconds since the epoch.
    pub started_unix_ns: u64,
}

/// The shop's part of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shop {
    /// HTTP port of the gateway; 0 takes a free one.
    pub gateway_port: u16,
    /// Replicas by role.
    pub replicas: BTreeMap<String, u32>,
}

/// A load that the supervisor starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadOrder {
    /// Scenario or file, as for `mallctl load`.
    pub what: String,
    /// Identity of the run.
    pub run_id: String,
    /// Where its result goes.
    pub out: PathBuf,
}

/// What a supervisor reports to its parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Report {
    /// The collector listens; consoles may attach. The shop is starting.
    Listening {
        /// Where.
        addresses: Addresses,
        /// Secret of the stack.
        token: String,
    },
    /// Every process is ready.
    Ready {
        /// Time from the order to here.
        ready_ms: u64,
    },
    /// The load ended.
    LoadEnded {
        /// Its exit code.
        exit: i32,
    },
    /// The stack could not start, and is gone.
    Failed {
        /// Exit code for the parent.
        exit: i32,
        /// What happened.
        what: String,
        /// Why.
        why: String,
        /// The mend.
        mend: String,
    },
}

impl Report {
    /// A failure as a report.
    pub fn failed(failure: &Failure) -> Self {
        let Failure { exit, what, why, mend } = failure.clone();
        Self::Failed { exit: i32::from(exit.code()), what, why, mend }
    }

    /// Writes the report for the parent. A parent that has gone does not hear it.
    pub fn send(&self) {
        if let Ok(line) = serde_json::to_string(self) {
            let mut stdout = std::io::stdout().lock();
            let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
        }
    }
}

/// Reads the order from standard input; afterwards the receiver turns true when the pipe closes.
pub fn receive() -> Result<(Order, watch::Receiver<bool>), Failure> {
    let mut input = BufReader::new(std::io::stdin());
    let mut line = String::new();
    input.read_line(&mut line).map_err(|error| Failure::new(Exit::Usage, "cannot read the order").because(error))?;
    let order = serde_json::from_str(&line).map_err(|error| {
        Failure::new(Exit::Usage, "`supervise` is started by `mallctl up` and `mallctl collect`").because(error)
    })?;
    let (lost, watch) = watch::channel(false);
    // A thread of its own: a blocking read must not keep the runtime from ending.
    std::thread::spawn(move || {
        let mut rest = [0; 64];
        while matches!(input.read(&mut rest), Ok(1..)) {}
        lost.send_replace(true);
    });
    Ok((order, watch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_one_line_each() {
        let failure = Failure::new(Exit::Conflict, "port 8888 is taken\nport 4317 is taken").mend("--isolated");
        let line = serde_json::to_string(&Report::failed(&failure)).expect("serialises");
        assert!(!line.contains('\n') && line.contains(r#""event":"failed""#) && line.contains(r#""exit":7"#));
        let back: Report = serde_json::from_str(&line).expect("parses");
        assert_eq!(back, Report::failed(&failure));
    }
}
