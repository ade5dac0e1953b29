//! What reaches the model, and what it asks the shell to do.

use collector_api::console as wire;
use crossterm::event::KeyEvent;
use mall_api::control;

use crate::Leave;
use crate::model::polls::Poll;

/// Something happened.
#[derive(Debug, Clone)]
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has another size.
    Resize(u16, u16),
    /// This machine's clock, nanoseconds since the epoch.
    Clock(u64),
    /// A collector answers.
    Connected(Box<wire::HelloReply>),
    /// It does not, or not any more; why.
    Lost(String),
    /// Facts changed.
    Delta(Box<wire::Delta>),
    /// Processes changed.
    Status(Box<control::StatusReply>),
    /// An answer to a question.
    Answer(Box<Answer>),
    /// A question that got none, and why.
    Refused(Ask, String),
    /// A change was made; in words.
    Changed(String),
    /// A change was refused; why.
    Unchanged(String),
}

/// A question to the collector.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// Where the slowest 1 % of ten seconds spent their time.
    Attribution {
        /// The last of the seconds; `None` for the last ten.
        end_s: Option<u64>,
    },
    /// Traces.
    Traces {
        /// Number of the question.
        generation: u64,
        /// The request.
        request: wire::ListTracesRequest,
    },
    /// One trace.
    Trace(Vec<u8>),
    /// Details of spans.
    Spans {
        /// Their trace.
        trace_id: Vec<u8>,
        /// Their identities.
        span_ids: Vec<u64>,
    },
    /// Log records of a trace.
    Logs(Vec<u8>),
    /// Operations and edges.
    Services,
    /// Balance.
    Balance,
    /// Breakers.
    Breakers,
    /// Shedders and limits.
    Refusals,
    /// Alerts and refused rules.
    Alerts,
}

impl Ask {
    /// The repeated question that this one is.
    pub fn poll(&self) -> Option<Poll> {
        match self {
            Self::Attribution { end_s: None } => Some(Poll::Attribution),
            Self::Attribution { end_s: Some(_) } => Some(Poll::Past),
            Self::Traces { .. } => Some(Poll::Traces),
            Self::Services => Some(Poll::Services),
            Self::Balance => Some(Poll::Balance),
            Self::Breakers => Some(Poll::Breakers),
            Self::Refusals => Some(Poll::Refusals),
            Self::Alerts => Some(Poll::Alerts),
            Self::Trace(_) | Self::Spans { .. } | Self::Logs(_) => None,
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// To [`Ask::Attribution`].
    Attribution {
        /// The last of the seconds; `None` for the last ten.
        end_s: Option<u64>,
        /// The slowest of their requests.
        cohort: Option<wire::Cohort>,
    },
    /// To [`Ask::Traces`].
    Traces {
        /// Number of the question.
        generation: u64,
        /// The rows.
        reply: wire::ListTracesReply,
    },
    /// To [`Ask::Trace`].
    Trace(Box<wire::Trace>),
    /// To [`Ask::Spans`].
    Spans {
        /// Their trace.
        trace_id: Vec<u8>,
        /// The spans.
        reply: wire::GetSpansReply,
    },
    /// To [`Ask::Logs`].
    Logs {
        /// The trace.
        trace_id: Vec<u8>,
        /// The records.
        reply: wire::ListLogsReply,
    },
    /// To [`Ask::Services`].
    Services(wire::ServicesReply),
    /// To [`Ask::Balance`].
    Balance(wire::BalanceReply),
    /// To [`Ask::Breakers`].
    Breakers(wire::BreakersReply),
    /// To [`Ask::Refusals`].
    Refusals(wire::RefusalsReply),
    /// To [`Ask::Alerts`].
    Alerts(wire::AlertsReply),
}

/// Something for the shell to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask the collector.
    Ask(Ask),
    /// Change the system.
    Change(Change),
    /// Restore the terminal and end.
    Leave(Leave),
    /// Draw everything again.
    Redraw,
}

/// A change of the system.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Injects a fault.
    AddFault(control::Fault),
    /// Ends faults; empty ends all.
    ClearFaults(Vec<String>),
    /// Restarts replicas; replica 0 is all of them.
    Restart {
        /// The service.
        service: String,
        /// The replica.
        replica: u32,
    },
    /// Tells a load run.
    Load {
        /// The run.
        run_id: String,
        /// What.
        command: wire::run_command::Command,
    },
}

impl Change {
    /// Whether it kills or fails something, so that it is asked for twice: what only slows down ends by itself, and what
    /// only pauses goes on again.
    pub fn is_harmful(&self) -> bool {
        match self {
            Self::AddFault(fault) => fault.kind != "latency",
            Self::Restart { .. } => true,
            Self::Load { command, .. } => matches!(command, wire::run_command::Command::Stop(_)),
            Self::ClearFaults(_) => false,
        }
    }
}
