//! The first seconds: never an empty frame.

use crate::fmt;
use crate::model::{Link, Model};
use crate::theme::Role;
use crate::widget::pen::Pen;

/// Whether there is nothing yet that a screen could show.
pub fn is_start(model: &Model) -> bool {
    !model.data().has_spans()
        || (model.data().seconds.entry(0..=u64::MAX).count() == 0 && model.data().store.traces_seen == 0)
}

/// Processes while they come up; what to copy when nobody is expected to.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    let data = model.data();
    let mut y = 1;
    if let Link::Connecting { why } = &model.link {
        pen.say(2, y, &format!("connecting to {}", model.address), Role::Strong);
        if !why.is_empty() {
            pen.say(2, y + 1, &format!("{why}; trying again"), Role::Warn);
        }
        pen.say(2, y + 3, "q leaves", Role::Quiet);
        return;
    }
    pen.say(2, y, &data.sentence.text(), Role::Strong);
    y += 2;
    if let Some(status) = data.status.as_ref().filter(|_| data.processes().is_some()) {
        for process in data.shop() {
            process_row(pen, y, process);
            y += 1;
        }
        if status.ready {
            y += 1;
            if data.active_run().is_none() {
                pen.say(2, y, "drive it from another terminal:  mallctl load order-burst", Role::Accent);
                y += 2;
            }
            pen.say(
                2,
                y,
                &format!("listening {} (gRPC) and {} (HTTP)", data.hello.otlp_grpc, data.hello.otlp_http),
                Role::Quiet,
            );
            y += 1;
        }
        return receiver(model, pen, y);
    }
    y = block(model, pen, y);
    receiver(model, pen, y);
}

fn process_row(pen: &mut Pen<'_>, y: u16, process: &mall_api::control::Process) {
    let name =
        if process.replica == 0 { process.role.clone() } else { format!("{}/{}", process.role, process.replica) };
    pen.say(2, y, &name, Role::Text);
    let (glyph, role) = match process.state.as_str() {
        "ready" => (pen.theme.glyphs.dot, Role::Good),
        "starting" => (pen.theme.glyphs.dot, Role::Quiet),
        "stopped" => (pen.theme.glyphs.error, Role::Quiet),
        _ => (pen.theme.glyphs.error, Role::Error),
    };
    pen.say(18, y, glyph, role);
    let mut x = pen.say(20, y, &process.state, role);
    if process.state == "ready" {
        x = pen.say(x + 1, y, &format!("{:.2} s", process.ready_ms as f64 / 1e3), Role::Text);
        pen.say(x.max(35) + 1, y, &process.listen, Role::Quiet);
    }
    if process.restarts > 0 {
        x = pen.say(x + 2, y, &format!("{} restarts", process.restarts), Role::Warn);
    }
    let last = if process.last_log.is_empty() { &process.last_exit } else { &process.last_log };
    if !last.is_empty() && process.state != "ready" {
        pen.say(x + 2, y, last, Role::Error);
    }
}

/// What to copy into a program's environment.
fn block(model: &Model, pen: &mut Pen<'_>, mut y: u16) -> u16 {
    let hello = &model.data().hello;
    let container = hello.reachable.first().map(|address| format!("from a container:  {address}"));
    let lines = [
        ("any OpenTelemetry SDK", Role::Heading),
        (&*format!("  export OTEL_EXPORTER_OTLP_ENDPOINT=http://{}", hello.otlp_grpc), Role::Text),
        ("  export OTEL_EXPORTER_OTLP_PROTOCOL=grpc", Role::Text),
        (&*format!("  over HTTP: http://{} with http/protobuf", hello.otlp_http), Role::Quiet),
        ("", Role::Quiet),
        ("go-zero", Role::Heading),
        ("  Telemetry:", Role::Text),
        ("    Name: my-service", Role::Text),
        (&*format!("    Endpoint: {}        # no scheme", hello.otlp_grpc), Role::Text),
        ("    Batcher: otlpgrpc", Role::Text),
        ("    Sampler: 1.0", Role::Text),
        ("", Role::Quiet),
        (
            container.as_deref().unwrap_or("loopback only: `mallctl collect --bind ADDR` is for other machines"),
            Role::Quiet,
        ),
    ];
    for (text, role) in lines {
        pen.say(2, y, text, role);
        y += 1;
    }
    y
}

/// What arrived and what was refused: a wrong port or a broken body is named here.
fn receiver(model: &Model, pen: &mut Pen<'_>, y: u16) {
    let stats = &model.data().receiver;
    let y = y + 1;
    let words = format!(
        "{} gRPC and {} HTTP connections, {} requests accepted, {} refused, {} spans",
        stats.grpc_connections,
        stats.http_connections,
        fmt::count(stats.requests),
        fmt::count(stats.requests_refused),
        fmt::count(stats.spans)
    );
    pen.say(2, y, &words, Role::Quiet);
    let mut reasons: Vec<_> = stats.refused_by_reason.iter().collect();
    reasons.sort();
    for (at, (reason, count)) in reasons.into_iter().enumerate() {
        pen.say(4, y + 1 + at as u16, &format!("refused {}: {reason}", fmt::count(*count)), Role::Warn);
    }
    if !stats.last_error.is_empty() {
        pen.say(
            2,
            y + 1 + stats.refused_by_reason.len() as u16,
            &format!("last error: {}", stats.last_error),
            Role::Error,
        );
    }
}
