//! Discovery in Consul, against a contract server of ours: no real Consul was run. See `consul/contract.rs`.

#[path = "consul/contract.rs"]
mod contract;

use contract::Contract;
use mall::config::{Consul, RpcClient, Secret, ServiceConfig};
use mall::discovery::{self, Announced, Announcement, Discovery, Endpoint};
use mall::telemetry::Meters;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(40);
const ID: &str = "shop-pay-rpc-127.0.0.1-7001";

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    (listener, address)
}

/// Discovery that announces a replica of pay-rpc at the agent and finds pay-rpc there.
fn at(host: &str, token: &str) -> Arc<dyn Discovery> {
    let consul = Consul { host: host.to_owned(), key: "shop-pay-rpc".to_owned(), token: Secret::new(token) };
    let mut config = ServiceConfig::new("pay-rpc");
    config.consul = Some(consul.clone());
    config.pay_rpc = Some(RpcClient { consul: Some(consul), ..RpcClient::default() });
    discovery::of(&config, &Meters::disabled()).expect("a valid configuration")
}

fn replica() -> Endpoint {
    Endpoint::new("pay-rpc/1", "127.0.0.1:7001")
}

async fn announce(discovery: &Arc<dyn Discovery>) -> Announced {
    let announcement = Announcement { service: "pay-rpc".to_owned(), endpoint: replica(), admin: String::new() };
    in_time(discovery.announce(announcement)).await
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("in time")
}

async fn found(watch: &mut watch::Receiver<Vec<Endpoint>>, endpoints: &[Endpoint]) {
    in_time(watch.wait_for(|list| *list == endpoints)).await.expect("the watch lives");
}

#[tokio::test]
async fn who_registers_is_found_by_name_until_it_withdraws() {
    let contract = Contract::new(None);
    let (listener, address) = listen().await;
    contract.start(listener);
    let discovery = at(&address, "");
    let mut watch = discovery.watch("pay-rpc");
    let announced = announce(&discovery).await;
    assert_eq!(contract.registered(), [ID]);
    found(&mut watch, &[replica()]).await;
    announced.withdraw().await;
    assert!(contract.registered().is_empty());
    found(&mut watch, &[]).await;
    assert_eq!(contract.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_check_that_ended_is_found_no_more_until_it_passes_again() {
    let contract = Contract::new(None);
    let (listener, address) = listen().await;
    contract.start(listener);
    let discovery = at(&address, "");
    let mut watch = discovery.watch("pay-rpc");
    let announced = announce(&discovery).await;
    found(&mut watch, &[replica()]).await;
    contract.end_ttl(ID);
    found(&mut watch, &[]).await;
    found(&mut watch, &[replica()]).await;
    assert!(contract.passes() > 0);
    announced.withdraw().await;
    assert_eq!(contract.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn an_agent_that_forgot_everything_is_told_again_and_nobody_is_lost_meanwhile() {
    let contract = Contract::new(None);
    let (listener, address) = listen().await;
    contract.start(listener);
    let discovery = at(&address, "");
    let mut watch = discovery.watch("pay-rpc");
    let announced = announce(&discovery).await;
    found(&mut watch, &[replica()]).await;
    let mut index = contract.changes();
    contract.forget();
    let again = async {
        while contract.registered().is_empty() {
            index.changed().await.expect("the agent lives");
        }
    };
    in_time(again).await;
    assert!(!watch.has_changed().expect("the watch lives"), "the index fell: what is missing may come back");
    announced.withdraw().await;
    assert_eq!(contract.violations(), [format!("404 Not Found: Unknown check ID \"service:{ID}\".")]);
}

#[tokio::test]
async fn a_lost_agent_leaves_the_last_known_endpoints() {
    let contract = Contract::new(None);
    let (listener, address) = listen().await;
    let stop = contract.start(listener);
    let discovery = at(&address, "");
    let mut watch = discovery.watch("pay-rpc");
    let announced = announce(&discovery).await;
    found(&mut watch, &[replica()]).await;
    stop.cancel();
    let changed = tokio::time::timeout(Duration::from_secs(1), watch.changed()).await;
    assert!(changed.is_err(), "nothing may change");
    let listening = async {
        loop {
            match TcpListener::bind(&address).await {
                Ok(listener) => return listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    contract.start(in_time(listening).await);
    announced.withdraw().await;
    found(&mut watch, &[]).await;
}

#[tokio::test]
async fn a_token_opens_what_is_closed() {
    let contract = Contract::new(Some("t0ken"));
    let (listener, address) = listen().await;
    contract.start(listener);
    let stranger = at(&address, "");
    let refused = tokio::time::timeout(Duration::from_secs(1), announce(&stranger)).await;
    assert!(refused.is_err(), "nobody registers without the token");
    assert!(contract.violations().iter().all(|one| one == "403 Forbidden: Permission denied"));
    let known = at(&address, "t0ken");
    let mut watch = known.watch("pay-rpc");
    let announced = announce(&known).await;
    found(&mut watch, &[replica()]).await;
    announced.withdraw().await;
}

/// The contract is worth nothing if it lets mistakes pass.
#[tokio::test]
async fn the_contract_refuses_what_consul_refuses() {
    let contract = Contract::new(None);
    let (listener, address) = listen().await;
    contract.start(listener);
    let http = Client::new();
    let put = async |service: Value| {
        let url = format!("http://{address}/v1/agent/service/register");
        http.put(url).json(&service).send().await.expect("answers").status()
    };
    let good = json!({
        "ID": "x-1", "Name": "x", "Address": "127.0.0.1", "Port": 1, "Check": { "TTL": "10s", "Status": "passing" },
    });
    assert_eq!(put(good.clone()).await, StatusCode::OK);
    let mistakes: [(&str, Value); 7] = [
        ("/Name", json!("")),
        ("/Port", json!("80")),
        ("/Address", json!("")),
        ("/Check", json!({})),
        ("/Check/TTL", json!("10")),
        ("/Check/Status", json!("fine")),
        ("/Check", json!({ "TTL": "10s", "Status": "passing", "DeregisterCriticalServiceAfter": "10s" })),
    ];
    for (place, value) in mistakes {
        let mut service = good.clone();
        *service.pointer_mut(place).expect("stands there") = value.clone();
        assert_eq!(put(service).await, StatusCode::BAD_REQUEST, "{place} = {value}");
    }
    let mut unknown = good.clone();
    unknown["Host"] = json!("127.0.0.1");
    assert_eq!(put(unknown).await, StatusCode::BAD_REQUEST, "an unknown field");

    let get = async |path: &str| http.get(format!("http://{address}{path}")).send().await.expect("answers").status();
    assert_eq!(get("/v1/health/service/x?passing=true").await, StatusCode::OK);
    for path in ["?passing=maybe", "?index=0&wait=1s", "?index=5", "?index=x&wait=1s", "?index=5&wait=1", "?near=x"] {
        assert_eq!(get(&format!("/v1/health/service/x{path}")).await, StatusCode::BAD_REQUEST, "{path}");
    }
    assert_eq!(get("/v1/agent/service/register").await, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(get("/v2/health/service/x").await, StatusCode::NOT_FOUND);
}
