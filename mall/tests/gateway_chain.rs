//! The order of what stands in front of a route, over sockets: who sees a refusal, and who does not.

mod shop;
mod support;

use std::io::Write as _;
use std::time::SystemTime;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use mall::config::{Role, Secret};
use mall::gateway::Tokens;
use mall::rpc::Place;
use mall::shed::Place as Gate;
use serde_json::json;
use shop::{Data, PATIENCE, SECRET, Shop};
use support::latency;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn shop() -> Shop {
    Shop::start_with(Data::with_stock(10).await, &[Role::UserRpc], |_| {}).await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("writes");
    encoder.finish().expect("ends")
}

/// A login of a seeded user, as JSON.
fn credentials() -> Vec<u8> {
    json!({ "mobile": "13800000001", "password": mall::seed::PASSWORD }).to_string().into_bytes()
}

/// Reads until the status line is there.
async fn status_line(stream: &mut TcpStream) -> String {
    let mut answer = [0; 12];
    let reading = tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer));
    reading.await.expect("in time").expect("an answer, not a reset");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_missing_token_is_no_failure_of_the_route() {
    let shop = shop().await;
    for _ in 0..30 {
        assert_eq!(shop.get("/api/user/info", "").await.status, 401);
    }
    let totals = shop.gateway.guard(Place::Route, "GET:///api/user/info").totals();
    assert_eq!((totals.accepted, totals.failed, totals.rejected), (30, 0, 0));
    let gate = shop.gateway.shedders().gate(Gate::Http).expect("sheds by default").state();
    assert_eq!((gate.passes, gate.flying), (30, 0));
}

#[tokio::test]
async fn the_connection_limit_is_each_routes_own_and_in_front_of_its_breaker() {
    let data = Data::with_stock(10).await;
    let shop = Shop::start_with(data, &[Role::UserRpc], |config| config.max_conns = 1).await;
    // A body that never comes keeps the only place of its route.
    let mut first = TcpStream::connect(&shop.address).await.expect("connects");
    first.write_all(b"POST /api/user/login HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n").await.expect("sends");
    let gate = shop.gateway.shedders().gate(Gate::Http).expect("sheds by default");
    let entered = async {
        while gate.state().flying == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, entered).await.expect("the first is in flight");

    let second = shop.post("/api/user/login", json!({})).await;
    assert_eq!((second.status.as_u16(), &second.body["reason"]), (503, &json!("maxconns")), "{second:?}");
    let totals = shop.gateway.guard(Place::Route, "POST:///api/user/login").totals();
    assert_eq!((totals.accepted, totals.failed, totals.rejected), (0, 0, 0), "the breaker has seen no end yet");
    assert_eq!(shop.get("/api/user/info", "").await.status, 401, "another route has its own place");

    first.write_all(b"{\"no\": 1}").await.expect("sends");
    assert_eq!(status_line(&mut first).await, "HTTP/1.1 400");
}

#[tokio::test]
async fn a_compressed_body_is_read_and_a_bomb_is_bounded() {
    let shop = shop().await;
    let send = async |body| {
        let headers = [("content-encoding", "gzip")];
        shop.send(Method::POST, "/api/user/login", &headers, body).await
    };
    assert_eq!(send(gzip(&credentials())).await.status, 200);
    let bomb = gzip(&vec![b' '; 16 << 20]);
    assert!(bomb.len() < 1 << 20, "its own length is allowed");
    assert_eq!(send(bomb).await.status, 413);
    let cut = gzip(&credentials());
    for broken in [credentials(), Vec::new(), cut[..cut.len() - 1].to_vec()] {
        let answer = send(broken).await;
        assert_eq!((answer.status.as_u16(), &answer.body["reason"]), (400, &json!("invalid")), "{answer:?}");
    }
}

#[tokio::test]
async fn decompression_comes_before_the_token_and_the_size_before_both() {
    let shop = shop().await;
    let send = async |body: Vec<u8>| {
        let headers = [("content-encoding", "gzip")];
        shop.send(Method::POST, "/api/order/create", &headers, body).await.status.as_u16()
    };
    assert_eq!(send(vec![b' '; 2 << 20]).await, 413);
    assert_eq!(send(b"no gzip".to_vec()).await, 400);
    assert_eq!(send(gzip(b"{}")).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_refuses_a_client_that_is_still_sending_is_read() {
    let data = Data::with_stock(10).await;
    let shop = Shop::start_with(data, &[Role::UserRpc], |config| config.max_bytes = 8 << 20).await;
    let gate = shop.gateway.shedders().gate(Gate::Http).expect("sheds by default");
    let cases = [
        ("/api/order/create", "401"),
        ("/no/such/route", "404"),
        ("/api/user/info", "405"),
        ("/api/user/register", "503"),
    ];
    for (path, status) in cases {
        let mut flying = Vec::new();
        if status == "503" {
            flying.extend((0..40).map(|_| gate.admit().expect("the processor is idle")));
            flying.pop().expect("forty").resolve(true);
            shop.gateway.shedders().cpu().set(1_000);
        }
        let mut stream = TcpStream::connect(&shop.address).await.expect("connects");
        let head = format!("POST {path} HTTP/1.1\r\nhost: shop\r\ncontent-length: 4194304\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("sends");
        let blanks = vec![b' '; 64 << 10];
        for _ in 0..64 {
            stream.write_all(&blanks).await.unwrap_or_else(|error| panic!("{path} resets: {error}"));
            tokio::task::yield_now().await;
        }
        assert_eq!(status_line(&mut stream).await, format!("HTTP/1.1 {status}"), "{path}");
    }
}

#[tokio::test]
async fn a_stream_of_events_has_no_deadline() {
    let data = Data::with_stock(10).await;
    let shop = Shop::start_with(data, &Role::RPC, |config| config.timeout = Some(50)).await;
    let order = shop.service(Role::OrderRpc);
    order.faults().apply(&latency("order-rpc", "400ms"), SystemTime::now()).expect("a legal fault");
    let ask = async |headers: &[(&str, &str)]| shop.send(Method::GET, "/api/product/list", headers, Vec::new()).await;
    assert_eq!(ask(&[]).await.status, 504);
    assert_eq!(ask(&[("accept", "text/event-stream")]).await.status, 200);
    assert_eq!(ask(&[("upgrade", "websocket")]).await.status, 200);
}

#[tokio::test]
async fn tokens_of_the_previous_secret_are_good_while_secrets_are_rotated() {
    let data = Data::with_stock(10).await;
    let configure =
        |config: &mut mall::config::ServiceConfig| config.auth.prev_secret = Secret::new("the secret before");
    let shop = Shop::start_with(data, &Role::RPC, configure).await;
    let of = |secret: &str| {
        let auth = mall::config::Auth { access_secret: Secret::new(secret), ..mall::config::Auth::default() };
        Tokens::new(&auth).issue(1).expect("issues").0
    };
    for secret in ["the secret before", SECRET, "the secret before", SECRET, SECRET] {
        assert_eq!(shop.get("/api/user/info", &of(secret)).await.status, 200, "{secret}");
    }
    assert_eq!(shop.get("/api/user/info", &of("another secret")).await.status, 401);
}

#[tokio::test]
async fn a_gateway_that_is_told_to_stop_is_not_ready() {
    let shop = Shop::start(1).await;
    assert_eq!(shop.get("/readyz", "").await.status, 200);
    shop.gateway.stop().cancel();
    let answer = shop.get("/readyz", "").await;
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (503, &json!("stopping")));
    assert_eq!(shop.get("/healthz", "").await.status, 200);
}
