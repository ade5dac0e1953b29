//! Scenarios: what arrives when, as data.
//!
//! [`file`] is the TOML shape, `check` turns it into the types here and finds what the shape alone cannot say, and
//! [`shipped`] holds the scenarios that are part of the binary.

mod check;
mod error;
mod file;
mod shipped;
mod suggest;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::{Mistake, ScenarioError};
pub use shipped::{load_shipped, shipped};
pub use text::length;

pub(crate) use suggest::nearest;

use crate::gate::Gate;
use crate::template::{JsonPath, JsonTemplate, Template};

/// One load test: arrival, data, flows, faults and gates.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name, also the file's.
    pub name: String,
    /// One line for lists.
    pub summary: String,
    /// What the user will see while it runs.
    pub watch: String,
    /// Where it is aimed.
    pub target: Target,
    /// What arrives when.
    pub arrival: Arrival,
    /// Largest number of requests in flight: the size of the worker pool.
    pub max_in_flight: u32,
    /// A request that took longer than this has failed; per step or for all.
    pub timeout: Duration,
    /// Row sources by name.
    pub data: BTreeMap<String, Source>,
    /// What is done, by weight.
    pub flows: Vec<Flow>,
    /// Faults injected on the way, by their instant.
    pub faults: Vec<TimedFault>,
    /// What must hold at the end.
    pub gates: Vec<Gate>,
    /// Length that the schedule had before [`Scenario::cut`] took its end away.
    pub uncut: Option<Duration>,
}

/// Where a scenario is aimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A role of the running stack.
    Role(String),
    /// An address.
    Url(String),
}

/// What arrives when.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrival {
    /// Equal gaps.
    Constant {
        /// Flow starts per second.
        rate: f64,
        /// Length.
        lasts: Duration,
    },
    /// Equal gaps, by stages.
    Stages(Vec<Stage>),
    /// Independent arrivals: exponential gaps.
    Poisson {
        /// Mean flow starts per second.
        rate: f64,
        /// Length.
        lasts: Duration,
    },
    /// Closed: so many users, each starting its next flow when the last is done.
    Users {
        /// Number of users.
        users: u32,
        /// Length.
        lasts: Duration,
    },
}

/// One stage: the rate moves linearly to `rate` over `ramp`, then holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// Flow starts per second.
    pub rate: f64,
    /// Time to get there from the rate before (from 0 for the first stage).
    pub ramp: Duration,
    /// Time at `rate`.
    pub hold: Duration,
}

/// Where rows come from, and how they are picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Origin of the rows.
    pub rows: Rows,
    /// How a row is picked.
    pub skew: Skew,
}

/// Origin of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// A pool of the stack.
    Pool {
        /// Its name there.
        name: String,
        /// How many rows.
        size: u32,
    },
    /// A CSV file with a heading line.
    Csv(PathBuf),
    /// A file with one JSON object a line.
    JsonLines(PathBuf),
}

/// How rows are picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Skew {
    /// Every row alike.
    #[default]
    Uniform,
    /// Row k with probability proportional to 1/k.
    Zipf,
}

/// A named sequence of requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    /// Its name.
    pub name: String,
    /// Its share of flow starts, against the other flows' weights.
    pub weight: u32,
    /// Done once per row before the measured window.
    pub once: Vec<Step>,
    /// Done in order for each flow start.
    pub steps: Vec<Step>,
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name, as in gates and reports.
    pub name: String,
    /// HTTP method.
    pub method: http::Method,
    /// Path and query, appended to the target.
    pub path: Template,
    /// Headers.
    pub headers: Vec<(http::HeaderName, Template)>,
    /// Body.
    pub body: Body,
    /// What counts as expected.
    pub expect: Expect,
    /// Values taken from the answer: variable to path.
    pub save: BTreeMap<String, JsonPath>,
    /// What the history notes.
    pub record: Option<RecordAs>,
    /// Overrides [`Scenario::timeout`].
    pub timeout: Option<Duration>,
}

/// Body of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// None.
    Empty,
    /// JSON whose strings are templates.
    Json(JsonTemplate),
    /// Text as it is.
    Text(String),
}

/// Which answers are expected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expect {
    /// Statuses that are a success; empty means 200 to 299.
    pub status: Vec<u16>,
    /// Failures with these statuses are part of the scenario.
    pub allow_status: Vec<u16>,
    /// Failures with these reasons (`breaker`, `timeout` …) are part of the scenario.
    pub allow_reasons: Vec<String>,
}

/// What the history notes of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordAs {
    /// Operation, such as `order.create`.
    pub op: String,
    /// Idempotency key.
    pub key: Option<Template>,
    /// What was asked.
    pub args: BTreeMap<String, JsonTemplate>,
    /// What came back.
    pub result: BTreeMap<String, JsonPath>,
}

