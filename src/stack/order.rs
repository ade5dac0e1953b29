//! What `up` and `collect` order from the supervisor, and what it reports back: JSON lines over its standard input and
//! output. The first line in is the order; after it the pipe only says that the parent lives.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::path::PathBuf;

use mall::config::Role;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::instance::Instance;
use super::stack_file::Addresses;
use crate::exit::{Exit, Failure};
use crate::topology::Topology;

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
    /// Share of the traces that the collector keeps without a better reason.
    pub keep: f64,
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
    /// What it consists of.
    pub topology: Topology,
    /// HTTP port of the gateway, where there is one; 0 takes a free one.
    pub gateway_port: u16,
    /// HTTP ports of user-api, order-api and pay-api, where they stand in for the gateway; 0 takes a free one.
    pub api_ports: [u16; 3],
    /// host:port of the proxy that joins the three APIs; somebody else runs it.
    pub edge: Option<String>,
}

impl Shop {
    /// Every replica.
    pub fn instances(&self) -> Vec<Instance> {
        let roles = self.topology.roles().into_iter();
        roles.flat_map(|(role, count)| (1..=count).map(move |replica| Instance { role, replica })).collect()
    }

    /// HTTP port of a role; 0 for roles that do not answer HTTP.
    pub fn http_port(&self, role: Role) -> u16 {
        let [user, order, pay] = self.api_ports;
        match role {
            Role::Gateway => self.gateway_port,
            Role::UserApi => user,
            Role::OrderApi => order,
            Role::PayApi => pay,
            Role::UserRpc | Role::OrderRpc | Role::PayRpc | Role::Migrate => 0,
        }
    }
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
    use crate::topology::Apis;

    #[test]
    fn three_replicas_of_each_service_unless_told() {
        let mut shop = Shop { topology: Topology::default(), gateway_port: 8888, api_ports: [1, 2, 3], edge: None };
        shop.topology.replicas = [("pay-rpc".to_owned(), 5)].into();
        let names = |shop: &Shop| -> Vec<String> { shop.instances().iter().map(ToString::to_string).collect() };
        assert_eq!(names(&shop).len(), 12);
        assert_eq!(names(&shop).first().map(String::as_str), Some("gateway/1"));
        assert_eq!(names(&shop).last().map(String::as_str), Some("pay-rpc/5"));
        shop.topology.apis = Apis::Three;
        assert_eq!(
            names(&shop).get(..3).map(<[String]>::to_vec),
            Some(["user-api/1", "order-api/1", "pay-api/1"].map(String::from).to_vec())
        );
        assert_eq!([Role::OrderApi, Role::Gateway, Role::PayRpc].map(|role| shop.http_port(role)), [2, 8888, 0]);
    }

    #[test]
    fn reports_are_one_line_each() {
        let failure = Failure::new(Exit::Conflict, "port 8888 is taken\nport 4317 is taken").mend("--isolated");
        let line = serde_json::to_string(&Report::failed(&failure)).expect("serialises");
        assert!(!line.contains('\n') && line.contains(r#""event":"failed""#) && line.contains(r#""exit":7"#));
        let back: Report = serde_json::from_str(&line).expect("parses");
        assert_eq!(back, Report::failed(&failure));
    }
}
