//! The workers: goose users that take tickets and work flows off, one request at a time each.
//!
//! goose brings the pool, its life cycle and the request; pacing, timing, counting and spans are ours, because its own
//! clock ends at the headers and its own throttle waits before the clock starts.

mod call;
mod flow;
mod once;
mod pool;
mod values;

pub use call::{client, preflight};
pub use once::prepare;
pub use pool::Pool;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::data::Table;
use crate::history::History;
use crate::pacer::{Gauges, Ticket};
use crate::pick::Picker;
use crate::record::Recorder;
use crate::scenario::{Scenario, Step};
use crate::spans::Spans;

/// Everything that workers share.
pub struct Bench {
    /// What is done.
    pub scenario: Scenario,
    /// Rows and what was saved for them.
    pub tables: Vec<Table>,
    /// Variables saved by `once` steps that belong to no row.
    pub saved: BTreeMap<String, String>,
    /// What paths are appended to.
    pub base_url: String,
    /// The one HTTP client.
    pub client: reqwest::Client,
    /// Run id.
    pub run_id: String,
    /// Share of requests that are sampled.
    pub sample: f64,
    /// Clock anchor.
    pub clock: Clock,
    /// Where tickets come from.
    pub tickets: flume::Receiver<Ticket>,
    /// In closed runs workers make their own tickets.
    pub closed: Option<Mutex<Picker>>,
    /// Counts and clocks.
    pub recorder: Arc<Recorder>,
    /// What is going on.
    pub gauges: Arc<Gauges>,
    /// Where CLIENT spans go.
    pub spans: Option<Spans>,
    /// Where operations are noted.
    pub history: Option<History>,
    /// Number of the next operation in the history.
    pub operation: AtomicU64,
    /// Tickets that are taken from now on are given up.
    pub given_up: CancellationToken,
    /// Nothing will come any more.
    pub over: CancellationToken,
    /// Names of spans by flow and step, made once.
    pub labels: Vec<FlowLabels>,
}

/// Names that every span of a flow repeats.
pub struct FlowLabels {
    flow: Arc<str>,
    steps: Vec<StepLabels>,
}

struct StepLabels {
    /// Index in the recorder.
    index: usize,
    step: Arc<str>,
    span: Arc<str>,
}

/// Names of all measured steps in the recorder's order, and the labels that point into it.
///
/// Two steps of one name in different flows are one line of the report.
pub fn labels(scenario: &Scenario) -> (Vec<String>, Vec<FlowLabels>) {
    let mut names: Vec<String> = Vec::new();
    let mut label = |step: &Step| {
        let index = names.iter().position(|name| *name == step.name).unwrap_or_else(|| {
            names.push(step.name.clone());
            names.len() - 1
        });
        let path = step.path.to_string();
        let route = path.split('?').next().unwrap_or_default();
        StepLabels { index, step: step.name.as_str().into(), span: format!("{} {route}", step.method).into() }
    };
    let flows = scenario
        .flows
        .iter()
        .map(|flow| FlowLabels { flow: flow.name.as_str().into(), steps: flow.steps.iter().map(&mut label).collect() })
        .collect();
    (names, flows)
}
