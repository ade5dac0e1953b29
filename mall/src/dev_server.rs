//! Ports beside the service: metrics for a scraper (`Prometheus`), and metrics and health for people (`DevServer`).
//!
//! They answer whatever the service does, so no limit, breaker or shedder of the service stands in front of them.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::config::ServiceConfig;
use crate::listener;
use crate::telemetry::Page;

/// What is asked of the ports.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The process's metrics.
    pub page: Option<Page>,
    /// Whether the process can do its work.
    pub is_ready: watch::Receiver<bool>,
}

/// A port to open: its address and what answers there.
struct Port {
    address: String,
    router: Router,
}

/// Opens the ports that the configuration asks for, until `stop`. The error is the address and why it cannot be listened on.
pub async fn open(
    config: &ServiceConfig,
    sources: &Sources,
    stop: &CancellationToken,
) -> Result<Vec<JoinHandle<()>>, (String, std::io::Error)> {
    let mut servers = Vec::new();
    for Port { address, router } in ports(config, sources) {
        let listener = TcpListener::bind(&address).await.map_err(|error| (address.clone(), error))?;
        if let Ok(bound) = listener.local_addr() {
            tracing::info!(address = %bound, "metrics and health are served");
        }
        let service = router.map_request(|request: http::Request<Incoming>| request.map(axum::body::Body::new));
        servers.push(tokio::spawn(listener::serve(listener, service, stop.clone())));
    }
    Ok(servers)
}

fn ports(config: &ServiceConfig, sources: &Sources) -> Vec<Port> {
    let mut ports = Vec::new();
    if let Some(asked) = config.prometheus.as_ref().filter(|asked| !asked.host.is_empty()) {
        let router = Router::new().route(&rooted(&asked.path), metrics(sources));
        ports.push(Port { address: format!("{}:{}", asked.host, asked.port), router });
    }
    if let Some(asked) = config.dev_server.as_ref().filter(|asked| asked.enabled) {
        let mut router = Router::new().route(&rooted(&asked.health_path), health(sources, &asked.health_response));
        if asked.enable_metrics && rooted(&asked.metrics_path) != rooted(&asked.health_path) {
            router = router.route(&rooted(&asked.metrics_path), metrics(sources));
        }
        let host = if asked.host.is_empty() { "0.0.0.0" } else { &asked.host };
        ports.push(Port { address: format!("{host}:{}", asked.port), router });
    }
    ports
}

/// A path that a router takes: it begins with a slash, and braces in it mean nothing.
fn rooted(path: &str) -> String {
    format!("/{}", path.trim_start_matches('/').replace(['{', '}'], ""))
}

fn metrics(sources: &Sources) -> axum::routing::MethodRouter {
    let page = sources.page.clone();
    get(move || {
        let answer = match page.as_ref().map(Page::text) {
            Some(Ok(text)) => ([(CONTENT_TYPE, Page::MEDIA_TYPE)], text).into_response(),
            Some(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        };
        async move { answer }
    })
}

fn health(sources: &Sources, response: &str) -> axum::routing::MethodRouter {
    let (is_ready, response) = (sources.is_ready.clone(), response.to_owned());
    get(move || {
        let answer: Response = if *is_ready.borrow() {
            response.clone().into_response()
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready").into_response()
        };
        async move { answer }
    })
}
