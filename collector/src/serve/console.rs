//! Queries and subscriptions of consoles.

use std::net::SocketAddr;
use std::sync::Arc;

use collector_api::PROTOCOL;
use collector_api::console::console_server::Console;
use collector_api::console::{
    AlertsReply, AlertsRequest, AttributionReply, AttributionRequest, BalanceReply, BalanceRequest, BreakersReply,
    BreakersRequest, Delta, GetSpansReply, GetSpansRequest, GetTraceRequest, HelloReply, HelloRequest, ListEventsReply,
    ListEventsRequest, ListLogsReply, ListLogsRequest, ListTracesReply, ListTracesRequest, RefusalsReply,
    RefusalsRequest, ServicesReply, ServicesRequest, StatsReply, StatsRequest, Trace, TraceOrder, TraceSummary,
    WatchRequest,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{columns, details, watch};
use crate::analysis::candidates;
use crate::hub::Hub;
use crate::model::TraceId;
use crate::query;
use crate::store::{Absence, Listing, LogQuery, Order, Spans};

/// Traces of a list that asks for none in particular.
const DEFAULT_TRACES: usize = 100;

/// Traces and log records of one answer.
const MOST: usize = 1_000;

/// Log records of a list that asks for none in particular.
const DEFAULT_LOGS: usize = 200;

/// What a collector says of itself.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Name of the stack.
    pub stack: String,
    /// Version of the program.
    pub version: &'static str,
    /// Where OTLP over gRPC is received.
    pub otlp_grpc: SocketAddr,
    /// Where OTLP over HTTP is received.
    pub otlp_http: SocketAddr,
    /// Addresses that another machine or a container can reach.
    pub reachable: Vec<String>,
    /// Whether Control is answered on the same port.
    pub has_control: bool,
    /// Name of the rule set.
    pub rules_profile: String,
    /// Secret that changes need.
    pub token: Option<String>,
}

/// The service.
pub struct ConsoleService {
    hub: Arc<Hub>,
    identity: Identity,
    stop: CancellationToken,
}

impl ConsoleService {
    /// A service over a hub; its streams end with `stop`.
    pub fn new(hub: Arc<Hub>, identity: Identity, stop: CancellationToken) -> Self {
        Self { hub, identity, stop }
    }

    fn spans_of(&self, trace_id: &[u8]) -> Result<(TraceId, Spans), Status> {
        let id = TraceId::from_bytes(trace_id)
            .ok_or_else(|| Status::invalid_argument("trace_id must be 16 bytes that are not all zero"))?;
        match self.hub.traces().get(id) {
            Some(spans) => Ok((id, spans)),
            None => Err(Status::not_found(match self.hub.traces().absence(id) {
                Some(Absence::Evicted) => format!("trace {id} was seen and had to make room: it is not kept any more"),
                Some(Absence::SampledOut) => {
                    format!("trace {id} was seen and counted, but not kept: give --keep a greater ratio")
                }
                None => format!("trace {id} was never seen"),
            })),
        }
    }
}

