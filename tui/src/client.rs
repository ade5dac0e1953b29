//! The console's end of the wire: one lazy channel, questions as calls, and one stream that never gives up.

use std::time::Duration;

use collector_api::console as wire;
use collector_api::console::console_client::ConsoleClient;
use collector_api::console::runs_client::RunsClient;
use mall_api::control;
use mall_api::control::control_client::ControlClient;
use tokio::sync::mpsc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::TuiError;
use crate::model::data::SECOND_NS;
use crate::msg::{Answer, Ask, Change, Msg};

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(10);

/// First and longest wait between tries to connect.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How far back the first delta reaches, seconds.
const HISTORY_S: u32 = 300;

/// A connection that is made when it is needed, and made again when it broke.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    token: Option<MetadataValue<Ascii>>,
}

impl Client {
    /// A client for `host:port`. Nothing is connected yet.
    pub fn new(address: &str, token: Option<&str>) -> Result<Self, TuiError> {
        let wrong = || TuiError::Address { address: address.to_owned() };
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|_| wrong())?;
        let channel = endpoint.connect_timeout(Duration::from_secs(2)).tcp_nodelay(true).connect_lazy();
        let token = token.map(|token| format!("Bearer {token}").parse()).transpose().map_err(|_| wrong())?;
        Ok(Self { channel, token })
    }

    fn console(&self) -> ConsoleClient<Channel> {
        ConsoleClient::new(self.channel.clone()).max_decoding_message_size(collector_api::MAX_MESSAGE_BYTES)
    }

    fn control(&self) -> ControlClient<Channel> {
        ControlClient::new(self.channel.clone()).max_decoding_message_size(mall_api::MAX_MESSAGE_BYTES)
    }

    fn signed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        request
    }

    /// Asks who answers.
    pub async fn hello(&self) -> Result<wire::HelloReply, Status> {
        let request = wire::HelloRequest { protocol: collector_api::PROTOCOL };
        Ok(within(self.console().hello(request)).await?.into_inner())
    }

    /// Asks a question.
    pub async fn answer(&self, ask: Ask) -> Result<Answer, Status> {
        let mut console = self.console();
        Ok(match ask {
            Ask::Attribution { end_s } => {
                let at_ns = end_s.unwrap_or(0).saturating_mul(SECOND_NS);
                let request = wire::AttributionRequest { at_ns, window_s: 10, slowest: 0.01, ..Default::default() };
                let cohort = within(console.get_attribution(request)).await?.into_inner().cohort;
                Answer::Attribution { end_s, cohort }
            }
            Ask::Traces { generation, request } => {
                Answer::Traces { generation, reply: within(console.list_traces(request)).await?.into_inner() }
            }
            Ask::Trace(trace_id) => {
                let request = wire::GetTraceRequest { trace_id, at_ns: 0 };
                Answer::Trace(Box::new(within(console.get_trace(request)).await?.into_inner()))
            }
            Ask::Spans { trace_id, span_ids } => {
                let request = wire::GetSpansRequest { trace_id: trace_id.clone(), span_id: span_ids };
                Answer::Spans { trace_id, reply: within(console.get_spans(request)).await?.into_inner() }
            }
            Ask::Logs(trace_id) => {
                let request = wire::ListLogsRequest { trace_id: trace_id.clone(), limit: 500, ..Default::default() };
                Answer::Logs { trace_id, reply: within(console.list_logs(request)).await?.into_inner() }
            }
            Ask::Services => {
                Answer::Services(within(console.get_services(wire::ServicesRequest::default())).await?.into_inner())
            }
            Ask::Balance => {
                Answer::Balance(within(console.get_balance(wire::BalanceRequest::default())).await?.into_inner())
            }
            Ask::Breakers => {
                Answer::Breakers(within(console.get_breakers(wire::BreakersRequest::default())).await?.into_inner())
            }
            Ask::Refusals => {
                Answer::Refusals(within(console.get_refusals(wire::RefusalsRequest::default())).await?.into_inner())
            }
            Ask::Alerts => {
                Answer::Alerts(within(console.get_alerts(wire::AlertsRequest::default())).await?.into_inner())
            }
        })
    }

    /// Makes a change; the answer says in words what was done.
    pub async fn change(&self, change: Change) -> Result<String, Status> {
        let mut control = self.control();
        match change {
            Change::AddFault(fault) => {
                let fault = within(control.add_fault(self.signed(fault))).await?.into_inner();
                Ok(format!("fault {}: {} {}, ends by itself", fault.id, fault.kind, fault.target))
            }
            Change::ClearFaults(ids) => {
                let request = self.signed(control::ClearFaultsRequest { ids });
                let cleared = within(control.clear_faults(request)).await?.into_inner().faults;
                let request = self.signed(control::ListFaultsRequest {});
                let left = within(control.list_faults(request)).await?.into_inner().faults;
                Ok(cleared_words(&cleared, left.len()))
            }
            Change::Restart { service, replica } => {
                let request = self.signed(control::RestartRequest { service, replica });
                let restarted = within(control.restart(request)).await?.into_inner().restarted;
                Ok(format!("restarted {}", restarted.join(", ")))
            }
            Change::Load { run_id, command } => {
                let command = Some(wire::RunCommand { command: Some(command) });
                let request = self.signed(wire::CommandRequest { run_id, command });
                within(RunsClient::new(self.channel.clone()).command(request)).await?;
                Ok("the load run was told".to_owned())
            }
        }
    }
}

