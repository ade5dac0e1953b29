//! The command line: every verb with its flags. Only what works is accepted.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::duration;
use crate::exit;

/// Launch a shop of microservices, drive load at it, and see in one terminal what happens and why.
#[derive(Debug, Parser)]
#[command(name = "mallctl", version, about, after_help = exit::help(), propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Print results as JSON (schema 1), live output as JSON lines.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Everything that `mallctl` can do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start the shop and the collector, and open the console.
    Up(Up),
    /// Stop a stack; no error when none runs.
    Down(Down),
    /// What runs, where, and what it uses.
    #[command(alias = "ps")]
    Status(Status),
    /// Wait until a stack is ready or down, or an alert fires.
    Wait(Wait),
    /// What the processes of a stack wrote.
    Logs(Logs),
    /// Restart replicas, one after the other.
    Restart(Restart),
    /// Drive load at a stack or a URL, and report.
    Load(Box<Load>),
    /// Receiver and console for any OpenTelemetry system, without the shop.
    Collect(Collect),
    /// The console on a running stack or collector.
    #[command(alias = "ui")]
    Watch(Watch),
    /// Scenario files.
    #[command(subcommand)]
    Scenario(Scenario),
    /// Faults on purpose; each ends by itself.
    #[command(subcommand)]
    Fault(Fault),
    /// Traces that the collector keeps.
    #[command(subcommand)]
    Trace(Trace),
    /// Breakers: accepted, rejected, distance to a trip.
    Breaker(Window),
    /// Balance: picks, loads and forced picks of every replica.
    P2c(Window),
    /// Alert rules and their states.
    #[command(subcommand)]
    Alerts(Alerts),
    /// Recorded load runs.
    #[command(subcommand)]
    Runs(Runs),
    /// The report of a recorded run.
    Report(Report),
    /// Judge orders, stock and money against the histories of the load runs.
    Verify(Verify),
    /// Whether this machine is ready for a stack.
    Doctor,
    /// Completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// The version.
    Version,
    /// One service of the shop; what `up` and containers run.
    #[command(hide = true)]
    Serve(Serve),
    /// The supervisor; what `up` and `collect` start.
    #[command(hide = true)]
    Supervise(Stack),
}

/// Which stack.
#[derive(Debug, Clone, Args)]
pub struct Stack {
    /// Name of the stack.
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub stack: String,
}

/// Ports of a collector.
#[derive(Debug, Clone, Args)]
pub struct Ports {
    /// OTLP over gRPC; 0 lets the system choose.
    #[arg(long, value_name = "PORT", default_value_t = 4317)]
    pub otlp_grpc: u16,
    /// OTLP over HTTP; 0 lets the system choose.
    #[arg(long, value_name = "PORT", default_value_t = 4318)]
    pub otlp_http: u16,
    /// Console protocol and control; 0 lets the system choose.
    #[arg(long, value_name = "PORT", default_value_t = 4320)]
    pub console_port: u16,
    /// Let the system choose every port that is not given.
    #[arg(long)]
    pub isolated: bool,
}

/// `mallctl up`
#[derive(Debug, Args)]
pub struct Up {
    /// Start this load when the shop is ready: a shipped scenario, or a file.
    #[arg(long, value_name = "SCENARIO")]
    pub load: Option<String>,
    /// Start in the background and print the addresses.
    #[arg(long, short, conflicts_with = "headless")]
    pub detach: bool,
    /// Lines instead of the console; with --load: run, report, stop.
    #[arg(long)]
    pub headless: bool,
    #[command(flatten)]
    pub stack: Stack,
    /// HTTP port of the shop; 0 lets the system choose.
    #[arg(long, value_name = "PORT", default_value_t = 8888)]
    pub gateway_port: u16,
    #[command(flatten)]
    pub ports: Ports,
    /// Replicas of the RPC services, such as `order=3,pay=5`.
    #[arg(long, value_name = "SVC=N,…", value_delimiter = ',', value_parser = replicas)]
    pub replicas: Vec<(String, u32)>,
    /// Governs picks and jitter.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// `mallctl down`
#[derive(Debug, Args)]
pub struct Down {
    #[command(flatten)]
    pub stack: Stack,
    /// Every stack of this user.
    #[arg(long, conflicts_with = "stack")]
    pub all: bool,
    /// Remove data and histories too.
    #[arg(long)]
    pub purge: bool,
}

/// `mallctl status`
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    pub stack: Stack,
    /// Go on, once after every change.
    #[arg(long)]
    pub watch: bool,
}

