//! What a client of the gateway is told when the shop refuses or fails: reason, place, and the honest status.

mod shop;
mod support;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use mall::config::Role;
use mall::context::ServiceContext;
use mall::rpc::Place;
use mall_api::control::{Fault, FaultSet};
use serde_json::json;
use shop::{Data, Shop};
use support::record_spans;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Puts a fault in force in one service for the rest of the test.
fn break_with(context: &ServiceContext, kind: &str, params: &[(&str, &str)]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after the epoch").as_nanos() as u64;
    let params = params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let fault = Fault {
        id: "f1".into(),
        kind: kind.into(),
        target: context.config().name.clone(),
        params,
        for_ms: 600_000,
        begins_unix_ns: now,
        ends_unix_ns: now + 600_000_000_000,
        run_id: String::new(),
    };
    context.faults().apply(&FaultSet { faults: vec![fault] }, SystemTime::now()).expect("a legal fault");
}

/// Rejections that every breaker of these processes counted, by place.
fn ledger(contexts: &[&ServiceContext]) -> BTreeMap<&'static str, u64> {
    let mut rejections = BTreeMap::new();
    for guard in contexts.iter().flat_map(|context| context.guards().all()) {
        *rejections.entry(guard.place().name()).or_default() += guard.totals().rejected;
    }
    rejections.retain(|_, count| *count > 0);
    rejections
}

#[tokio::test]
async fn what_clients_saw_equals_the_ledgers_of_the_breakers() {
    let shop = Shop::start(1_000_000).await;
    let token = shop.login(1).await;
    break_with(shop.service(Role::PayRpc), "error", &[("rate", "1")]);
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for number in 0..400 {
        let answer = shop.order(&token, &format!("k{number}"), json!([{ "product_id": 1, "quantity": 1 }])).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        if answer.body["reason"] == "breaker" {
            let place = answer.body["place"].as_str().expect("a breaker says where").to_owned();
            assert!(answer.body["name"].is_string(), "{answer:?}");
            // Only the route's breaker refuses before there is an order to name.
            assert_eq!(answer.body["order_id"].is_null(), place == "route", "{answer:?}");
            *seen.entry(place).or_default() += 1;
        } else {
            assert_eq!(answer.body["reason"], "downstream", "{answer:?}");
        }
    }
    let ledger: BTreeMap<String, u64> = ledger(&[&shop.gateway, shop.service(Role::PayRpc)])
        .into_iter()
        .map(|(place, count)| (place.to_owned(), count))
        .collect();
    assert!(seen.values().sum::<u64>() > 0, "breakers refuse when everything fails");
    assert_eq!(seen, ledger);
}

#[tokio::test]
async fn a_service_that_hangs_is_a_timeout() {
    let data = Data::with_stock(10).await;
    let shop = Shop::start_with(data, &Role::RPC, |config| config.timeout = Some(300)).await;
    break_with(shop.service(Role::OrderRpc), "latency", &[("p50", "30s"), ("p99", "30s")]);
    let answer = shop.get("/api/product/detail?id=1", "").await;
    assert_eq!((answer.status.as_u16(), &answer.body["reason"]), (504, &json!("timeout")), "{answer:?}");
    assert_eq!(answer.body["code"], 5004);
}

#[tokio::test]
async fn a_service_that_is_gone_is_downstream() {
    let data = Data::with_stock(10).await;
    let shop = Shop::start_with(data, &[Role::UserRpc], |_| {}).await;
    let answer = shop.get("/api/product/list", "").await;
    assert_eq!((answer.status.as_u16(), &answer.body["reason"]), (503, &json!("downstream")), "{answer:?}");
    assert_eq!(shop.get("/readyz", "").await.status, 503);
}

