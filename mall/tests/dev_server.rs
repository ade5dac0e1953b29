//! Metrics and health on ports of their own.

mod figures;
#[path = "servers/port.rs"]
mod port;

use figures::Figures;
use mall::config::{DevServer, Prometheus, ServiceConfig};
use mall::dev_server::{self, Sources};
use mall::telemetry::Page;
use port::free_port;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

async fn get(port: u16, path: &str) -> (u16, String, String) {
    let answer = reqwest::get(format!("http://127.0.0.1:{port}{path}")).await.expect("answers");
    let kind = answer.headers().get("content-type").map(|kind| kind.to_str().expect("text").to_owned());
    (answer.status().as_u16(), kind.unwrap_or_default(), answer.text().await.expect("has a body"))
}

#[tokio::test]
async fn health_follows_readiness_and_metrics_are_where_they_are_asked_for() {
    let (dev, scrape) = (free_port(), free_port());
    let host = || "127.0.0.1".to_owned();
    let mut config = ServiceConfig::new("pay-rpc");
    config.dev_server = Some(DevServer { host: host(), port: dev, ..DevServer::default() });
    config.prometheus = Some(Prometheus { host: host(), port: scrape, path: "figures".to_owned() });
    let ready = watch::Sender::new(false);
    let figures = Figures::new();
    let sources = Sources { page: Some(figures.page.clone()), is_ready: ready.subscribe() };
    let stop = CancellationToken::new();
    let servers = dev_server::open(&config, &sources, &stop).await.expect("opens");

    assert_eq!(get(dev, "/healthz").await.0, 503);
    ready.send_replace(true);
    let (status, _, body) = get(dev, "/healthz").await;
    assert_eq!((status, body.as_str()), (200, "OK"));
    figures.meters().meter().u64_counter("orders").build().add(3, &[]);
    let (status, kind, body) = get(dev, "/metrics").await;
    assert_eq!((status, kind.as_str()), (200, Page::MEDIA_TYPE));
    assert!(body.contains("orders_total 3\n"), "the figures of this moment: {body}");
    assert_eq!(get(scrape, "/figures").await.0, 200);
    assert_eq!(get(scrape, "/metrics").await.0, 404);

    stop.cancel();
    for server in servers {
        server.await.expect("ends");
    }
    assert!(reqwest::get(format!("http://127.0.0.1:{dev}/healthz")).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn nothing_is_opened_unless_it_is_asked_for_and_a_taken_port_is_named() {
    let sources = Sources { page: None, is_ready: watch::Sender::new(true).subscribe() };
    let stop = CancellationToken::new();
    let none = dev_server::open(&ServiceConfig::new("pay-rpc"), &sources, &stop).await.expect("opens nothing");
    assert!(none.is_empty());

    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = holder.local_addr().expect("has an address").port();
    let mut config = ServiceConfig::new("pay-rpc");
    config.dev_server = Some(DevServer { host: "127.0.0.1".to_owned(), port, ..DevServer::default() });
    let (address, _) = dev_server::open(&config, &sources, &stop).await.expect_err("is taken");
    assert_eq!(address, format!("127.0.0.1:{port}"));
}
