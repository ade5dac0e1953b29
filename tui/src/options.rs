//! How a console is started, and what it says when it ends.

use std::str::FromStr;

/// How to start a console.
#[derive(Debug, Clone)]
pub struct Options {
    /// `host:port` of the console protocol.
    pub address: String,
    /// The stack's token. Without it the console reads only.
    pub token: Option<String>,
    /// Who opened the console, which decides what leaving means.
    pub launch: Launch,
    /// Whether to use colour.
    pub color: ColorChoice,
    /// `Some(true)` draws with ASCII only, `Some(false)` never; `None` asks the terminal.
    pub ascii: Option<bool>,
    /// The screen to open first; `None` is the overview.
    pub screen: Option<Screen>,
}

impl Options {
    /// A read-only console on an address, everything else by default.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            token: None,
            launch: Launch::Watch,
            color: ColorChoice::Auto,
            ascii: None,
            screen: None,
        }
    }
}

/// Who opened the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    /// `mallctl up`: leaving asks whether the stack keeps running.
    Up {
        /// False when the stack belongs to somebody else and must not be stopped from here.
        can_stop: bool,
    },
    /// `mallctl watch`: leaving changes nothing.
    Watch,
    /// `mallctl collect`: an empty screen shows what to copy into a program's environment.
    Collect,
}

/// Whether to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorChoice {
    /// As the terminal and `NO_COLOR` say.
    #[default]
    Auto,
    /// Even where the output is no terminal.
    Always,
    /// Weight and glyphs only.
    Never,
}

/// A screen that a number key opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Screen {
    /// What changed, and why.
    Overview,
    /// The live list of traces, and a trace.
    Traces,
    /// Operations and edges.
    Services,
    /// Breakers, balance, shedding and limits.
    Resilience,
    /// The load run.
    Load,
    /// Rules and their states.
    Alerts,
}

impl Screen {
    /// Every screen with its key and its name, in the order of the keys.
    pub const ALL: [(Self, char, &'static str); 6] = [
        (Self::Overview, '1', "overview"),
        (Self::Traces, '2', "traces"),
        (Self::Services, '3', "services"),
        (Self::Resilience, '4', "resilience"),
        (Self::Load, '5', "load"),
        (Self::Alerts, '7', "alerts"),
    ];

    /// The name that the command line and the header use.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(screen, ..)| *screen == self).map_or("", |(.., name)| name)
    }
}

impl FromStr for Screen {
    type Err = TuiError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .find(|(.., name)| *name == text)
            .map(|(screen, ..)| *screen)
            .ok_or_else(|| TuiError::UnknownScreen { name: text.to_owned() })
    }
}

/// What a capture is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Characters only.
    Text,
    /// Characters and terminal colours.
    Ansi,
    /// A picture for documents.
    Svg,
}

/// How the user left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// The stack goes on.
    KeepRunning,
    /// The stack shall stop.
    Stop,
    /// The terminal or the stack went away; nobody chose anything.
    Disconnected,
}

/// What happened while the console was open.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Requests that callers saw, and how many of them failed.
    pub requests: u64,
    /// Failed requests.
    pub failed: u64,
    /// Median latency of successful requests, microseconds.
    pub p50_us: Option<u64>,
    /// 99th percentile of successful requests, microseconds.
    pub p99_us: Option<u64>,
    /// Traces seen since the collector started.
    pub traces: u64,
    /// Spans lost anywhere: refused, dropped by exporters, over a limit.
    pub lost_spans: u64,
    /// Breaker episodes.
    pub trips: u64,
    /// Names of alerts that fired.
    pub alerts: Vec<String>,
    /// The last run: its id, scenario, and how its requests were joined to traces.
    pub run: Option<RunSummary>,
    /// The last sentence of the overview.
    pub sentence: String,
}

/// The last load run that the console saw.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunSummary {
    /// Identity of the run.
    pub run_id: String,
    /// Its scenario.
    pub scenario: String,
    /// `running`, `done` and so on.
    pub phase: String,
    /// Requests sent.
    pub sent: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests joined to their trace, of those that were sampled.
    pub joined: u64,
    /// Sampled requests.
    pub sampled: u64,
    /// Whether the generator fell short.
    pub limited: bool,
}

/// Why a console could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// Standard output is no terminal.
    #[error("standard output is no terminal: use the live lines, or capture a screen with `mallctl watch --once`")]
    NotATerminal,
    /// The terminal refused something.
    #[error("cannot use the terminal: {0}")]
    Terminal(#[from] std::io::Error),
    /// The address cannot be one.
    #[error("`{address}` is no console address: give host:port, such as 127.0.0.1:4320")]
    Address {
        /// What was given.
        address: String,
    },
    /// Nobody answers.
    #[error("no collector answers on {address}: {why}; start one with `mallctl up` or `mallctl collect`")]
    Unreachable {
        /// Where it was tried.
        address: String,
        /// What the connection said.
        why: String,
    },
    /// The collector speaks another version.
    #[error(
        "the collector on {address} speaks console protocol {theirs}, this console {ours}: use the same mallctl on both sides"
    )]
    Protocol {
        /// Where it is.
        address: String,
        /// Its version.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// No such screen.
    #[error("no screen is called `{name}`: overview, traces, services, resilience, load or alerts")]
    UnknownScreen {
        /// What was asked for.
        name: String,
    },
    /// A part of the console failed; the terminal was restored first.
    #[error(
        "the console failed and restored the terminal; the stack is not touched, open it again with `mallctl watch`"
    )]
    Panicked,
}