#[tokio::test]
async fn too_many_requests_at_once_are_refused() {
    let data = Data::with_stock(10).await;
    let shop = Shop::start_with(data, &Role::RPC, |config| config.max_conns = 1).await;
    break_with(shop.service(Role::OrderRpc), "latency", &[("p50", "500ms"), ("p99", "500ms")]);
    let recorded = record_spans();
    let (first, second) = tokio::join!(shop.get("/api/product/list", ""), shop.get("/api/product/list", ""));
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503]);
    let refused = if first.status == 503 { first } else { second };
    assert_eq!((&refused.body["reason"], &refused.body["code"]), (&json!("maxconns"), &json!(5003)));

    let trace = refused.headers["traceparent"].to_str().expect("text").split('-').nth(1).expect("a trace");
    let spans = recorded.of_trace(opentelemetry::TraceId::from_hex(trace).expect("hexadecimal"));
    let events: Vec<_> = spans.iter().flat_map(|span| span.events.iter()).collect();
    assert_eq!(events.iter().map(|event| &*event.name).collect::<Vec<_>>(), ["limiter.reject"]);
    let attributes: Vec<_> = events[0].attributes.iter().map(|one| (one.key.as_str(), one.value.to_string())).collect();
    assert_eq!(attributes, [("limiter", "max_connections".to_owned()), ("key", "route".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_still_sending_reads_why_its_body_is_refused() {
    let data = Data::with_stock(10).await;
    let shop = Shop::start_with(data, &[Role::UserRpc], |_| {}).await;
    let pieces = || stream::iter((0..32).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b' '; 64 << 10])))));
    let url = format!("http://{}/api/user/login", shop.address);
    for _ in 0..8 {
        let declared = reqwest::Body::from(vec![b' '; 2 << 20]);
        let chunked = reqwest::Body::wrap(StreamBody::new(pieces()));
        for body in [declared, chunked] {
            let response = reqwest::Client::new().post(&url).body(body).send().await.expect("an answer, not a reset");
            assert_eq!(response.status(), 413);
            let answer: serde_json::Value = response.json().await.expect("the shop's form");
            assert_eq!((&answer["code"], &answer["reason"]), (&json!(1004), &json!("invalid")), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_client_that_sends_everything_before_it_reads_is_answered() {
    let data = Data::with_stock(10).await;
    let shop = Shop::start_with(data, &[Role::UserRpc], |_| {}).await;
    let piece = vec![b' '; 64 << 10];
    let chunk = [b"10000\r\n".as_slice(), &piece, b"\r\n"].concat();
    let forms = [("content-length: 2097152", &piece, ""), ("transfer-encoding: chunked", &chunk, "0\r\n\r\n")];
    for (header, piece, end) in forms {
        let mut stream = tokio::net::TcpStream::connect(&shop.address).await.expect("connects");
        let head = format!("POST /api/user/login HTTP/1.1\r\nhost: shop\r\n{header}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("sends");
        for _ in 0..32 {
            stream.write_all(piece).await.expect("the gateway still reads");
            tokio::task::yield_now().await;
        }
        stream.write_all(end.as_bytes()).await.expect("the gateway still reads");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 413", "{header}");
    }
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_refused_at_once() {
    let data = Data::with_stock(10).await;
    let shop = Shop::start_with(data, &[Role::UserRpc], |_| {}).await;
    let mut stream = tokio::net::TcpStream::connect(&shop.address).await.expect("connects");
    let head = "POST /api/user/login HTTP/1.1\r\nhost: shop\r\ncontent-length: 2097152\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sends");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_fault_of_the_gateway_itself_stays_in_its_place() {
    let shop = Shop::start(10).await;
    break_with(&shop.gateway, "error", &[("rate", "1"), ("code", "INTERNAL")]);
    let answer = shop.get("/api/product/list", "").await;
    assert_eq!((answer.status.as_u16(), &answer.body["reason"]), (500, &json!("internal")), "{answer:?}");
    assert!(
        shop.gateway.guards().all().iter().any(|guard| guard.place() == Place::Route && guard.snapshot().total == 1)
    );
}
