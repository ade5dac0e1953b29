//! `mallctl load`: drive a scenario or a URL, report, and judge.

use std::io::Write;
use std::path::{Path, PathBuf};

use loadgen::scenario::Target;
use loadgen::{CollectorAddress, LoadError, Options, Report, Scenario, Tls, new_run_id};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::hooks;
use super::scenario::{Meaning, read};
use crate::cli;
use crate::exit::{Exit, Failure, Outcome};
use crate::hint;
use crate::output;
use crate::stack::client::{Client, not_running};
use crate::stack::stack_file::StackFile;
use crate::stack::state::{StateFolder, write_private};

/// Runs the verb.
pub async fn run(args: cli::Load, json: bool) -> Outcome {
    let scenario = scenario(&args)?;
    let folder = StateFolder::of(&args.stack.stack)?;
    let stack = if folder.is_running() { folder.read()? } else { None };
    let target = target(&scenario, stack.as_ref(), &args.stack.stack)?;
    folder.create()?;
    let run_id = args.run_id.clone().unwrap_or_else(new_run_id);
    let out = args.out.clone().unwrap_or_else(|| folder.runs().join(format!("{run_id}.json")));
    let is_shop = stack.as_ref().is_some_and(|file| file.shop) && matches!(scenario.target, Target::Role(_));
    let client = match &stack {
        Some(file) => Some(Client::to_address(&file.addresses.console, Some(file.token.clone())).await?),
        None => None,
    };
    // Held until the end, so that `status` counts this process among the others.
    let _attached = match &client {
        Some(client) => Some(client.attach("load").await?),
        None => None,
    };
    let options = Options {
        run_id: run_id.clone(),
        name: args.name.clone().unwrap_or_default(),
        users: args.users,
        seed: args.seed,
        settle: args.settle,
        trace_sample: args.trace_sample,
        collector: stack.as_ref().map(collector).transpose()?,
        history: is_shop.then(|| folder.history().join(format!("{run_id}.ndjson"))),
        out: Some(out.clone()),
        gates: args.gate.clone(),
        tls: Tls {
            ca_cert: args.cacert.clone(),
            cert: args.cert.clone(),
            key: args.key.clone(),
            insecure: args.insecure,
        },
        allow_remote: args.allow_remote,
        ..Options::new(scenario, target)
    };
    let hooks = match (client, &stack) {
        (Some(client), Some(file)) => hooks::of(client, file).await,
        _ => hooks::without_stack(),
    };
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    let report = loadgen::run(options, hooks, |progress| output::progress(&progress.to_string()), stop)
        .await
        .map_err(|error| failure(&error))?;
    finish(&report, &out, json)
}

fn scenario(args: &cli::Load) -> Result<Scenario, Failure> {
    let meaning = Meaning::of(&args.what);
    let mut scenario = match &meaning {
        Meaning::Url(url) => {
            if args.target.is_some() {
                return Err(Failure::usage("--target aims a scenario")
                    .because(format!("'{url}' is a target already"))
                    .mend("leave out --target, or name a scenario"));
            }
            from_url(url, args)?
        }
        Meaning::Shipped(_) | Meaning::File(_) => {
            if args.method.is_some() || !args.headers.is_empty() || args.body.is_some() {
                return Err(Failure::usage("-X, -H and -d shape the request of a URL")
                    .because(format!("'{}' is a scenario", args.what))
                    .mend("write them into a scenario file"));
            }
            read(&args.what)?
        }
    };
    if let Some(url) = &args.target {
        scenario.target = Target::Url(url.clone());
    }
    if let Some(lasts) = args.lasts {
        scenario.cut(lasts);
        if matches!(meaning, Meaning::Url(_)) {
            // A URL has no schedule of its own that anything could be missing from.
            scenario.uncut = None;
        }
    }
    if let Some(rate) = args.rate {
        scenario.scale_to(rate);
    }
    Ok(scenario)
}

