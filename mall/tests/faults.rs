//! Faults come in through Admin, touch calls, and end by themselves.

mod support;

use mall_api::control::admin_client::AdminClient;
use mall_api::control::{DumpStateRequest, Fault, FaultSet};
use opentelemetry::Context;
use opentelemetry::trace::{SpanKind, TraceContextExt};
use std::collections::HashMap;
use std::time::Duration;
use support::{Caller, Replica, TOKEN, attribute, echo, record_spans};
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request};

fn error(code: &str, for_ms: u64) -> FaultSet {
    let params = HashMap::from([("code".to_owned(), code.to_owned())]);
    let (id, kind, target) = ("f1".to_owned(), "error".to_owned(), "user-rpc".to_owned());
    FaultSet { faults: vec![Fault { id, kind, target, params, for_ms, ..Fault::default() }] }
}

fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = MetadataValue::try_from(format!("Bearer {token}")).expect("a header");
    request.metadata_mut().insert("authorization", bearer);
    request
}

async fn admin(replica: &Replica) -> AdminClient<Channel> {
    AdminClient::connect(format!("http://{}", replica.endpoint.address)).await.expect("listens")
}

#[tokio::test]
async fn an_error_fault_touches_calls_until_it_ends() {
    let spans = record_spans();
    let replica = Replica::start(1, echo()).await;
    let caller = Caller::new(vec![replica.endpoint.clone()], 1).await;
    let mut admin = admin(&replica).await;
    caller.get(1).await.expect("no fault yet");

    let in_force = admin.apply_faults(with_token(error("ABORTED", 600), TOKEN)).await.expect("applied");
    assert_eq!(in_force.get_ref().faults.len(), 1);
    let (trace, outcome) = mall::telemetry::in_span_of(&Context::new(), "root", SpanKind::Internal, Vec::new, async {
        let id = Context::map_current(|context| context.span().span_context().trace_id());
        (id, caller.get(2).await)
    })
    .await;
    assert_eq!(outcome.expect_err("injected").code(), Code::Aborted);
    let spans = spans.of_trace(trace);
    let server = spans.iter().find(|span| span.span_kind == SpanKind::Server).expect("a SERVER span");
    let event = server.events.iter().find(|event| event.name == "fault.injected").expect("an event");
    assert!(event.attributes.iter().any(|one| one.key.as_str() == "fault.id" && one.value.to_string() == "f1"));
    assert_eq!(attribute(server, "rpc.response.status_code").as_deref(), Some("ABORTED"));

    let healed = async {
        while caller.get(3).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), healed).await.expect("the fault ends");
}

#[tokio::test]
async fn an_empty_set_clears_at_once() {
    let replica = Replica::start(1, echo()).await;
    let caller = Caller::new(vec![replica.endpoint.clone()], 1).await;
    let mut admin = admin(&replica).await;
    admin.apply_faults(with_token(error("ABORTED", 600_000), TOKEN)).await.expect("applied");
    caller.get(1).await.expect_err("injected");
    admin.apply_faults(with_token(FaultSet::default(), TOKEN)).await.expect("cleared");
    caller.get(1).await.expect("healed");
}

#[tokio::test]
async fn admin_wants_the_token_and_sense() {
    let replica = Replica::start(1, echo()).await;
    let mut admin = admin(&replica).await;
    for token in ["", "wrong"] {
        let refused = admin.apply_faults(with_token(FaultSet::default(), token)).await.expect_err("refused");
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    let refused = admin.dump_state(DumpStateRequest {}).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let refused = admin.apply_faults(with_token(error("FINE", 1), TOKEN)).await.expect_err("no such code");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("`code=FINE` is not a gRPC code"), "{}", refused.message());
}

#[tokio::test]
async fn live_state_shows_breakers() {
    let replica = Replica::start(1, echo()).await;
    let caller = Caller::new(vec![replica.endpoint.clone()], 1).await;
    caller.get(1).await.expect("answered");
    let state = admin(&replica).await.dump_state(with_token(DumpStateRequest {}, TOKEN)).await.expect("authorised");
    let state = state.into_inner();
    assert_eq!(state.instance, "user-rpc/1");
    let breakers: Vec<_> =
        state.breakers.iter().map(|one| (one.place.as_str(), one.name.as_str(), one.accepts)).collect();
    assert_eq!(breakers, [("server", "mall.User/GetUser", 1)]);
}