/// A fault at its instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedFault {
    /// Since the start of the measured window.
    pub at: Duration,
    /// Kind, target and parameters, as `mallctl fault add` takes them.
    pub spec: String,
    /// How long it lasts.
    pub lasts: Duration,
}

impl Scenario {
    /// Reads a scenario file.
    pub fn from_path(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ScenarioError::Read { path: path.to_owned(), why: error.to_string() })?;
        let mut scenario = Self::parse(&path.display().to_string(), &text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        scenario.data.values_mut().for_each(|source| source.resolve(folder));
        Ok(scenario)
    }

    /// Reads a scenario from text; `file` names it in errors. Relative data files stay relative.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        let parsed = file::parse(file, text)?;
        Ok(check::scenario(file, text, parsed)?)
    }

    /// A scenario of one request, for `mallctl load URL`: 50 a second for 10 s unless scaled and cut.
    ///
    /// `body` is sent as it is. The target is the URL's origin, the step's path the rest of it.
    pub fn from_url(
        url: &str,
        method: &str,
        headers: &[(String, String)],
        body: Option<&str>,
    ) -> Result<Self, ScenarioError> {
        check::from_url(url, method, headers, body)
    }

    /// Scales all stages so that the highest equals `rate`. Closed arrivals become constant ones of that rate.
    pub fn scale_to(&mut self, rate: f64) {
        let highest = self.arrival.highest_rate();
        self.arrival = match std::mem::replace(&mut self.arrival, Arrival::Stages(Vec::new())) {
            Arrival::Constant { lasts, .. } | Arrival::Users { lasts, .. } => Arrival::Constant { rate, lasts },
            Arrival::Poisson { lasts, .. } => Arrival::Poisson { rate, lasts },
            Arrival::Stages(stages) if highest <= 0.0 => Arrival::Stages(stages),
            Arrival::Stages(stages) => Arrival::Stages(
                stages.into_iter().map(|stage| Stage { rate: stage.rate * rate / highest, ..stage }).collect(),
            ),
        };
    }

    /// Cuts the schedule at `length`. A constant, Poisson or closed arrival gets exactly this length.
    pub fn cut(&mut self, length: Duration) {
        if length < self.length() {
            self.uncut.get_or_insert(self.length());
        }
        match &mut self.arrival {
            Arrival::Constant { lasts, .. } | Arrival::Poisson { lasts, .. } | Arrival::Users { lasts, .. } => {
                *lasts = length;
            }
            Arrival::Stages(stages) => cut_stages(stages, length),
        }
        self.faults.retain(|fault| fault.at < length);
    }

    /// Turns the arrival into a closed one of so many users.
    pub fn close(&mut self, users: u32) {
        self.arrival = Arrival::Users { users, lasts: self.arrival.length() };
    }

    /// Length of the schedule.
    pub fn length(&self) -> Duration {
        self.arrival.length()
    }
}

impl Arrival {
    /// Length of the schedule.
    pub fn length(&self) -> Duration {
        match self {
            Self::Constant { lasts, .. } | Self::Poisson { lasts, .. } | Self::Users { lasts, .. } => *lasts,
            Self::Stages(stages) => stages.iter().map(|stage| stage.ramp + stage.hold).sum(),
        }
    }

    /// The highest rate, flow starts per second; 0 for closed arrivals, which have none.
    pub fn highest_rate(&self) -> f64 {
        match self {
            Self::Constant { rate, .. } | Self::Poisson { rate, .. } => *rate,
            Self::Stages(stages) => stages.iter().map(|stage| stage.rate).fold(0.0, f64::max),
            Self::Users { .. } => 0.0,
        }
    }
}

fn cut_stages(stages: &mut Vec<Stage>, length: Duration) {
    let mut left = length;
    let mut before = 0.0;
    for stage in stages.iter_mut() {
        if left < stage.ramp {
            let share = left.as_secs_f64() / stage.ramp.as_secs_f64();
            stage.rate = before + (stage.rate - before) * share;
        }
        stage.ramp = stage.ramp.min(left);
        left -= stage.ramp;
        stage.hold = stage.hold.min(left);
        left -= stage.hold;
        before = stage.rate;
    }
    stages.retain(|stage| !(stage.ramp + stage.hold).is_zero());
}

impl Source {
    fn resolve(&mut self, folder: &Path) {
        if let Rows::Csv(path) | Rows::JsonLines(path) = &mut self.rows
            && path.is_relative()
        {
            *path = folder.join(&*path);
        }
    }
}
