//! The console's state: facts, and what the user looks at. Pure data; [`crate::update`] changes it, [`crate::view`]
//! draws it, neither waits for anything.

pub mod data;
pub mod intake;
pub mod moment;
pub mod polls;
pub mod seconds;
pub mod trace;
pub mod ui;

use crate::theme::{Depth, Theme};
use crate::{Launch, Screen};
use data::Data;
use polls::Polls;
use ui::{ListUi, Overlay, OverviewUi, ResilienceUi, TraceUi, TracesUi};

/// Whether the collector answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Not yet.
    Connecting {
        /// Why the last try failed; empty before the first.
        why: String,
    },
    /// Deltas arrive.
    Live,
    /// They stopped.
    Lost {
        /// This machine's clock when they did.
        since_ns: u64,
        /// What the connection said.
        why: String,
    },
}

/// The view stands still while the facts go on.
#[derive(Debug, Clone)]
pub struct Frozen {
    /// The facts as they were.
    pub data: Box<Data>,
    /// This machine's clock when it froze.
    pub since_ns: u64,
    /// Spans received when it froze.
    pub spans: u64,
}

/// One line for the user, until the next key.
#[derive(Debug, Clone)]
pub struct Notice {
    /// What it says.
    pub text: String,
    /// Whether something went wrong.
    pub failed: bool,
}

/// The console's state.
#[derive(Debug, Clone)]
pub struct Model {
    /// Where it connects to.
    pub address: String,
    /// Who opened it.
    pub launch: Launch,
    /// Whether it may change the system.
    pub has_token: bool,
    /// Colours and glyphs.
    pub theme: Theme,
    /// Columns and rows.
    pub size: (u16, u16),
    /// This machine's clock, as last told.
    pub local_ns: u64,
    /// Whether the collector answers.
    pub link: Link,
    /// The facts as they are.
    pub live: Data,
    /// The facts as they were when the user froze them.
    pub frozen: Option<Frozen>,
    /// Questions under way.
    pub polls: Polls,
    /// The screen shown.
    pub screen: Screen,
    /// What lies over it.
    pub overlay: Option<Overlay>,
    /// One line for the user.
    pub notice: Option<Notice>,
    /// State of the overview.
    pub overview: OverviewUi,
    /// State of the list of traces.
    pub traces: TracesUi,
    /// The open trace.
    pub trace: Option<TraceUi>,
    /// State of the resilience screen.
    pub resilience: ResilienceUi,
    /// State of the services screen.
    pub services: ListUi,
    /// State of the alerts screen.
    pub alerts: ListUi,
}

impl Model {
    /// A console that has heard nothing yet.
    pub fn new(address: impl Into<String>, launch: Launch) -> Self {
        Self {
            address: address.into(),
            launch,
            has_token: false,
            theme: Theme::new(Depth::None, true),
            size: (80, 24),
            local_ns: 0,
            link: Link::Connecting { why: String::new() },
            live: Data::default(),
            frozen: None,
            polls: Polls::default(),
            screen: Screen::Overview,
            overlay: None,
            notice: None,
            overview: OverviewUi::default(),
            traces: TracesUi::default(),
            trace: None,
            resilience: ResilienceUi::default(),
            services: ListUi::default(),
            alerts: ListUi::default(),
        }
    }

    /// The facts to draw.
    pub fn data(&self) -> &Data {
        self.frozen.as_ref().map_or(&self.live, |frozen| &frozen.data)
    }

    /// Whether a clock must tick although nothing arrives: an age is on the screen.
    pub fn needs_clock(&self) -> bool {
        self.frozen.is_some() || self.link != Link::Live
    }

    /// Whether commands that change the system can work.
    pub fn can_control(&self) -> bool {
        self.has_token && self.live.hello.has_control
    }

    /// Seconds since a moment of this machine's clock.
    pub fn age_s(&self, since_ns: u64) -> u64 {
        self.local_ns.saturating_sub(since_ns) / data::SECOND_NS
    }
}
