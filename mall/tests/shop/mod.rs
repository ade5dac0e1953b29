//! A whole shop in one process: three services and a gateway on loopback, over databases in a temporary folder.

#![allow(dead_code, reason = "every test uses its own part")]

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use mall::config::{Role, Secret, ServiceConfig};
use mall::context::ServiceContext;
use mall::discovery::{Endpoint, Static};
use mall::rpc::server::{Governed, Policy};
use mall::seed::Seed;
use mall::store::{DataSources, prepare};
use mall::telemetry::Meters;
use mall::verify::{Report, Snapshot};
use mall::{gateway, listener, order, pay, user};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tower::ServiceExt;

/// Secret of the gateway's tokens.
pub const SECRET: &str = "a secret of tests";
/// Longest wait for anything that must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Migrated and seeded databases in a folder that lives as long as this.
pub struct Data {
    pub folder: tempfile::TempDir,
    pub sources: DataSources,
    pub id: String,
}

impl Data {
    /// A small shop: 10 users, 5 products, this many pieces of each.
    pub async fn with_stock(stock: i64) -> Self {
        let data = Self::unprepared(DataSources::in_folder);
        let id = prepare(&data.sources, &Seed { users: 10, products: 5, stock }).await.expect("prepares");
        Self { id, ..data }
    }

    /// Places for databases, by a folder of their own, in which nothing is yet.
    pub fn unprepared(sources: impl FnOnce(&std::path::Path) -> DataSources) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        Self { sources: sources(folder.path()), folder, id: String::new() }
    }

    /// What is stored now.
    pub async fn snapshot(&self) -> Snapshot {
        Snapshot::read(&self.sources).await.expect("reads")
    }

    /// Waits until nothing is pending, then judges.
    pub async fn verify(&self) -> Report {
        mall::verify::run(&self.folder.path().join("history"), &self.sources, PATIENCE).await.expect("judges")
    }
}

/// A running shop.
pub struct Shop {
    pub data: Data,
    running: Running,
    pub address: String,
    pub gateway: ServiceContext,
    http: reqwest::Client,
}

/// Ends the services when it is dropped.
struct Running {
    services: Vec<ServiceContext>,
    stop: CancellationToken,
}

/// An answer of the gateway.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub body: Value,
}

impl Shop {
    /// Starts everything, with this much stock of each product.
    pub async fn start(stock: i64) -> Self {
        Self::start_with(Data::with_stock(stock).await, &Role::RPC, |_| {}).await
    }

    /// Starts some services over given data; `configure` sees the gateway's configuration.
    pub async fn start_with(data: Data, roles: &[Role], configure: impl FnOnce(&mut ServiceConfig)) -> Self {
        let stop = CancellationToken::new();
        let list = Static::new();
        let mut services = Vec::new();
        for role in roles {
            let (context, endpoint) = serve(*role, &data.sources, &list, &stop).await;
            list.set(role.name(), vec![endpoint]);
            services.push(context);
        }
        let mut config = ServiceConfig::new(Role::Gateway.name());
        config.auth.access_secret = Secret::new(SECRET);
        configure(&mut config);
        let gateway = ServiceContext::new(config, Meters::disabled(), Arc::new(list.clone()));
        let router = gateway::router(&gateway).expect("its limits can work");
        for role in roles {
            tokio::time::timeout(PATIENCE, gateway.client(role.name()).ready()).await.expect("a replica connects");
        }
        let service =
            router.map_request(|request: http::Request<hyper::body::Incoming>| request.map(axum::body::Body::new));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        tokio::spawn(listener::serve(listener, service, stop.clone()));
        Self { data, running: Running { services, stop }, address, gateway, http: reqwest::Client::new() }
    }

    /// Stops everything but the data, which lives on.
    pub fn stop(self) -> Data {
        self.data
    }

    /// The context of a running service, for its faults.
    pub fn service(&self, role: Role) -> &ServiceContext {
        self.running.services.iter().find(|context| context.config().name == role.name()).expect("runs")
    }

    /// Sends a request and reads the answer as JSON.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = self.http.request(method, format!("http://{}{path}", self.address)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.expect("a body");
        Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }

    /// A GET, with a token unless it is empty.
    pub async fn get(&self, path: &str, token: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        self.send(Method::GET, path, if token.is_empty() { &[] } else { &headers }, Vec::new()).await
    }

    /// A POST of JSON without a token.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[], body.to_string().into_bytes()).await
    }

    /// Orders `items` under a key.
    pub async fn order(&self, token: &str, key: &str, items: Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
        let body = json!({ "items": items }).to_string().into_bytes();
        self.send(Method::POST, "/api/order/create", &headers, body).await
    }

    /// The token of a seeded user.
    pub async fn login(&self, number: u64) -> String {
        let mobile = (13_800_000_000 + number).to_string();
        let answer = self.post("/api/user/login", json!({ "mobile": mobile, "password": mall::seed::PASSWORD })).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.body["access_token"].as_str().expect("a token").to_owned()
    }

    /// Asks until the order has this status.
    pub async fn wait_for_status(&self, token: &str, order_id: i64, status: &str) {
        let settled = async {
            while self.get(&format!("/api/order/detail?id={order_id}"), token).await.body["status"] != status {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("the order gets there");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        for context in &self.services {
            context.stop().cancel();
        }
    }
}

async fn serve(
    role: Role,
    sources: &DataSources,
    list: &Static,
    stop: &CancellationToken,
) -> (ServiceContext, Endpoint) {
    let mut config = ServiceConfig::new(role.name());
    config.mall.instance = format!("{role}/1");
    config.data_source = match role {
        Role::UserRpc => sources.user.clone(),
        Role::OrderRpc => sources.order.clone(),
        _ => sources.pay.clone(),
    }
    .into();
    let context = ServiceContext::new(config, Meters::disabled(), Arc::new(list.clone()));
    let routes: Routes = match role {
        Role::UserRpc => user::routes(&context).await,
        Role::OrderRpc => order::routes(&context).await,
        _ => pay::routes(&context).await,
    }
    .expect("opens its database");
    let policy = Policy::of(&context, Some(Duration::from_secs(10)));
    let service = Governed::new(routes.prepare(), policy)
        .map_request(|request: http::Request<hyper::body::Incoming>| request.map(tonic::body::Body::new));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = Endpoint::new(format!("{role}/1"), listener.local_addr().expect("bound").to_string());
    tokio::spawn(listener::serve(listener, service, stop.clone()));
    (context, endpoint)
}
