//! A service with a handler of the test's choice, on loopback, and what it takes to call it.

#![allow(dead_code, reason = "every test uses its own part")]

pub mod collector;
pub mod control;
pub mod gone;
pub mod roles;

use futures::future::BoxFuture;
use mall::config::{Role, Secret, ServiceConfig};
use mall::context::ServiceContext;
use mall::discovery::{Endpoint, Static};
use mall::listener;
use mall::rpc::server::{Governed, Policy};
use mall::rpc::{Client, admin_service};
use mall::telemetry::{Meters, span};
use mall_api::control::{Fault, FaultSet};
use mall_api::shop::user_client::UserClient;
use mall_api::shop::user_server::{User, UserServer};
use mall_api::shop::{GetUserRequest, LoginRequest, RegisterRequest, UserInfo};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tower::ServiceExt;

/// What `GetUser` does.
pub type Handler = Arc<dyn Fn(GetUserRequest) -> BoxFuture<'static, Result<UserInfo, Status>> + Send + Sync>;

/// Token of every test stack.
pub const TOKEN: &str = "t0ken";

/// Makes a handler.
pub fn handler<F>(work: impl Fn(GetUserRequest) -> F + Send + Sync + 'static) -> Handler
where
    F: Future<Output = Result<UserInfo, Status>> + Send + 'static,
{
    Arc::new(move |request| Box::pin(work(request)))
}

/// A handler that answers with the asked id.
pub fn echo() -> Handler {
    handler(|request| async move { Ok(UserInfo { id: request.id, ..UserInfo::default() }) })
}

struct TestUser {
    handler: Handler,
}

#[tonic::async_trait]
impl User for TestUser {
    async fn register(&self, _: Request<RegisterRequest>) -> Result<Response<UserInfo>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn login(&self, _: Request<LoginRequest>) -> Result<Response<UserInfo>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn get_user(&self, request: Request<GetUserRequest>) -> Result<Response<UserInfo>, Status> {
        (self.handler)(request.into_inner()).await.map(Response::new)
    }
}

/// A fault that holds every request of `target` for this long.
pub fn latency(target: &str, delay: &str) -> FaultSet {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after the epoch").as_nanos() as u64;
    let params = ["p50", "p99"].map(|quantile| (quantile.to_owned(), delay.to_owned()));
    let fault = Fault {
        id: "f1".into(),
        kind: "latency".into(),
        target: target.into(),
        params: params.into_iter().collect(),
        for_ms: 600_000,
        begins_unix_ns: now,
        ends_unix_ns: now + 600_000_000_000,
        run_id: String::new(),
    };
    FaultSet { faults: vec![fault] }
}

/// A running replica.
pub struct Replica {
    pub context: ServiceContext,
    pub endpoint: Endpoint,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<()>,
}

impl Replica {
    /// Starts `user-rpc/<number>` with `handler`.
    pub async fn start(number: u32, handler: Handler) -> Self {
        Self::start_with(number, handler, Some(Duration::from_secs(2))).await
    }

    /// [`Replica::start`] with the server's own time limit.
    pub async fn start_with(number: u32, handler: Handler, timeout: Option<Duration>) -> Self {
        let mut config = ServiceConfig::new(Role::UserRpc.name());
        config.mall.instance = format!("user-rpc/{number}");
        config.mall.control.token = Secret::new(TOKEN);
        let context = ServiceContext::new(config, Meters::disabled(), Arc::new(Static::new()));
        let routes = Routes::new(UserServer::new(TestUser { handler })).add_service(admin_service(&context));
        let service = Governed::new(routes.prepare(), Policy::of(&context, timeout))
            .map_request(|request: http::Request<hyper::body::Incoming>| request.map(tonic::body::Body::new));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let stop = CancellationToken::new();
        let server = tokio::spawn(listener::serve(listener, service, stop.clone()));
        Self { context, endpoint: Endpoint::new(format!("user-rpc/{number}"), address), stop, server }
    }

    /// Stops in peace.
    pub async fn stop(self) {
        self.stop.cancel();
        self.server.await.expect("the server ends");
    }

    /// An address that refuses every connection: bound, then released.
    pub async fn dead(number: u32) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        Endpoint::new(format!("user-rpc/{number}"), address)
    }
}

/// A caller of `user-rpc` with its own breakers.
pub struct Caller {
    pub context: ServiceContext,
    pub list: Static,
    pub client: Client,
}

impl Caller {
    /// A caller that knows `endpoints`; resolves when `connected` of them are.
    pub async fn new(endpoints: Vec<Endpoint>, connected: usize) -> Self {
        let list = Static::new();
        list.set("user-rpc", endpoints);
        let mut config = ServiceConfig::new("gateway");
        config.mall.seed = 7;
        let context = ServiceContext::new(config, Meters::disabled(), Arc::new(list.clone()));
        let client = context.client("user-rpc");
        let caller = Self { context, list, client };
        caller.wait_connected(connected).await;
        caller
    }

    /// Waits until exactly `count` replicas are connected.
    pub async fn wait_connected(&self, count: usize) {
        let mut connected = self.client.connected_replicas();
        let waiting = connected.wait_for(|now| *now == count);
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("in time").expect("the balancer lives");
    }

    /// Calls `GetUser`.
    pub async fn get(&self, id: i64) -> Result<UserInfo, Status> {
        UserClient::new(self.client.clone()).get_user(GetUserRequest { id }).await.map(Response::into_inner)
    }

    /// Calls `GetUser` with a deadline that the call itself meets: the surrounding scope outlives it.
    pub async fn get_within(&self, limit: Duration) -> Result<UserInfo, Status> {
        let mut request = Request::new(GetUserRequest { id: 1 });
        request.set_timeout(limit);
        UserClient::new(self.client.clone()).get_user(request).await.map(Response::into_inner)
    }

    /// Picks of each replica, by instance.
    pub fn picks(&self) -> Vec<(String, u64)> {
        let state = self.client.balancer().state();
        state.connections.into_iter().map(|one| (one.instance, one.picks)).collect()
    }
}

/// Every span that ended in this process, once [`record_spans`] was called.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    spans: Arc<Mutex<Vec<SpanData>>>,
}

impl Recorded {
    /// Every span, in the order in which they ended.
    pub fn all(&self) -> Vec<SpanData> {
        self.spans.lock().expect("not poisoned").clone()
    }

    /// The spans of one trace, in the order in which they ended.
    pub fn of_trace(&self, trace_id: opentelemetry::TraceId) -> Vec<SpanData> {
        let spans = self.spans.lock().expect("not poisoned");
        spans.iter().filter(|span| span.span_context.trace_id() == trace_id).cloned().collect()
    }
}

impl SpanProcessor for Recorded {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        self.spans.lock().expect("not poisoned").push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Records every span of this process from now on.
pub fn record_spans() -> Recorded {
    static RECORDED: OnceLock<Recorded> = OnceLock::new();
    RECORDED
        .get_or_init(|| {
            let recorded = Recorded::default();
            let provider = SdkTracerProvider::builder().with_span_processor(recorded.clone()).build();
            span::install(provider.tracer("test"));
            recorded
        })
        .clone()
}

/// The string form of a span's attribute.
pub fn attribute(span: &SpanData, key: &str) -> Option<String> {
    span.attributes.iter().find(|one| one.key.as_str() == key).map(|one| one.value.to_string())
}
