//! The line that the access log has of each request.

use mall::config::{Role, Secret, ServiceConfig};
use mall::context::ServiceContext;
use mall::gateway::{self, Group};
use mall::listener;
use mall::serve::{Application, run};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Requests that are sent: a path, and `X-Forwarded-For` or none.
const REQUESTS: [(&str, &str); 3] =
    [("/api/user/info", ""), ("/healthz", ""), ("/api/user/info", "10.0.0.7, 10.0.0.8")];

#[tokio::test]
async fn every_request_has_a_line_with_its_trace_and_a_health_check_has_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = ServiceConfig::new("gateway");
    config.auth.access_secret = Secret::new("signs tokens");
    config.log.mode = "file".to_owned();
    config.log.path = folder.path().display().to_string();
    let mut traces = Vec::new();
    let asked = CancellationToken::new();
    let build = async |context: &ServiceContext| {
        let router = gateway::router_of(context, &[Group::User])?;
        let service = router
            .clone()
            .map_request(|request: http::Request<hyper::body::Incoming>| request.map(axum::body::Body::new));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(listener::serve(listener, service, CancellationToken::new()));
        for (path, forwarded) in REQUESTS {
            let mut request = reqwest::Client::new().get(format!("{url}{path}")).header("user-agent", "a test");
            if !forwarded.is_empty() {
                request = request.header("x-forwarded-for", forwarded);
            }
            let answer = request.send().await.expect("answers");
            let trace = answer.headers().get("traceparent").map(|value| value.to_str().expect("text").to_owned());
            traces.extend(trace.and_then(|parent| parent.split('-').nth(1).map(ToOwned::to_owned)));
        }
        asked.cancel();
        Ok(Application::Http(router))
    };
    run(Role::Gateway, config, build, asked.cancelled()).await.expect("serves");

    let text = std::fs::read_to_string(folder.path().join("gateway.log")).expect("a log");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let access: Vec<Value> = lines.filter(|line| line["target"] == "access").collect();
    assert_eq!(access.len(), 2, "{access:?}");
    assert_eq!(traces.len(), 2);
    for ((line, trace), client) in access.iter().zip(&traces).zip(["127.0.0.1", "10.0.0.7"]) {
        assert_eq!(line["trace"], json!(trace), "{line}");
        assert_eq!(line["span"].as_str().map(str::len), Some(16), "{line}");
        assert_eq!((&line["route"], &line["status"]), (&json!("GET /api/user/info"), &json!(401)), "{line}");
        assert_eq!((&line["client"], &line["agent"]), (&json!(client), &json!("a test")), "{line}");
        assert!(line["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{line}");
        assert!(line["duration_ms"].is_f64(), "{line}");
    }
}
