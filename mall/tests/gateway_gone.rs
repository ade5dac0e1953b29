//! What a gateway knows of a request whose client did not wait for the answer.

mod figures;
mod support;

use figures::Figures;
use mall::config::{Role, Secret, ServiceConfig};
use mall::context::ServiceContext;
use mall::discovery::Static;
use mall::gateway::{self, Group};
use mall::listener;
use mall::rpc::Place;
use opentelemetry::TraceId;
use opentelemetry::trace::Status;
use std::sync::Arc;
use support::gone::{TRACE, leave};
use support::{attribute, record_spans};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

#[tokio::test]
async fn its_span_has_a_status_and_it_is_counted_once_everywhere() {
    let (recorded, figures) = (record_spans(), Figures::new());
    let mut config = ServiceConfig::new(Role::Gateway.name());
    config.auth.access_secret = Secret::new("signs tokens");
    config.timeout = Some(600_000);
    let context = ServiceContext::new(config, figures.meters(), Arc::new(Static::new()));
    let router = gateway::router_of(&context, &[Group::Order]).expect("no limits");
    let service =
        router.map_request(|request: http::Request<hyper::body::Incoming>| request.map(axum::body::Body::new));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let stop = CancellationToken::new();
    let server = tokio::spawn(listener::serve(listener, service, stop.clone()));
    leave(&context, address, "/api/product/list").await;
    stop.cancel();
    server.await.expect("ends");

    let spans = recorded.of_trace(TraceId::from_hex(TRACE).expect("hexadecimal"));
    let [span] = spans.as_slice() else { panic!("one span: {spans:?}") };
    assert_eq!(attribute(span, "http.response.status_code").as_deref(), Some("499"));
    assert_eq!(span.status, Status::Unset, "nothing of the gateway failed");
    let route = [("method", "GET"), ("path", "/api/product/list"), ("code", "499")];
    assert_eq!(figures.of("http_server_requests_code_total", &route), 1);
    let totals = context.guard(Place::Route, "GET:///api/product/list").totals();
    assert_eq!((totals.accepted, totals.failed, totals.rejected), (1, 0, 0));
}