fn from_url(url: &str, args: &cli::Load) -> Result<Scenario, Failure> {
    let headers: Vec<(String, String)> = args
        .headers
        .iter()
        .map(|header| match header.split_once(':') {
            Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
            None => Err(Failure::usage(format!("'{header}' is no header")).mend("write -H 'Name: value'")),
        })
        .collect::<Result<_, _>>()?;
    let body = match args.body.as_deref().map(|body| (body, body.strip_prefix('@'))) {
        Some((_, Some(file))) => Some(
            std::fs::read_to_string(file)
                .map_err(|error| Failure::usage(format!("cannot read {file}")).because(error))?,
        ),
        Some((body, None)) => Some(body.to_owned()),
        None => None,
    };
    let method = args.method.as_deref().unwrap_or(if body.is_some() { "POST" } else { "GET" });
    Scenario::from_url(url, method, &headers, body.as_deref()).map_err(|error| Failure::usage(error.to_string()))
}

fn target(scenario: &Scenario, stack: Option<&StackFile>, name: &str) -> Result<String, Failure> {
    match (&scenario.target, stack) {
        (Target::Url(url), _) => Ok(url.clone()),
        (Target::Role(_), None) => Err(not_running(name)),
        (Target::Role(role), Some(file)) if role == "gateway" && file.shop => {
            if file.addresses.gateway.is_empty() {
                return Err(Failure::new(Exit::NotReady, format!("stack '{name}' is still starting"))
                    .mend(hint::command(name, "wait --for ready")));
            }
            Ok(format!("http://{}", file.addresses.gateway))
        }
        (Target::Role(role), Some(_)) => Err(Failure::usage(format!("stack '{name}' has no '{role}' to load"))
            .mend("aim at \"gateway\" of a stack that `mallctl up` started, or at a URL")),
    }
}

fn collector(file: &StackFile) -> Result<CollectorAddress, Failure> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|error| Failure::runtime(format!("stack.json names '{text}', which is no address")).because(error))
    };
    Ok(CollectorAddress {
        otlp_grpc: parse(&file.addresses.otlp_grpc)?,
        console: parse(&file.addresses.console)?,
        token: Some(file.token.clone()),
    })
}

fn stop_on_signal(stop: CancellationToken) -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::runtime("cannot listen for signals").because(error));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    tokio::spawn(async move {
        for asked in 0.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if asked > 0 {
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
            // A progress line; a reader that has gone does not matter here.
            let _ = writeln!(std::io::stderr(), "stopping the load; once more ends at once");
            stop.cancel();
        }
    });
    Ok(())
}

fn failure(error: &LoadError) -> Failure {
    match error {
        LoadError::Scenario(_)
        | LoadError::Target { .. }
        | LoadError::Remote { .. }
        | LoadError::Data { .. }
        | LoadError::Gate { .. }
        | LoadError::Option(_) => Failure::usage(error.to_string()),
        _ => Failure::runtime(error.to_string()),
    }
}

/// Prints the report, keeps its text beside the JSON, and judges.
fn finish(report: &Report, out: &Path, json: bool) -> Outcome {
    let text = report.to_text();
    write_private(&text_beside(out), text.as_bytes())?;
    if json {
        output::json(&report.to_json())?;
    } else {
        output::line(text.trim_end());
    }
    output::progress(&format!("run written to {}", out.display()));
    if let Some(reason) = &report.aborted {
        output::progress(&format!("the run stopped itself: {reason}"));
    }
    let held = [
        (report.interrupted, Exit::Interrupted),
        (report.aborted.is_some(), Exit::Failure),
        (report.generator_limited, Exit::GeneratorLimited),
        (report.gates_failed > 0, Exit::GateFailed),
    ];
    let held: Vec<Exit> = held.into_iter().filter(|(holds, _)| *holds).map(|(_, exit)| exit).collect();
    Ok(Exit::most_severe(&held))
}

/// Where the readable report of a run lies.
pub fn text_beside(run: &Path) -> PathBuf {
    run.with_extension("txt")
}
