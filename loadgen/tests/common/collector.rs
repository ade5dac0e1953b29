//! A collector that takes spans and drives runs, and remembers both.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use collector_api::console::runs_server::{Runs, RunsServer};
use collector_api::console::{
    Cohort, CommandReply, CommandRequest, Event, Join, RunAccepted, RunCell, RunCommand, RunDown, RunSettled, RunUp,
    Segment, run_down, run_up,
};
use loadgen::CollectorAddress;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

/// What was said to it.
#[derive(Debug, Default)]
pub struct Seen {
    pub spans: Vec<Span>,
    pub cells: Vec<RunCell>,
    pub phases: Vec<String>,
    pub finished: Vec<u64>,
    pub tokens: Vec<String>,
    /// Refuse so many exports first.
    pub refuse: u32,
    /// Sent down with the first tick.
    pub command: Option<RunCommand>,
}

/// A running collector.
#[derive(Clone)]
pub struct Collector {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Collector {
    /// Serves both services on one port.
    pub async fn serve() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let collector = Self { address: listener.local_addr().expect("bound"), seen: Arc::default() };
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .add_service(RunsServer::new(collector.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        collector
    }

    pub fn address(&self, token: &str) -> CollectorAddress {
        CollectorAddress { otlp_grpc: self.address, console: self.address, token: Some(token.to_owned()) }
    }

    pub fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut seen = self.seen();
        if seen.refuse > 0 {
            seen.refuse -= 1;
            return Err(Status::unavailable("not yet"));
        }
        let resources = request.into_inner().resource_spans;
        seen.spans
            .extend(resources.into_iter().flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl Runs for Collector {
    type DriveStream = ReceiverStream<Result<RunDown, Status>>;

    async fn drive(&self, request: Request<Streaming<RunUp>>) -> Result<Response<Self::DriveStream>, Status> {
        let token = request.metadata().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        self.seen().tokens.push(token.to_owned());
        let mut up = request.into_inner();
        let (down, answer) = mpsc::channel(16);
        let collector = self.clone();
        tokio::spawn(async move {
            while let Ok(Some(message)) = up.message().await {
                if let Some(reply) = collector.hear(message.up)
                    && down.send(Ok(RunDown { down: Some(reply) })).await.is_err()
                {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(answer)))
    }

    async fn command(&self, _: Request<CommandRequest>) -> Result<Response<CommandReply>, Status> {
        Err(Status::unimplemented("not asked here"))
    }
}

impl Collector {
    fn hear(&self, up: Option<run_up::Up>) -> Option<run_down::Down> {
        let mut seen = self.seen();
        match up? {
            run_up::Up::Start(_) => Some(run_down::Down::Accepted(RunAccepted::default())),
            run_up::Up::Tick(tick) => {
                seen.cells.push(tick.cell.unwrap_or_default());
                seen.command.take().map(run_down::Down::Command)
            }
            run_up::Up::Phase(phase) => {
                seen.phases.push(phase.phase);
                None
            }
            run_up::Up::Finish(finish) => {
                seen.finished.push(finish.sampled);
                Some(run_down::Down::Settled(settled(seen.spans.len() as u64)))
            }
        }
    }
}

fn settled(spans: u64) -> RunSettled {
    let segment = |kind: &str, sum_ns| Segment { kind: kind.to_owned(), sum_ns, ..Segment::default() };
    RunSettled {
        join: Some(Join { sampled: spans, joined: spans, ..Join::default() }),
        cohorts: vec![Cohort {
            name: "p0-50".into(),
            count: 2,
            sum_ns: 2_001_000,
            segments: vec![segment("self", 1_000_500), segment("network", 1_000_500)],
            ..Cohort::default()
        }],
        events: vec![Event { kind: "fault".into(), detail: "error pay-rpc/1".into(), ..Event::default() }],
        ..RunSettled::default()
    }
}
