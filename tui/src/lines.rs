//! The console's facts as lines, for outputs that are no terminal.

use std::collections::HashMap;
use std::io::Write;

use collector_api::console::{AlertState, EventPhase};

use crate::model::Model;
use crate::model::data::{Data, SECOND_NS};
use crate::shell::{Next, Shell};
use crate::{Options, Summary, TuiError, fmt, sentence, summary};

/// Writes lines until `until` resolves.
pub async fn lines(
    options: Options,
    mut out: impl Write,
    until: impl Future<Output = ()>,
) -> Result<Summary, TuiError> {
    let mut shell = Shell::start(&options)?;
    let mut said = Said::default();
    let mut until = std::pin::pin!(until);
    loop {
        let msg = tokio::select! {
            biased;
            () = &mut until => break,
            msg = shell.next() => msg,
        };
        let Some(msg) = msg else { break };
        if let Next::Leave(_) = shell.take(msg) {
            break;
        }
        for line in said.news(&shell.model) {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
    }
    Ok(summary::of(&shell.model))
}

/// What was said already.
#[derive(Debug, Default)]
struct Said {
    second: u64,
    figures: String,
    processes: HashMap<String, String>,
    ready: bool,
    events: HashMap<u64, EventPhase>,
    alerts: HashMap<String, AlertState>,
    run: (String, String),
    link: Option<crate::model::Link>,
}

impl Said {
    /// Lines that are new.
    fn news(&mut self, model: &Model) -> Vec<String> {
        let data = &model.live;
        let mut lines = Vec::new();
        self.link(model, &mut lines);
        self.processes(data, &mut lines);
        self.events(data, &mut lines);
        self.alerts(data, &mut lines);
        self.run(data, &mut lines);
        self.second(data, &mut lines);
        lines
    }

    fn link(&mut self, model: &Model, lines: &mut Vec<String>) {
        use crate::model::Link;
        let is_same_kind =
            self.link.as_ref().is_some_and(|said| std::mem::discriminant(said) == std::mem::discriminant(&model.link));
        if is_same_kind {
            return;
        }
        match &model.link {
            Link::Lost { why, .. } => {
                lines.push(format!("lost the collector on {}: {why}; trying again", model.address));
            }
            Link::Live if matches!(self.link, Some(Link::Lost { .. })) => {
                lines.push("the collector answers again".to_owned());
            }
            Link::Live | Link::Connecting { .. } => {}
        }
        self.link = Some(model.link.clone());
    }

    fn processes(&mut self, data: &Data, lines: &mut Vec<String>) {
        let Some(status) = &data.status else { return };
        for process in data.shop() {
            let name = if process.replica == 0 {
                process.role.clone()
            } else {
                format!("{}/{}", process.role, process.replica)
            };
            let was = self.processes.insert(name.clone(), process.state.clone());
            // While everything starts only trouble is worth a line; the ready line says the rest.
            let is_trouble = !matches!(process.state.as_str(), "ready" | "starting");
            if was.as_ref() != Some(&process.state)
                && (is_trouble || was.is_some_and(|was| self.ready && was != "starting"))
            {
                lines.push(
                    format!("{name} {} {} {}", process.state, process.last_exit, process.last_log)
                        .trim_end()
                        .to_owned(),
                );
            }
        }
        if status.ready && !self.ready {
            self.ready = true;
            let gateway = status.addresses.as_ref().map(|addresses| addresses.gateway.clone()).unwrap_or_default();
            let shop = match data.shop().count() {
                0 => String::new(),
                count => format!("{count} processes, gateway {gateway}, "),
            };
            let took = status.ready_ms as f64 / 1e3;
            let (grpc, http) = (&data.hello.otlp_grpc, &data.hello.otlp_http);
            lines.push(format!("ready in {took:.2} s: {shop}OTLP {grpc} (gRPC) and {http} (HTTP)"));
        }
    }

    fn events(&mut self, data: &Data, lines: &mut Vec<String>) {
        for event in data.events.values() {
            let phase = event.phase();
            if self.events.insert(event.id, phase) == Some(phase) {
                continue;
            }
            let (at, verb) = match phase {
                EventPhase::Closed => (event.ends_unix_ns, " ended"),
                EventPhase::Open => (event.begins_unix_ns, " began"),
                _ => (event.begins_unix_ns, ""),
            };
            let what = if event.kind == "fault" { sentence::fault_label(event) } else { event.detail.clone() };
            lines.push(format!("{}  {}{verb}: {what}", fmt::clock(at / SECOND_NS), event.kind));
        }
    }

    fn alerts(&mut self, data: &Data, lines: &mut Vec<String>) {
        for alert in &data.alerts {
            let key = crate::update::alert_key(alert);
            let was = self.alerts.insert(key, alert.state()).unwrap_or(AlertState::Inactive);
            if was != alert.state() && alert.state() != AlertState::Unspecified {
                let state = crate::view::overview::alert_state(alert, data.now_ns);
                lines.push(format!("{}  alert {} {state}", fmt::clock(data.now_ns / SECOND_NS), alert.name));
            }
        }
    }

    fn run(&mut self, data: &Data, lines: &mut Vec<String>) {
        let Some(run) = data.current_run() else { return };
        let now = (run.phase.clone(), run.detail.clone());
        if self.run == now {
            return;
        }
        // Some details begin with the phase themselves.
        let said = run.detail.strip_prefix(&run.phase).unwrap_or(&run.detail).trim_start();
        let line = format!("{}  load {}: {} {said}", fmt::clock(data.now_ns / SECOND_NS), run.scenario, run.phase);
        lines.push(line.trim_end().to_owned());
        self.run = now;
    }

    /// One line a second while requests come, and one more when they cease.
    fn second(&mut self, data: &Data, lines: &mut Vec<String>) {
        let head = data.head_s();
        if head <= self.second || data.seconds.is_empty() {
            return;
        }
        self.second = head;
        let entry = data.seconds.entry(data.window());
        let rate = data.seconds.entry(head..=head).count();
        let latency = |q| entry.ok.quantile_us(q).map_or_else(|| "-".to_owned(), fmt::micros);
        let figures = format!(
            "{:>8}  errors {:>6} {} of {}  p50 {:>7}  p99 {:>7}",
            fmt::rate(rate as f64),
            fmt::percent1(entry.error_ratio()),
            fmt::count(entry.failed.count()),
            fmt::count(entry.count()),
            latency(0.5),
            latency(0.99)
        );
        let line = format!("{figures}  {}", data.sentence.text());
        if line != self.figures {
            lines.push(format!("{}{line}", fmt::clock(head)));
            self.figures = line;
        }
    }
}
