//! A load run over its stream, with spans that arrive over OTLP.

use std::time::Duration;

use collector_api::console::{
    CommandRequest, RunCell, RunCommand, RunDown, RunFinish, RunPhase, RunStart, RunTick, RunUp, WatchRequest,
    run_command, run_down, run_up,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Streaming};

use crate::stand::{PATIENCE, Stand, TOKEN, config, now_ns, span, text};

const SERVER: i32 = 2;
const CLIENT: i32 = 3;

struct Driver {
    up: mpsc::Sender<RunUp>,
    down: Streaming<RunDown>,
}

impl Driver {
    async fn start(stand: &Stand, run_id: &str) -> Self {
        let (up, messages) = mpsc::channel(16);
        let start = RunStart { run_id: run_id.into(), scenario: "order-burst".into(), ..RunStart::default() };
        up.send(RunUp { up: Some(run_up::Up::Start(start)) }).await.expect("room");
        let down = stand.runs().await.drive(ReceiverStream::new(messages)).await.expect("a stream").into_inner();
        let mut driver = Self { up, down };
        let run_down::Down::Accepted(accepted) = driver.next().await else { panic!("not accepted first") };
        assert_eq!(accepted.stack, "test");
        driver
    }

    async fn say(&self, up: run_up::Up) {
        self.up.send(RunUp { up: Some(up) }).await.expect("the collector listens");
    }

    async fn next(&mut self) -> run_down::Down {
        let message = tokio::time::timeout(PATIENCE, self.down.message()).await.expect("an answer in time");
        message.expect("no failure").expect("the stream goes on").down.expect("a message")
    }
}

fn request(number: u64) -> (Span, Span) {
    let mut client = span("POST /api/order/create", CLIENT, number, 2 * number + 1, 0, Duration::from_millis(20));
    client.attributes = vec![text("mall.run.id", "r1"), text("mall.outcome", "ok")];
    let server =
        span("POST /api/order/create", SERVER, number, 2 * number + 2, 2 * number + 1, Duration::from_millis(10));
    (client, server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_driven_joined_and_settled() {
    let stand = Stand::open(config()).await;
    let mut driver = Driver::start(&stand, "r1").await;
    let phase = RunPhase { phase: "running".into(), detail: "stage 1/1, 50/s".into(), target_rate: 50.0 };
    driver.say(run_up::Up::Phase(phase)).await;
    let (clients, servers): (Vec<_>, Vec<_>) = (0..50_u64).map(request).unzip();
    stand.export("gateway", servers).await;
    stand.export("loadgen", clients).await;
    let cell = RunCell { requests: 50, ok: 50, ..RunCell::default() };
    let unix_s = now_ns() / 1_000_000_000;
    let tick = RunTick { unix_s, cell: Some(cell), sent_total: 50, sampled_total: 50, ..RunTick::default() };
    driver.say(run_up::Up::Tick(tick)).await;
    driver
        .say(run_up::Up::Finish(RunFinish { sampled: 50, settle_limit_ns: 15_000_000_000, ..RunFinish::default() }))
        .await;
    let settled = loop {
        if let run_down::Down::Settled(settled) = driver.next().await {
            break settled;
        }
    };
    let join = settled.join.expect("a join");
    assert_eq!((join.sampled, join.joined, join.missing, join.waiting), (50, 50, 0, 0));
    assert_eq!(settled.cohorts.iter().map(|cohort| cohort.count).sum::<u64>(), 50);
    assert_eq!((settled.spans_received, settled.spans_stored, settled.spans_dropped), (100, 100, 0));
    assert!(settled.events.iter().any(|event| event.kind == "load" && event.run_id == "r1"));

    let mut deltas = stand.console().await.watch(WatchRequest::default()).await.expect("a stream").into_inner();
    let delta = deltas.message().await.expect("no failure").expect("a delta");
    let run = delta.runs.first().expect("the run");
    assert_eq!((run.run_id.as_str(), run.phase.as_str(), run.sent), ("r1", "done", 50));
    let shown: u64 = delta.seconds.iter().filter_map(|second| second.run.as_ref()).map(|cell| cell.requests).sum();
    assert_eq!(shown, 50);
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_need_the_token_and_a_run() {
    let stand = Stand::open(config()).await;
    let mut driver = Driver::start(&stand, "r1").await;
    let mut runs = stand.runs().await;
    let pause = |run_id: &str, token: Option<&str>| {
        let command = RunCommand { command: Some(run_command::Command::Pause(true)) };
        let mut request = Request::new(CommandRequest { run_id: run_id.into(), command: Some(command) });
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().expect("ascii");
            request.metadata_mut().insert("authorization", value);
        }
        request
    };
    assert_eq!(runs.command(pause("r1", None)).await.expect_err("no token").code(), Code::Unauthenticated);
    assert_eq!(runs.command(pause("r1", Some("guess"))).await.expect_err("wrong token").code(), Code::Unauthenticated);
    assert_eq!(runs.command(pause("r2", Some(TOKEN))).await.expect_err("no such run").code(), Code::NotFound);
    runs.command(pause("r1", Some(TOKEN))).await.expect("taken");
    let command = loop {
        if let run_down::Down::Command(command) = driver.next().await {
            break command;
        }
    };
    assert_eq!(command.command, Some(run_command::Command::Pause(true)));
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_does_not_begin_with_a_start_is_refused() {
    let stand = Stand::open(config()).await;
    let (up, messages) = mpsc::channel(1);
    up.send(RunUp { up: Some(run_up::Up::Tick(RunTick::default())) }).await.expect("room");
    let mut down = stand.runs().await.drive(ReceiverStream::new(messages)).await.expect("a stream").into_inner();
    assert_eq!(down.message().await.expect_err("refused").code(), Code::InvalidArgument);
    stand.close().await;
}
