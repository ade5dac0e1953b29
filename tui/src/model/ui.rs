//! What the user looks at: selections by identity, never by row, so that live data does not move them.

use std::collections::{BTreeSet, HashMap, HashSet};

use collector_api::console as wire;
use tui_input::Input;

use super::trace::TraceRows;
use crate::palette::Command;

/// A line that is typed.
#[derive(Debug, Clone, Default)]
pub struct Prompt {
    /// Its text and cursor.
    pub input: Input,
    /// Whether all of the text is selected, so that the first letter replaces it.
    pub is_whole: bool,
    /// Why the text was refused; until it changes.
    pub error: Option<String>,
}

/// Something over the screen that takes the keys.
#[derive(Debug, Clone)]
pub enum Overlay {
    /// The keys of this screen, scrolled by so many rows.
    Help(u16),
    /// `:`.
    Palette(Prompt),
    /// `/`.
    Filter(Prompt),
    /// A command that kills or fails something, before it does.
    Confirm(Command),
    /// `q` under `mallctl up`.
    Leave,
    /// The commands that print what the screen shows.
    Equivalent,
}

/// A panel of the overview.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverviewPanel {
    /// The heat map.
    #[default]
    Map,
    /// The table of services.
    Services,
}

/// A cell of the heat map: a second, and a band counted from the fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapCursor {
    /// Seconds since the epoch.
    pub unix_s: u64,
    /// 0 is the fastest band.
    pub band: usize,
}

/// The slowest requests of ten seconds in the past.
#[derive(Debug, Clone, Default)]
pub struct PastCause {
    /// The last of these seconds.
    pub end_s: u64,
    /// Where they spent their time; empty when their traces are not kept.
    pub cohort: wire::Cohort,
}

/// State of the overview.
#[derive(Debug, Clone, Default)]
pub struct OverviewUi {
    /// Which panel the arrows move in.
    pub panel: OverviewPanel,
    /// The cell whose figures the readout line says; `None` until the arrows are used.
    pub cursor: Option<MapCursor>,
    /// Where the slowest requests of a moment in the past spent their time, when that was answered.
    pub past: Option<PastCause>,
    /// Selected row of the table, `pay-rpc` or `pay-rpc/1`.
    pub service: Option<String>,
    /// Services whose instances are shown.
    pub expanded: BTreeSet<String>,
}

/// State of the list of traces.
#[derive(Debug, Clone, Default)]
pub struct TracesUi {
    /// Newest or slowest first.
    pub order: wire::TraceOrder,
    /// The query that is in force.
    pub query: String,
    /// Why the last query was refused.
    pub error: Option<String>,
    /// Only traces that began in this span of time.
    pub period: Option<(u64, u64)>,
    /// The rows.
    pub list: Vec<wire::TraceSummary>,
    /// Traces that still arrive and are not listed yet.
    pub arriving: usize,
    /// Traces seen, kept and matching.
    pub counts: (u64, u64, u64),
    /// Selected trace; `None` follows the first row.
    pub selected: Option<Vec<u8>>,
    /// Number of the latest question, so that a late answer to an older one is dropped.
    pub generation: u64,
    /// Whether any answer came.
    pub answered: bool,
}

/// State of an open trace.
#[derive(Debug, Clone, Default)]
pub struct TraceUi {
    /// Identity.
    pub id: Vec<u8>,
    /// The rows, when they came.
    pub rows: Option<TraceRows>,
    /// Why they did not.
    pub error: Option<String>,
    /// Spans whose descendants are hidden.
    pub folded: HashSet<u64>,
    /// Selected span.
    pub selected: u64,
    /// What is known of spans.
    pub details: HashMap<u64, wire::SpanDetail>,
    /// Log records of the trace.
    pub logs: Vec<wire::LogRecord>,
    /// Whether the pane of the selected span is open.
    pub pane: bool,
    /// First row of the pane.
    pub pane_scroll: u16,
    /// The screen to go back to.
    pub from: Option<crate::Screen>,
}

/// A panel of the resilience screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ResiliencePanel {
    /// Breakers.
    #[default]
    Breakers,
    /// Balance.
    Balance,
    /// Shedders.
    Shedding,
    /// Limits.
    Limits,
}

impl ResiliencePanel {
    /// Every panel, from the top and the left.
    pub const ALL: [Self; 4] = [Self::Breakers, Self::Balance, Self::Shedding, Self::Limits];
}

/// State of the resilience screen.
#[derive(Debug, Clone, Default)]
pub struct ResilienceUi {
    /// Which panel was chosen for the arrows.
    pub panel: ResiliencePanel,
    /// Key of the selected row of each panel that has one.
    pub selected: HashMap<ResiliencePanel, String>,
}

/// State of a screen that only has a list.
#[derive(Debug, Clone, Default)]
pub struct ListUi {
    /// Key of the selected row.
    pub selected: Option<String>,
}
