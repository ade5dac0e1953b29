//! One run from its options to its report.

mod abort;
mod drill;
mod interrupt;
mod measured;
mod settle;
mod target;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use collector_api::console::RunStart;
use collector_api::history::{self, Header};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::data::{self, Table};
use crate::drive::Drive;
use crate::error::LoadError;
use crate::gate::Gate;
use crate::history::{History, Writer};
use crate::hooks::{Hooks, StackSnapshot};
use crate::host::{self, Sample};
use crate::options::{Options, Progress};
use crate::pacer::{Gauges, QUEUE};
use crate::pick::Picker;
use crate::record::Recorder;
use crate::report::{Cut, Facts, Report};
use crate::scenario::Arrival;
use crate::spans::{self, Exporter, Origin, Spans};
use crate::worker::{self, Bench};
use target::Target;

/// Largest worker pool.
const LARGEST_POOL: u32 = 20_000;

/// Drives a scenario at its target.
///
/// `stop` ends the schedule early; what was sent is still waited for and reported. SIGINT and SIGTERM of the process
/// cancel it too, because the worker pool would otherwise take those signals for itself; a second one gives up what is
/// still waiting. One run at a time in a process: the pool's switch is global.
pub async fn run(
    options: Options,
    hooks: Hooks,
    mut progress: impl FnMut(Progress) + Send,
    stop: CancellationToken,
) -> Result<Report, LoadError> {
    let gates = all_gates(&options)?;
    check(&options, &hooks)?;
    let target = Target::of(&options.target_base_url)?;
    target.permit(options.allow_remote)?;
    if !target.is_loopback() {
        progress(Progress::Notice(format!("{} is not this machine; the run stops itself at half errors", target.host)));
    }
    let interrupt = interrupt::install(&stop);
    worker::preflight(&target.host, target.port).await?;

    let before = snapshot(&hooks).await;
    let clock = Clock::start();
    let (orders, ordered) = flume::bounded(16);
    let drive = open_drive(&options, &orders, &mut progress).await;
    let client = worker::client(pool_size(&options), &options.tls)?;
    let (tables, saved) = tokio::select! {
        prepared = prepare(&options, &hooks, &target, &client, drive.as_ref(), &mut progress) => prepared?,
        () = stop.cancelled() => return Err(LoadError::Interrupted),
    };

    let (spans, exporter) = open_spans(&options, &target)?.unzip();
    let (history, writer) = open_history(&options, before.as_ref(), clock)?.unzip();
    let (names, labels) = worker::labels(&options.scenario);
    let recorder = Arc::new(Recorder::new(names));
    let gauges = Arc::new(Gauges::default());
    let picker = picker(&options, &tables);
    let (tickets, taken) = flume::bounded(QUEUE);
    let closed = matches!(options.scenario.arrival, Arrival::Users { .. });
    let bench = Arc::new(Bench {
        scenario: options.scenario.clone(),
        tables,
        saved,
        base_url: target.base_url.clone(),
        client,
        run_id: options.run_id.clone(),
        sample: options.trace_sample,
        clock,
        tickets: taken,
        closed: closed.then(|| std::sync::Mutex::new(picker.clone())),
        recorder: recorder.clone(),
        gauges: gauges.clone(),
        spans,
        history,
        operation: AtomicU64::new(0),
        given_up: CancellationToken::new(),
        over: CancellationToken::new(),
        labels,
    });
    let sample_before = Sample::take();
    let window = measured::Window {
        options: &options,
        hooks: &hooks,
        bench: &bench,
        drive: drive.as_ref(),
        target: &target,
        stop: &stop,
        interrupt: &interrupt,
        pool: pool_size(&options),
    };
    let outcome = window.run(picker, tickets, orders, ordered, &mut progress).await?;
    let sample_after = Sample::take();
    let after = snapshot(&hooks).await;
    drop(bench);

    let written = close_history(writer).await;
    let (spans_acknowledged, spans_lost) = match exporter {
        Some(exporter) => exporter.finish().await,
        None => (0, 0),
    };
    let totals = recorder.totals();
    let settled = match drive {
        Some(drive) => {
            settle::wait(drive, &options, &totals, outcome.limited.is_some(), &interrupt, &mut progress).await
        }
        None => None,
    };
    written?;
    let stack_pair = before.as_ref().zip(after.as_ref());
    let facts = Facts {
        scenario: options.scenario.name.clone(),
        summary: options.scenario.summary.clone(),
        target: target.base_url.clone(),
        seed: options.seed,
        started_unix_ns: clock.unix_ns(outcome.started),
        duration: outcome.duration,
        cut: options.scenario.uncut.map(|of| Cut { at: options.scenario.length(), of }),
        totals,
        offered: outcome.offered,
        started: outcome.taken,
        limited_because: outcome.limited,
        cpu_s: sample_after.own_cpu_s - sample_before.own_cpu_s,
        host: host::share(sample_before, sample_after, stack_pair),
        stack: after.or(before),
        settled,
        spans_acknowledged,
        spans_lost,
        faults: outcome.faults,
    };
    let mut report = Report::new(options.run_id.clone(), options.name.clone(), facts, gates);
    report.interrupted = outcome.interrupted;
    report.aborted = outcome.aborted;
    write_out(&options, &report)?;
    progress(Progress::Done);
    Ok(report)
}

