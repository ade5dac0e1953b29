//! Against a collector on loopback: pictures, lines, a stream that breaks and goes on, and nobody there at all.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use collector_api::console as wire;
use collector_api::console::console_server::{Console, ConsoleServer};
use futures::Stream;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};
use tui::{ColorChoice, Format, Options, Screen, TuiError};

/// Answers one delta a stream; the first stream ends after it, later ones stay open.
#[derive(Default)]
struct Collector {
    asked: Arc<Mutex<Vec<u64>>>,
    resumed: Arc<Notify>,
}

const NOW_S: u64 = 1_795_349_100;

fn delta(version: u64) -> wire::Delta {
    let sketch = wire::Sketch { index: vec![500], count: vec![40], sum_us: 800_000, max_us: 20_100 };
    let second = |unix_s| wire::Second { unix_s, entry_ok: Some(sketch.clone()), ..Default::default() };
    wire::Delta {
        version,
        now_unix_ns: (NOW_S + 1) * 1_000_000_000 + 600_000_000,
        seconds: (NOW_S - 20..=NOW_S).map(second).collect(),
        events: vec![wire::Event {
            id: 1,
            kind: "fault".to_owned(),
            phase: 2,
            begins_unix_ns: NOW_S * 1_000_000_000,
            target: "pay-rpc/1".to_owned(),
            detail: "latency pay-rpc/1\x1b[2J".to_owned(),
            ..Default::default()
        }],
        receiver: Some(wire::ReceiverStats { spans: 9, ..Default::default() }),
        ..Default::default()
    }
}

#[tonic::async_trait]
impl Console for Collector {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<wire::Delta, Status>> + Send>>;

    async fn hello(&self, _: Request<wire::HelloRequest>) -> Result<Response<wire::HelloReply>, Status> {
        let reply =
            wire::HelloReply { protocol: 1, stack: "drill".to_owned(), started_unix_ns: 7, ..Default::default() };
        Ok(Response::new(reply))
    }

    async fn watch(&self, request: Request<wire::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let resume = request.into_inner().resume_version;
        let count = {
            let mut asked = self.asked.lock().expect("no test panics while it holds the list");
            asked.push(resume);
            asked.len()
        };
        let first = futures::stream::iter([Ok(delta(resume + 5))]);
        if count == 1 {
            return Ok(Response::new(Box::pin(first)));
        }
        self.resumed.notify_one();
        Ok(Response::new(Box::pin(futures::StreamExt::chain(first, futures::stream::pending()))))
    }

    async fn list_traces(
        &self,
        _: Request<wire::ListTracesRequest>,
    ) -> Result<Response<wire::ListTracesReply>, Status> {
        Err(Status::invalid_argument("position 3: there is no field `foo`"))
    }

    async fn get_trace(&self, _: Request<wire::GetTraceRequest>) -> Result<Response<wire::Trace>, Status> {
        Err(Status::not_found("never seen"))
    }

    async fn get_spans(&self, _: Request<wire::GetSpansRequest>) -> Result<Response<wire::GetSpansReply>, Status> {
        Ok(Response::new(wire::GetSpansReply::default()))
    }

    async fn get_attribution(
        &self,
        _: Request<wire::AttributionRequest>,
    ) -> Result<Response<wire::AttributionReply>, Status> {
        Ok(Response::new(wire::AttributionReply::default()))
    }

    async fn get_services(&self, _: Request<wire::ServicesRequest>) -> Result<Response<wire::ServicesReply>, Status> {
        Ok(Response::new(wire::ServicesReply::default()))
    }

    async fn get_balance(&self, _: Request<wire::BalanceRequest>) -> Result<Response<wire::BalanceReply>, Status> {
        Ok(Response::new(wire::BalanceReply::default()))
    }

    async fn get_breakers(&self, _: Request<wire::BreakersRequest>) -> Result<Response<wire::BreakersReply>, Status> {
        Ok(Response::new(wire::BreakersReply::default()))
    }

    async fn get_refusals(&self, _: Request<wire::RefusalsRequest>) -> Result<Response<wire::RefusalsReply>, Status> {
        Ok(Response::new(wire::RefusalsReply::default()))
    }

    async fn get_stats(&self, _: Request<wire::StatsRequest>) -> Result<Response<wire::StatsReply>, Status> {
        Ok(Response::new(wire::StatsReply::default()))
    }

    async fn get_alerts(&self, _: Request<wire::AlertsRequest>) -> Result<Response<wire::AlertsReply>, Status> {
        Ok(Response::new(wire::AlertsReply::default()))
    }

    async fn list_logs(&self, _: Request<wire::ListLogsRequest>) -> Result<Response<wire::ListLogsReply>, Status> {
        Ok(Response::new(wire::ListLogsReply::default()))
    }

    async fn list_events(
        &self,
        _: Request<wire::ListEventsRequest>,
    ) -> Result<Response<wire::ListEventsReply>, Status> {
        Ok(Response::new(wire::ListEventsReply::default()))
    }
}

async fn serve(collector: Collector) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    let server = tonic::transport::Server::builder().add_service(ConsoleServer::new(collector));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

fn options(address: SocketAddr) -> Options {
    Options { color: ColorChoice::Never, ascii: Some(true), ..Options::new(address.to_string()) }
}

#[tokio::test]
async fn a_picture_shows_what_the_collector_says() {
    let address = serve(Collector::default()).await;
    let picture = tui::capture(options(address), (100, 30), Screen::Overview, Format::Text).await.expect("it answers");
    assert!(picture.contains("drill") && picture.contains("40/s"), "{picture}");
    assert!(picture.contains("0 of 400"), "{picture}");
    assert!(!picture.contains('\x1b'), "an escape sequence reached the screen");
}

#[tokio::test]
async fn a_refused_query_points_at_its_mistake() {
    let address = serve(Collector::default()).await;
    let picture = tui::capture(options(address), (80, 24), Screen::Traces, Format::Text).await.expect("it answers");
    assert!(picture.contains("there is no field `foo`"), "{picture}");
}

#[tokio::test]
async fn lines_go_on_where_the_stream_broke() {
    let collector = Collector::default();
    let (asked, resumed) = (Arc::clone(&collector.asked), Arc::clone(&collector.resumed));
    let address = serve(collector).await;
    let mut out = Vec::new();
    let summary = tui::lines(options(address), &mut out, resumed.notified()).await.expect("lines are written");
    let text = String::from_utf8(out).expect("lines are text");
    assert!(text.contains("lost the collector") && text.contains("fault began: latency pay-rpc/1"), "{text}");
    assert_eq!(*asked.lock().expect("no test panics while it holds the list"), [0, 5]);
    assert_eq!(summary.requests, 21 * 40);
}

#[tokio::test]
async fn nobody_there_is_said_with_the_command_that_mends_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    drop(listener);
    let error =
        tui::capture(options(address), (80, 24), Screen::Overview, Format::Text).await.expect_err("nobody answers");
    assert!(matches!(error, TuiError::Unreachable { .. }) && error.to_string().contains("mallctl up"), "{error}");
}