#[tonic::async_trait]
impl Console for ConsoleService {
    async fn hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let asked = request.into_inner().protocol;
        if asked > PROTOCOL {
            return Err(Status::failed_precondition(format!(
                "this collector speaks protocol {PROTOCOL}, the console {asked}: use the same version of mallctl"
            )));
        }
        let identity = &self.identity;
        Ok(Response::new(HelloReply {
            protocol: PROTOCOL,
            version: identity.version.to_owned(),
            stack: identity.stack.clone(),
            now_unix_ns: self.hub.now_ns(),
            started_unix_ns: self.hub.started_ns(),
            otlp_grpc: identity.otlp_grpc.to_string(),
            otlp_http: identity.otlp_http.to_string(),
            reachable: identity.reachable.clone(),
            has_control: identity.has_control,
        }))
    }

    type WatchStream = ReceiverStream<Result<Delta, Status>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let deltas = watch::follow(Arc::clone(&self.hub), request.get_ref(), self.stop.clone());
        Ok(Response::new(ReceiverStream::new(deltas)))
    }

    async fn list_traces(&self, request: Request<ListTracesRequest>) -> Result<Response<ListTracesReply>, Status> {
        let request = request.into_inner();
        let query = query::parse(&request.query).map_err(|mistake| Status::invalid_argument(mistake.to_string()))?;
        let listing = Listing {
            limit: if request.limit == 0 { DEFAULT_TRACES } else { (request.limit as usize).min(MOST) },
            order: match request.order() {
                TraceOrder::Newest => Order::Newest,
                TraceOrder::Slowest => Order::Slowest,
            },
            from_ns: request.from_unix_ns,
            to_ns: match (request.to_unix_ns, request.at_ns) {
                (0, at) => at,
                (to, 0) => to,
                (to, at) => to.min(at),
            },
        };
        let hub = Arc::clone(&self.hub);
        // A filter looks at every span that is kept: not on a thread that serves others.
        let listed =
            tokio::task::spawn_blocking(move || hub.traces().list(&listing, |trace| query.matches(trace.spans)));
        let found = listed.await.map_err(|_| Status::internal("listing traces failed"))?;
        let stats = self.hub.traces().stats();
        Ok(Response::new(ListTracesReply {
            traces: found.traces.iter().map(TraceSummary::from).collect(),
            seen: stats.traces_seen,
            kept: stats.traces_kept,
            matched: found.matched,
            store: Some(stats),
        }))
    }

    async fn get_trace(&self, request: Request<GetTraceRequest>) -> Result<Response<Trace>, Status> {
        let (id, spans) = self.spans_of(&request.into_inner().trace_id)?;
        let summary = self.hub.traces().summary(id);
        let summary = summary.ok_or_else(|| Status::not_found(format!("trace {id} has just made room for others")))?;
        let replicas = self.hub.replicas(candidates(spans.iter().map(Arc::as_ref)));
        Ok(Response::new(columns::trace(id, &summary, &spans, &replicas)))
    }

    async fn get_spans(&self, request: Request<GetSpansRequest>) -> Result<Response<GetSpansReply>, Status> {
        let request = request.into_inner();
        let (_, spans) = self.spans_of(&request.trace_id)?;
        let is_asked = |id: u64| request.span_id.is_empty() || request.span_id.contains(&id);
        let asked = spans.iter().filter(|span| is_asked(span.span_id.as_u64()));
        Ok(Response::new(GetSpansReply { spans: asked.map(|span| details::span(span)).collect() }))
    }

    async fn get_attribution(
        &self,
        request: Request<AttributionRequest>,
    ) -> Result<Response<AttributionReply>, Status> {
        let request = request.into_inner();
        let reply = self.hub.attribution(&request);
        reply.map(Response::new).ok_or_else(|| Status::not_found(format!("no run {} is kept", request.run_id)))
    }

    async fn get_services(&self, request: Request<ServicesRequest>) -> Result<Response<ServicesReply>, Status> {
        let request = request.into_inner();
        Ok(Response::new(self.hub.services(request.at_ns, request.window_s)))
    }

    async fn get_balance(&self, request: Request<BalanceRequest>) -> Result<Response<BalanceReply>, Status> {
        let request = request.into_inner();
        Ok(Response::new(self.hub.balance(request.at_ns, request.window_s)))
    }

    async fn get_breakers(&self, request: Request<BreakersRequest>) -> Result<Response<BreakersReply>, Status> {
        let request = request.into_inner();
        Ok(Response::new(self.hub.breakers(request.at_ns, request.window_s)))
    }

    async fn get_refusals(&self, request: Request<RefusalsRequest>) -> Result<Response<RefusalsReply>, Status> {
        let request = request.into_inner();
        Ok(Response::new(self.hub.refusals(request.at_ns, request.window_s)))
    }

    async fn get_stats(&self, _request: Request<StatsRequest>) -> Result<Response<StatsReply>, Status> {
        Ok(Response::new(StatsReply {
            receiver: Some(self.hub.receiver_stats()),
            store: Some(self.hub.store_stats()),
            coverage: self.hub.coverage(),
        }))
    }

    async fn get_alerts(&self, _request: Request<AlertsRequest>) -> Result<Response<AlertsReply>, Status> {
        Ok(Response::new(self.hub.alert_list(&self.identity.rules_profile)))
    }

    async fn list_logs(&self, request: Request<ListLogsRequest>) -> Result<Response<ListLogsReply>, Status> {
        let request = request.into_inner();
        let trace_id =
            match request.trace_id.as_slice() {
                [] => None,
                bytes => Some(TraceId::from_bytes(bytes).ok_or_else(|| {
                    Status::invalid_argument("trace_id must be empty or 16 bytes that are not all zero")
                })?),
            };
        let query = LogQuery {
            service: &request.service,
            trace_id,
            min_severity: request.min_severity,
            limit: if request.limit == 0 { DEFAULT_LOGS } else { (request.limit as usize).min(MOST) },
        };
        let (seen, dropped) = self.hub.logs().counts();
        let records = self.hub.logs().list(&query);
        Ok(Response::new(ListLogsReply {
            records: records.iter().map(|record| details::log(record)).collect(),
            seen,
            dropped,
        }))
    }

    async fn list_events(&self, request: Request<ListEventsRequest>) -> Result<Response<ListEventsReply>, Status> {
        let request = request.into_inner();
        Ok(Response::new(self.hub.event_list(&request.kind, request.from_unix_ns, request.to_unix_ns)))
    }
}
