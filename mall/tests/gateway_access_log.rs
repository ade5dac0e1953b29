//! The line that the access log has of each request.

mod support;

use http::Method;
use mall::config::{Role, Secret, ServiceConfig};
use mall::context::ServiceContext;
use mall::gateway::{self, Group};
use mall::listener;
use mall::serve::{Application, run};
use serde_json::{Value, json};
use support::gone::{TRACE, leave};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// A request that is sent and the line that it leaves.
struct Case {
    method: Method,
    path: &'static str,
    /// `X-Forwarded-For`, or none.
    forwarded: &'static str,
    /// The line's route, status and client; `None` where there is no line.
    line: Option<(&'static str, u16, &'static str)>,
}

const CASES: [Case; 5] = [
    Case {
        method: Method::GET,
        path: "/api/user/info",
        forwarded: "",
        line: Some(("GET /api/user/info", 401, "127.0.0.1")),
    },
    Case { method: Method::GET, path: "/healthz", forwarded: "", line: None },
    Case {
        method: Method::GET,
        path: "/api/user/info",
        forwarded: "10.0.0.7, 10.0.0.8",
        line: Some(("GET /api/user/info", 401, "10.0.0.7")),
    },
    // What a client invents is not written down.
    Case { method: Method::GET, path: "/no/such/route", forwarded: "", line: Some(("GET", 404, "127.0.0.1")) },
    Case { method: Method::TRACE, path: "/api/user/info", forwarded: "", line: Some(("_OTHER", 405, "127.0.0.1")) },
];

#[tokio::test]
async fn every_request_has_a_line_with_its_trace_and_a_health_check_has_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = ServiceConfig::new("gateway");
    config.auth.access_secret = Secret::new("signs tokens");
    config.timeout = Some(600_000);
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
        let address = listener.local_addr().expect("bound");
        tokio::spawn(listener::serve(listener, service, CancellationToken::new()));
        for Case { method, path, forwarded, .. } in &CASES {
            let url = format!("http://{address}{path}");
            let mut request = reqwest::Client::new().request(method.clone(), url).header("user-agent", "a test");
            if !forwarded.is_empty() {
                request = request.header("x-forwarded-for", *forwarded);
            }
            let answer = request.send().await.expect("answers");
            let trace = answer.headers().get("traceparent").map(|value| value.to_str().expect("text").to_owned());
            traces.extend(trace.and_then(|parent| parent.split('-').nth(1).map(ToOwned::to_owned)));
        }
        leave(context, address, "/api/user/info").await;
        asked.cancel();
        Ok(Application::Http(router))
    };
    run(Role::Gateway, config, build, asked.cancelled()).await.expect("serves");

    let text = std::fs::read_to_string(folder.path().join("gateway.log")).expect("a log");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let mut access: Vec<Value> = lines.filter(|line| line["target"] == "access").collect();
    let gone = access.pop().expect("a last line");
    let expected: Vec<_> = CASES.iter().filter_map(|case| case.line).collect();
    assert_eq!(access.len(), expected.len(), "{access:?}");
    assert_eq!(traces.len(), expected.len());
    for ((line, trace), (route, status, client)) in access.iter().zip(&traces).zip(expected) {
        assert_eq!(line["trace"], json!(trace), "{line}");
        assert_eq!(line["span"].as_str().map(str::len), Some(16), "{line}");
        assert_eq!((&line["route"], &line["status"]), (&json!(route), &json!(status)), "{line}");
        assert_eq!((&line["client"], &line["agent"]), (&json!(client), &json!("a test")), "{line}");
        assert!(line["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{line}");
        assert!(line["duration_ms"].is_f64(), "{line}");
    }
    assert_eq!(gone["trace"], json!(TRACE), "{gone}");
    assert_eq!((&gone["route"], &gone["status"]), (&json!("GET /api/user/info"), &json!(499)), "{gone}");
}
