//! Connections: slow ones, silent ones, too many, the end of all.

mod otlp;

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use collector::receiver::{Limits, Receiver, Sink};
use otlp::{EXPORT_TRACES, Memory, PROTOBUF, call, frame, loopback, span, start, traces};

fn hasty() -> Limits {
    let soon = Duration::from_millis(200);
    Limits { header_timeout: soon, body_timeout: soon, ..Limits::default() }
}

/// Writes and then reads until the other side closes.
async fn say_and_listen(address: std::net::SocketAddr, words: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(words).await.expect("a stream to write to");
    let mut heard = Vec::new();
    // A reset is as good an end as any.
    let _ = stream.read_to_end(&mut heard).await;
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test]
async fn silence_and_half_said_headers_are_hung_up_on() {
    let running = start(hasty()).await;
    for port in [running.grpc, running.http] {
        assert_eq!(say_and_listen(port, b"").await, "");
        say_and_listen(port, b"POST /v1/traces HTTP/1.1\r\nhost: a\r\nx-slow: ").await;
        say_and_listen(port, b"PR").await;
    }
    assert_eq!(running.refused("silent connection"), 4);
    drop(TcpStream::connect(running.grpc).await.expect("a connection"));
    assert_eq!(running.refused("slow headers"), 2);
    let answer = running.post("/v1/traces", PROTOBUF, Vec::new()).await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let running = start(hasty()).await;
    let head = b"POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-protobuf\r\ncontent-length: 100\r\nconnection: close\r\n\r\nabc";
    let answer = say_and_listen(running.http, head).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(running.refused("slow body"), 1);
}

#[tokio::test]
async fn a_sender_that_asks_first_is_answered_first() {
    let running = start(Limits { max_body_bytes: 1_000, ..Limits::default() }).await;
    let head = format!("POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-type: {PROTOBUF}\r\nexpect: 100-continue\r\n");
    let answer = say_and_listen(running.http, format!("{head}content-length: 1001\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let answer = say_and_listen(
        running.http,
        format!("{head}connection: close\r\ncontent-length: 2\r\n\r\n\x08\x01").as_bytes(),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 100") && answer.contains("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let limits = Limits {
        idle_timeout: Duration::from_millis(100),
        header_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let running = start(limits).await;
    let answer = say_and_listen(
        running.http,
        b"POST /v1/logs HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(running.refused("idle connection"), 1);
}

#[tokio::test]
async fn strangers_who_do_not_speak_http_are_counted() {
    let running = start(Limits::default()).await;
    say_and_listen(running.http, &[0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]).await;
    say_and_listen(running.grpc, b"\0\0\0\0 what is this\r\n\r\n").await;
    assert_eq!(running.refused("tls on a plain port"), 1);
    assert_eq!(running.refused("not http"), 1);
    let answer = say_and_listen(running.grpc, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 421") && answer.contains("4318"), "{answer}");
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx-large: {}\r\n\r\n", "x".repeat(1 << 20));
    let answer = say_and_listen(running.http, large.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn there_is_an_end_to_connections() {
    let running = start(Limits { max_connections: 2, ..Limits::default() }).await;
    let mut kept = Vec::new();
    while running.stats.snapshot().http_connections < 2 {
        kept.push(TcpStream::connect(running.http).await.expect("a connection"));
        tokio::task::yield_now().await;
    }
    while running.refused("too many connections") == 0 {
        kept.push(TcpStream::connect(running.http).await.expect("a connection"));
        tokio::task::yield_now().await;
    }
    drop(kept);
    while running.stats.snapshot().http_connections > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(running.post("/v1/traces", PROTOBUF, Vec::new()).await.status(), 200);
    let answer = call(running.grpc, EXPORT_TRACES, &[], frame(0, b"")).await;
    assert_eq!(answer.code, 0);
}

#[tokio::test]
async fn many_calls_share_a_connection() {
    use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
    let running = start(Limits::default()).await;
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", running.grpc))
        .expect("an address")
        .connect()
        .await
        .expect("a connection");
    let calls = (0..64).map(|number| {
        let mut client = TraceServiceClient::new(channel.clone());
        async move { client.export(traces(vec![span(number + 1)])).await }
    });
    for answer in futures::future::join_all(calls).await {
        answer.expect("success");
    }
    assert_eq!(running.memory.spans().len(), 64);
    let stats = running.stats.snapshot();
    assert_eq!((stats.grpc_connections, stats.requests, stats.spans), (1, 64, 64));
}

#[tokio::test]
async fn a_taken_port_is_named_and_the_other_one_not_kept() {
    let taken = TcpListener::bind(loopback()).await.expect("a free port");
    let taken_address = taken.local_addr().expect("an address");
    let free = TcpListener::bind(loopback()).await.expect("a free port");
    let free_address = free.local_addr().expect("an address");
    drop(free);
    let memory: Arc<dyn Sink> = Arc::new(Memory::default());
    let bind = |grpc, http| Receiver::bind(grpc, http, Limits::default(), Arc::clone(&memory));
    let error = bind(free_address, taken_address).await.err().expect("the port is taken");
    assert_eq!((error.role, error.address), ("http", taken_address));
    assert!(error.to_string().contains(&taken_address.to_string()), "{error}");
    let error = bind(taken_address, free_address).await.err().expect("the port is taken");
    assert_eq!((error.role, error.address), ("grpc", taken_address));
    TcpListener::bind(free_address).await.expect("the other port was given back");
}

#[tokio::test]
async fn nothing_is_taken_in_after_the_end() {
    let running = start(Limits { drain_timeout: Duration::from_millis(100), ..Limits::default() }).await;
    let body = traces(vec![span(1)]).encode_to_vec();
    assert_eq!(running.post("/v1/traces", PROTOBUF, body.clone()).await.status(), 200);
    let mut half = TcpStream::connect(running.http).await.expect("a connection");
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    half.write_all(head.as_bytes()).await.expect("a stream to write to");
    half.write_all(&body[..10]).await.expect("a stream to write to");
    running.stop.cancel();
    running.served.await.expect("a quiet end");
    let _ = half.write_all(&body[10..]).await;
    let mut heard = Vec::new();
    let _ = half.read_to_end(&mut heard).await;
    assert!(!heard.starts_with(b"HTTP/1.1 200"));
    assert_eq!(running.memory.spans().len(), 1);
    assert!(TcpStream::connect(running.http).await.is_err(), "the port is closed");
    assert!(TcpStream::connect(running.grpc).await.is_err(), "the port is closed");
}