async fn within<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    tokio::time::timeout(ANSWER, call).await.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer within 10 s")))
}

/// What went, and how much stays: `cleared f2, 0 left in force`.
fn cleared_words(cleared: &[control::Fault], left: usize) -> String {
    let ids: Vec<&str> = cleared.iter().map(|fault| fault.id.as_str()).collect();
    let what = if ids.is_empty() { "nothing".to_owned() } else { ids.join(", ") };
    format!("cleared {what}, {left} left in force")
}

/// What a refusal says to people.
pub fn words(status: &Status) -> String {
    if status.message().is_empty() { status.code().to_string() } else { status.message().to_owned() }
}

/// Follows a collector until nobody listens to the messages any more: introduces itself, streams deltas and, where a
/// supervisor answers, its status; after a break it tries again with growing pauses and resumes where it was.
pub async fn follow(client: Client, messages: mpsc::Sender<Msg>) {
    let mut position = Position::default();
    let mut pause = BACK_OFF.0;
    while !messages.is_closed() {
        let began = tokio::time::Instant::now();
        let Err(status) = session(&client, &messages, &mut position).await else { return };
        if messages.send(Msg::Lost(words(&status))).await.is_err() {
            return;
        }
        if began.elapsed() > BACK_OFF.1 {
            pause = BACK_OFF.0;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(BACK_OFF.1);
    }
}

/// Where to resume, and in which life of the collector.
#[derive(Debug, Default)]
struct Position {
    version: u64,
    started_unix_ns: u64,
}

/// One connection; `Ok` when nobody listens any more.
async fn session(client: &Client, messages: &mpsc::Sender<Msg>, position: &mut Position) -> Result<(), Status> {
    let hello = client.hello().await?;
    if hello.started_unix_ns != position.started_unix_ns {
        *position = Position { version: 0, started_unix_ns: hello.started_unix_ns };
    }
    let has_control = hello.has_control;
    if messages.send(Msg::Connected(Box::new(hello))).await.is_err() {
        return Ok(());
    }
    tokio::select! {
        ended = deltas(client, messages, position) => ended,
        () = statuses(client, messages), if has_control => Ok(()),
    }
}

async fn deltas(client: &Client, messages: &mpsc::Sender<Msg>, position: &mut Position) -> Result<(), Status> {
    let request = wire::WatchRequest { resume_version: position.version, history_s: HISTORY_S };
    let mut stream = within(client.console().watch(request)).await?.into_inner();
    while let Some(delta) = stream.message().await? {
        position.version = delta.version;
        if messages.send(Msg::Delta(Box::new(delta))).await.is_err() {
            return Ok(());
        }
    }
    Err(Status::unavailable("the collector closed the stream"))
}

/// The shop's processes; a supervisor that does not answer is asked again while the connection lasts. Ends only when
/// nobody listens any more.
async fn statuses(client: &Client, messages: &mpsc::Sender<Msg>) {
    loop {
        if let Ok(stream) = client.control().watch_status(client.signed(control::StatusRequest {})).await {
            let mut stream = stream.into_inner();
            while let Ok(Some(status)) = stream.message().await {
                if messages.send(Msg::Status(Box::new(status))).await.is_err() {
                    return;
                }
            }
        }
        if messages.is_closed() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clearing_says_what_went_and_how_much_stays() {
        let fault = |id: &str| control::Fault { id: id.to_owned(), ..Default::default() };
        assert_eq!(cleared_words(&[fault("f2")], 0), "cleared f2, 0 left in force");
        assert_eq!(cleared_words(&[fault("f1"), fault("f3")], 4), "cleared f1, f3, 4 left in force");
        assert_eq!(cleared_words(&[], 0), "cleared nothing, 0 left in force");
    }
}