/// `mallctl wait`
#[derive(Debug, Args)]
pub struct Wait {
    #[command(flatten)]
    pub stack: Stack,
    /// `ready`, `down` or `alert:NAME`.
    #[arg(long = "for", value_name = "WHAT", value_parser = awaited)]
    pub awaited: Awaited,
    /// How long.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    pub timeout: Duration,
}

/// What can be waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaited {
    /// Every process is ready.
    Ready,
    /// No supervisor runs.
    Down,
    /// An alert with this name fires.
    Alert(String),
}

/// `mallctl logs`
#[derive(Debug, Args)]
pub struct Logs {
    #[command(flatten)]
    pub stack: Stack,
    /// `pay-rpc`, `pay-rpc/1`, `supervisor`, `load`; all when none is given.
    #[arg(value_name = "SVC")]
    pub services: Vec<String>,
    /// Go on with what is written from now on.
    #[arg(long, short)]
    pub follow: bool,
    /// Only lines of this trace.
    #[arg(long, value_name = "ID")]
    pub trace: Option<String>,
}

/// `mallctl restart`
#[derive(Debug, Args)]
pub struct Restart {
    #[command(flatten)]
    pub stack: Stack,
    /// `pay-rpc` (every replica) or `pay-rpc/1`.
    #[arg(value_name = "SVC[/N]")]
    pub target: String,
}

/// `mallctl load`
#[derive(Debug, Args)]
pub struct Load {
    /// A shipped scenario, a file (with a slash or `.toml`), or a URL.
    #[arg(value_name = "SCENARIO|FILE|URL")]
    pub what: String,
    #[command(flatten)]
    pub stack: Stack,
    /// Highest rate, flow starts per second; scales every stage.
    #[arg(long, short, value_name = "N")]
    pub rate: Option<f64>,
    /// Most requests in flight, or users of a closed scenario.
    #[arg(long, value_name = "N")]
    pub users: Option<u32>,
    /// Length; cuts the schedule there.
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    pub lasts: Option<Duration>,
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

/// `mallctl collect`
#[derive(Debug, Args)]
pub struct Collect {
    #[command(flatten)]
    pub stack: Stack,
    /// Start in the background and print the addresses.
    #[arg(long, short)]
    pub detach: bool,
    /// Address to listen on; anything but loopback lets others send and read.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    pub bind: IpAddr,
    #[command(flatten)]
    pub ports: Ports,
    /// Run this with its telemetry pointed here, and end as it ends.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `mallctl watch`
#[derive(Debug, Args)]
pub struct Watch {
    #[command(flatten)]
    pub stack: Stack,
    /// Console address of a collector instead of a stack of this user.
    #[arg(long, value_name = "HOST:PORT")]
    pub addr: Option<String>,
    /// The screen to open.
    #[arg(long, value_name = "NAME")]
    pub screen: Option<String>,
    /// Print one picture of the screen and end.
    #[arg(long)]
    pub once: bool,
    /// Size of the picture.
    #[arg(long, value_name = "WxH", default_value = "120x40", value_parser = size, requires = "once")]
    pub size: (u16, u16),
    /// Form of the picture.
    #[arg(short = 'f', value_name = "FORMAT", default_value = "text", requires = "once")]
    pub format: Picture,
}

/// Form of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Picture {
    /// Characters.
    Text,
    /// Characters and terminal colours.
    Ansi,
    /// A picture for documents.
    Svg,
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

/// `mallctl serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// `gateway`, `user-rpc`, `order-rpc`, `pay-rpc` or `migrate`.
    pub role: String,
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// End when standard input closes: the parent has gone.
    #[arg(long)]
    pub with_parent: bool,
}

fn replicas(text: &str) -> Result<(String, u32), String> {
    let refuse = || format!("'{text}' is no replica count; write order=3");
    let (service, count) = text.split_once('=').ok_or_else(refuse)?;
    let count: u32 = count.parse().map_err(|_| refuse())?;
    let service = match service {
        "user" | "order" | "pay" => format!("{service}-rpc"),
        "user-rpc" | "order-rpc" | "pay-rpc" => service.to_owned(),
        _ => return Err(format!("'{service}' has no replicas to choose; user, order and pay have")),
    };
    if !(1..=16).contains(&count) {
        return Err(format!("'{text}': a service has 1 to 16 replicas"));
    }
    Ok((service, count))
}

fn awaited(text: &str) -> Result<Awaited, String> {
    match text {
        "ready" => Ok(Awaited::Ready),
        "down" => Ok(Awaited::Down),
        _ => match text.strip_prefix("alert:") {
            Some(name) if !name.is_empty() => Ok(Awaited::Alert(name.to_owned())),
            _ => Err(format!("'{text}' cannot be waited for; ready, down and alert:NAME can")),
        },
    }
}

fn settle(text: &str) -> Result<loadgen::Settle, String> {
    if text == "auto" { Ok(loadgen::Settle::Auto) } else { duration::parse(text).map(loadgen::Settle::For) }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("'{text}' is no share; write a number from 0 to 1")),
    }
}

