//! A server that stalls must show in the intended clock and can hide in the service clock.
//!
//! 100 requests a second for 6 s, and a stall of 2 s in the middle: a third of all arrivals wait between 2 s and nothing,
//! evenly. So a quantile q of the truth above two thirds is `2 s · (1 − (1 − q)·3)`: 1.4 s at p90, 1.94 s at p99.

mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use loadgen::{Hooks, Options, Scenario, run};
use tokio_util::sync::CancellationToken;

/// Quantiles of a run through a stall with so many workers, in seconds.
async fn through_a_stall(workers: u32) -> impl Fn(&str, &str) -> f64 {
    let first: Arc<Mutex<Option<Instant>>> = Arc::default();
    let stalling = move || {
        let first = first.clone();
        async move {
            let begin = *first.lock().unwrap().get_or_insert_with(Instant::now);
            let (stall, end) = (begin + Duration::from_secs(2), begin + Duration::from_secs(4));
            if (stall..end).contains(&Instant::now()) {
                tokio::time::sleep_until(end.into()).await;
            }
            "{}"
        }
    };
    let address = common::serve(Router::new().route("/", get(stalling))).await;
    let mut scenario = Scenario::from_url(&format!("http://{address}/"), "GET", &[], None).unwrap();
    scenario.scale_to(100.0);
    scenario.cut(Duration::from_secs(6));
    scenario.max_in_flight = workers;
    let options = Options::new(scenario, format!("http://{address}"));
    let report = run(options, Hooks::default(), |_| {}, CancellationToken::new()).await.expect("the run ends");
    println!("{}", report.to_text());
    let json = report.to_json();
    assert_eq!((&json["requests"]["sent"], &json["requests"]["ok"]), (&600.into(), &600.into()));
    assert!(json["join"]["rate"].is_null(), "nobody was asked");
    move |clock, name| json["latency_us"][clock][name].as_f64().expect("every clock has figures") / 1e6
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_shows_in_the_intended_clock() {
    let enough_workers = through_a_stall(256).await;
    for (name, truth) in [("p90", 1.4), ("p99", 1.94)] {
        let measured = enough_workers("intended", name);
        assert!((measured - truth).abs() <= truth * 0.1, "{name}: {measured} s against {truth} s");
    }
    // With fewer workers than stalled arrivals the rest waits for a worker, which only the intended clock knows.
    let few_workers = through_a_stall(8).await;
    assert!(few_workers("intended", "p90") >= 1.4 * 0.9, "{}", few_workers("intended", "p90"));
    assert!(
        few_workers("service", "p90") < few_workers("intended", "p90") / 2.0,
        "the service clock cannot see the queue"
    );
}
