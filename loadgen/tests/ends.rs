//! How runs end other than by their schedule: nobody there, stopped, told to stop, without a collector.
//!
//! The worker pool's switch is global, so these runs follow each other in one test.

mod common;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use collector_api::console::{RunCommand, run_command};
use common::collector::Collector;
use loadgen::{CollectorAddress, Hooks, LoadError, Options, Progress, Report, Scenario, run};
use tokio_util::sync::CancellationToken;

fn scenario(address: std::net::SocketAddr, lasts: Duration) -> Options {
    let base = format!("http://{address}");
    let mut scenario = Scenario::from_url(&base, "GET", &[], None).expect("an address");
    scenario.cut(lasts);
    scenario.max_in_flight = 16;
    Options::new(scenario, base)
}

async fn finish(options: Options, stop: CancellationToken) -> (Result<Report, LoadError>, Vec<Progress>) {
    let progress = Mutex::new(Vec::new());
    let report = run(options, Hooks::default(), |line| progress.lock().unwrap().push(line), stop).await;
    (report, progress.into_inner().unwrap())
}

async fn nobody_there() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let begin = Instant::now();
    let (report, _) = finish(scenario(address, Duration::from_mins(1)), CancellationToken::new()).await;
    let error = report.unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(30), "a dead target is named at once");
    let text = error.to_string();
    assert!(matches!(error, LoadError::DeadTarget { .. }) && text.contains(&address.to_string()), "{text}");
    assert!(text.contains("mallctl up"), "the mend is named: {text}");
}

async fn stopped_from_outside(address: std::net::SocketAddr) {
    let stop = CancellationToken::new();
    let after_two_seconds = stop.clone();
    let seconds = Mutex::new(0);
    let watch = |line| {
        if matches!(line, Progress::Second(_)) {
            *seconds.lock().unwrap() += 1;
            if *seconds.lock().unwrap() == 2 {
                after_two_seconds.cancel();
            }
        }
    };
    let options = scenario(address, Duration::from_hours(1));
    let report = run(options, Hooks::default(), watch, stop).await.expect("an interrupted run has a report");
    let json = report.to_json();
    assert!(report.interrupted && !report.generator_limited);
    let sent = json["requests"]["sent"].as_u64().unwrap();
    assert!(sent > 0 && sent == json["latency_us"]["intended"]["count"], "{sent}");
}

async fn told_by_the_collector(address: std::net::SocketAddr) {
    let collector = Collector::serve().await;
    collector.seen().command = Some(RunCommand { command: Some(run_command::Command::Stop(true)) });
    // The first exports are refused: spans are retried, not lost.
    collector.seen().refuse = 2;
    let options = Options { collector: Some(collector.address("t")), ..scenario(address, Duration::from_hours(1)) };
    let (report, _) = finish(options, CancellationToken::new()).await;
    let json = report.expect("the run ends").to_json();
    assert_eq!(json["requests"]["sent"], json["spans"]["client"]["acknowledged"]);
    assert_eq!(json["spans"]["client"]["lost"], 0);
    assert!(json["duration_s"].as_f64().unwrap() < 3_600.0);
}

async fn without_its_collector(address: std::net::SocketAddr) {
    let gone = "127.0.0.1:9".parse().unwrap();
    let collector = CollectorAddress { otlp_grpc: gone, console: gone, token: None };
    // A span is offered for 15 s before it is given up; unsampled requests have none to offer.
    let options =
        Options { collector: Some(collector), trace_sample: 0.0, ..scenario(address, Duration::from_secs(1)) };
    let (report, progress) = finish(options, CancellationToken::new()).await;
    let json = report.expect("a run needs no collector").to_json();
    assert_eq!((&json["requests"]["ok"], &json["join"]["sampled"]), (&50.into(), &0.into()));
    assert!(json["join"]["rate"].is_null());
    assert!(progress.iter().any(|line| matches!(line, Progress::Notice(text) if text.contains("no collector at"))));
}

async fn closed_users(address: std::net::SocketAddr) {
    let mut options = scenario(address, Duration::from_secs(1));
    options.scenario.close(4);
    let (report, _) = finish(options, CancellationToken::new()).await;
    let report = report.expect("the run ends");
    let json = report.to_json();
    assert!(json["requests"]["sent"].as_u64().unwrap() > 4 && !report.generator_limited);
    assert_eq!(json["requests"]["sent"], json["requests"]["ok"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_end_is_told() {
    let address = common::serve(Router::new().route("/", get(async || "ok"))).await;
    nobody_there().await;
    stopped_from_outside(address).await;
    told_by_the_collector(address).await;
    without_its_collector(address).await;
    closed_users(address).await;
}