fn size(text: &str) -> Result<(u16, u16), String> {
    let refuse = || format!("'{text}' is no size; write 120x40, at most 500x200");
    let (width, height) = text.split_once('x').ok_or_else(refuse)?;
    let (width, height) = (width.parse().map_err(|_| refuse())?, height.parse().map_err(|_| refuse())?);
    if (1..=500).contains(&width) && (1..=200).contains(&height) { Ok((width, height)) } else { Err(refuse()) }
}

/// The whole command line as a document.
#[cfg(test)]
fn document() -> String {
    use std::fmt::Write as _;

    use clap::CommandFactory;

    fn describe(command: &mut clap::Command, path: &str, text: &mut String) {
        if command.is_hide_set() || command.get_name() == "help" {
            return;
        }
        let help = command.clone().bin_name(path).after_help("").render_help().to_string();
        // Writing into a String cannot fail.
        let _ = write!(text, "\n## `{path}`\n\n```text\n{}\n```\n", help.trim_end());
        for inner in command.get_subcommands_mut() {
            let path = format!("{path} {}", inner.get_name());
            describe(inner, &path, text);
        }
    }

    let mut text = String::from(
        "# The command line\n\nGenerated from the program: `MALLCTL_WRITE_DOCS=1 cargo test -p mallctl document`.\n\n",
    );
    text.push_str("| exit code | meaning |\n|---|---|\n");
    for (exit, meaning) in exit::CODES {
        let _ = writeln!(text, "| {} | {meaning} |", exit.code());
    }
    text.push_str(
        "\nWhen several hold, the first of 130, 1, 8, 5, 6 wins. `collect -- COMMAND` ends as the command ends.\n",
    );
    let mut command = Cli::command();
    command.build();
    describe(&mut command, "mallctl", &mut text);
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_document_says_what_the_program_accepts() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
        let text = document();
        if std::env::var_os("MALLCTL_WRITE_DOCS").is_some() {
            std::fs::write(&path, &text).expect("docs can be written");
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == text, "docs/cli.md is old: MALLCTL_WRITE_DOCS=1 cargo test -p mallctl document");
    }

    #[test]
    fn what_does_not_exist_yet_is_not_accepted() {
        for line in ["mallctl up --policy hardened", "mallctl up --store sqlite", "mallctl scale pay=4"] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn replica_counts_take_short_and_long_names() {
        assert_eq!(replicas("order=5"), Ok(("order-rpc".into(), 5)));
        assert_eq!(replicas("pay-rpc=1"), Ok(("pay-rpc".into(), 1)));
        for text in ["order", "order=0", "order=17", "gateway=2", "order=x"] {
            assert!(replicas(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_and_awaited_things_are_checked() {
        assert_eq!(size("80x24"), Ok((80, 24)));
        assert!(size("0x24").is_err() && size("80").is_err() && size("9000x9000").is_err());
        assert_eq!(awaited("alert:HighLatency"), Ok(Awaited::Alert("HighLatency".into())));
        assert!(awaited("alert:").is_err() && awaited("up").is_err());
    }
}