fn all_gates(options: &Options) -> Result<Vec<Gate>, LoadError> {
    let mut gates = options.scenario.gates.clone();
    for expr in &options.gates {
        gates.push(Gate::parse(expr).map_err(|error| LoadError::Gate {
            expr: expr.clone(),
            column: error.column,
            why: error.to_string(),
        })?);
    }
    Ok(gates)
}

fn check(options: &Options, hooks: &Hooks) -> Result<(), LoadError> {
    if !(0.0..=1.0).contains(&options.trace_sample) {
        return Err(LoadError::Option("the share of sampled traces must be 0 to 1".into()));
    }
    if !(1..=LARGEST_POOL).contains(&pool_size(options)) {
        return Err(LoadError::Option(format!("the worker pool must have 1 to {LARGEST_POOL} workers")));
    }
    if options.scenario.length() < Duration::from_millis(100) {
        return Err(LoadError::Option("the schedule is shorter than 100 ms".into()));
    }
    match options.scenario.faults.first() {
        Some(fault) if hooks.faults.is_none() => Err(LoadError::Fault {
            spec: fault.spec.clone(),
            why: "faults are injected into a running stack: start one with `mallctl up`".into(),
        }),
        _ => Ok(()),
    }
}

fn pool_size(options: &Options) -> u32 {
    match (options.users, &options.scenario.arrival) {
        (Some(users), _) => users,
        (None, Arrival::Users { users, .. }) => *users,
        (None, _) => options.scenario.max_in_flight,
    }
}

async fn snapshot(hooks: &Hooks) -> Option<StackSnapshot> {
    match &hooks.stack {
        Some(stack) => stack.snapshot().await,
        None => None,
    }
}

async fn open_drive(
    options: &Options,
    orders: &flume::Sender<crate::pacer::Order>,
    progress: &mut (impl FnMut(Progress) + Send),
) -> Option<Drive> {
    let collector = options.collector.as_ref()?;
    let start = RunStart {
        run_id: options.run_id.clone(),
        scenario: options.scenario.name.clone(),
        name: options.name.clone(),
        seed: options.seed,
        planned_ns: options.scenario.length().as_nanos() as u64,
        highest_rate: options.scenario.arrival.highest_rate(),
    };
    match Drive::open(collector.console, collector.token.as_deref(), start, orders.clone()).await {
        Ok(drive) => Some(drive),
        Err(why) => {
            let console = collector.console;
            progress(Progress::Notice(format!(
                "no collector at {console} ({why}): the run goes on, its join is unknown"
            )));
            None
        }
    }
}

async fn prepare(
    options: &Options,
    hooks: &Hooks,
    target: &Target,
    client: &reqwest::Client,
    drive: Option<&Drive>,
    progress: &mut (impl FnMut(Progress) + Send),
) -> Result<(Vec<Table>, BTreeMap<String, String>), LoadError> {
    let mut tables = data::load(&options.scenario.data, hooks).await?;
    let tell = |what: &str, done: u64, total: u64| {
        // A line for each login would hide the others.
        if done == total || done.is_multiple_of((total / 10).max(1)) {
            let line = Progress::Preparing { what: what.to_owned(), done, total };
            if let Some(drive) = drive {
                drive.phase("preparing", line.to_string(), 0.0);
            }
            progress(line);
        }
    };
    let saved = worker::prepare(&options.scenario, &mut tables, &target.base_url, client, tell).await?;
    Ok((tables, saved))
}

fn picker(options: &Options, tables: &[Table]) -> Picker {
    let weights: Vec<u32> = options.scenario.flows.iter().map(|flow| flow.weight).collect();
    let sources: Vec<_> = tables.iter().map(|table| (table.rows.len(), table.skew)).collect();
    Picker::new(options.seed, &weights, &sources)
}

fn open_spans(options: &Options, target: &Target) -> Result<Option<(Spans, Exporter)>, LoadError> {
    let Some(collector) = &options.collector else { return Ok(None) };
    let origin =
        Origin { run_id: options.run_id.clone(), server_address: target.host.clone(), server_port: target.port };
    spans::start(collector.otlp_grpc, origin).map(Some).map_err(|error| LoadError::Client(error.to_string()))
}

fn open_history(
    options: &Options,
    stack: Option<&StackSnapshot>,
    clock: Clock,
) -> Result<Option<(History, Writer)>, LoadError> {
    let Some(path) = &options.history else { return Ok(None) };
    let header = Header {
        schema: history::SCHEMA,
        run_id: options.run_id.clone(),
        scenario: options.scenario.name.clone(),
        data_id: stack.map_or_else(String::new, |stack| stack.data_id.clone()),
        started_unix_ns: clock.unix_ns(std::time::Instant::now()),
    };
    crate::history::create(path, &header).map(Some)
}

async fn close_history(writer: Option<Writer>) -> Result<(), LoadError> {
    let Some(writer) = writer else { return Ok(()) };
    let finished = tokio::task::spawn_blocking(move || writer.finish()).await;
    finished.map_err(|error| LoadError::Workers(error.to_string()))?.map(|_| ())
}

/// Written beside and renamed, so that a reader never sees half a report.
fn write_out(options: &Options, report: &Report) -> Result<(), LoadError> {
    let Some(path) = &options.out else { return Ok(()) };
    let failed = |source: std::io::Error| LoadError::File { path: path.clone(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let text = serde_json::to_string_pretty(&report.to_json()).map_err(|error| failed(error.into()))?;
    let beside = path.with_extension(format!("{}.part", options.run_id));
    std::fs::write(&beside, text + "\n").map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}
