//! `mallctl collect`: receiver and console for any OpenTelemetry system, without the shop.

use std::future::pending;
use std::io::IsTerminal;
use std::path::Path;

use tokio::process::Command;
use tui::Launch;

use super::session::Session;
use super::up::ports;
use crate::cli;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::stack::order::Order;
use crate::stack::shared::unix_ns;
use crate::stack::stack_file::Addresses;
use crate::stack::state::StateFolder;

/// Runs the verb.
pub async fn run(args: cli::Collect, json: bool) -> Outcome {
    if args.detach && !args.command.is_empty() {
        return Err(Failure::usage("-d leaves no one to wait for the command").mend("leave out -d, or the command"));
    }
    let folder = StateFolder::of(&args.stack.stack)?;
    let [otlp_grpc, otlp_http, console] = ports(&args.ports);
    let order = Order {
        bind: args.bind,
        otlp_grpc,
        otlp_http,
        console,
        shop: None,
        keep: args.keep,
        seed: 1,
        detached: args.detach,
        load: None,
        started_unix_ns: unix_ns(),
    };
    let session = Session::start(folder, &order).await?;
    let addresses = session.listening().addresses.clone();
    if let Some((program, rest)) = args.command.split_first() {
        return with_command(session, &addresses, program, rest).await;
    }
    let has_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if args.detach {
        if !json {
            output::progress(&what_to_copy(&addresses));
        }
        return session.detach(json).await;
    }
    output::progress(&what_to_copy(&addresses));
    if has_terminal {
        return session.console_until_left(Launch::Collect).await;
    }
    session.lines_until_done(json, false, pending()).await.map(|(exit, _)| exit)
}

/// Runs a command with its telemetry pointed here, then stops; its exit code is ours.
async fn with_command(mut session: Session, addresses: &Addresses, program: &str, rest: &[String]) -> Outcome {
    let mut command = Command::new(program);
    command.args(rest).envs(environment(addresses)).kill_on_drop(true);
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
        let name = Path::new(program).file_name().unwrap_or_default();
        command.env("OTEL_SERVICE_NAME", name);
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            // Left alone, the collector would wait a minute for somebody to come back.
            session.stop().await?;
            return Err(Failure::usage(format!("cannot run '{program}'"))
                .because(error)
                .mend("name a program on the PATH, or the path of a file that may be executed"));
        }
    };
    let ended = async move {
        match child.wait().await {
            Ok(status) => Exit::Command(exit_code(status)),
            Err(_) => Exit::Failure,
        }
    };
    // Standard output belongs to the command.
    let (exit, summary) = session.lines_until_done(true, false, ended).await?;
    output::progress(&format!("{} traces received, {} spans lost", summary.traces, summary.lost_spans));
    Ok(exit)
}

/// As a shell says it: 128 and the signal for a command that a signal ended.
fn exit_code(status: std::process::ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(1)
}

/// The environment that points any OpenTelemetry SDK here.
fn environment(addresses: &Addresses) -> Vec<(&'static str, String)> {
    let mut environment = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", addresses.otlp_http)),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf".to_owned()),
    ];
    for signal in ["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"] {
        environment.push((signal, "otlp".to_owned()));
    }
    environment
}

/// What to copy into a program, a go-zero service, a collector, a container.
fn what_to_copy(addresses: &Addresses) -> String {
    let exports: Vec<String> =
        environment(addresses).into_iter().map(|(name, value)| format!("  export {name}={value}")).collect();
    let port = addresses.otlp_grpc.rsplit(':').next().unwrap_or("4317");
    format!(
        "listening on {grpc} (OTLP/gRPC) and {http} (OTLP/HTTP)\n\
         any OpenTelemetry SDK:\n{exports}\n\
         go-zero (etc/*.yaml):\n  Telemetry:\n    Endpoint: {grpc}\n    Batcher: otlpgrpc\n    Sampler: 1.0\n\
         an OpenTelemetry Collector:\n  exporters:\n    otlp/mallctl:\n      endpoint: {grpc}\n      tls:\n        insecure: true\n\
         from a container: host.docker.internal:{port}, with --bind 0.0.0.0 here and --add-host=host.docker.internal:host-gateway there",
        grpc = addresses.otlp_grpc,
        http = addresses.otlp_http,
        exports = exports.join("\n"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_zero_gets_no_scheme_and_sdks_get_one() {
        let addresses = Addresses {
            otlp_grpc: "127.0.0.1:4317".into(),
            otlp_http: "127.0.0.1:4318".into(),
            ..Addresses::default()
        };
        let text = what_to_copy(&addresses);
        assert!(text.contains("Endpoint: 127.0.0.1:4317\n"));
        assert!(text.contains("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318\n"));
        assert!(text.contains("host.docker.internal:4317"));
    }
}
