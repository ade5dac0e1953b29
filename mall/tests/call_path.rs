//! A call between services: its spans, its deadline, and what its errors say.

mod support;

use mall::deadline;
use mall::telemetry::{in_span_of, span};
use mall_api::shop::UserInfo;
use opentelemetry::trace::{SpanKind, Status as SpanStatus, TraceContextExt};
use opentelemetry::{Context, TraceId};
use std::time::Duration;
use support::{Caller, Replica, attribute, echo, handler, record_spans};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Runs `work` in a trace of its own and returns its id.
async fn traced<T>(work: impl Future<Output = T>) -> (TraceId, T) {
    in_span_of(&Context::new(), "root", SpanKind::Internal, Vec::new, async {
        let id = Context::map_current(|context| context.span().span_context().trace_id());
        (id, work.await)
    })
    .await
}

#[tokio::test]
async fn the_trace_crosses_the_hop_and_says_who_was_picked() {
    let spans = record_spans();
    let replica = Replica::start(1, echo()).await;
    let caller = Caller::new(vec![replica.endpoint.clone()], 1).await;
    let (trace, answer) = traced(caller.get(7)).await;
    assert_eq!(answer.expect("answered").id, 7);

    let spans = spans.of_trace(trace);
    let names: Vec<_> = spans.iter().map(|span| (span.span_kind.clone(), span.name.to_string())).collect();
    assert_eq!(
        names,
        [
            (SpanKind::Server, "mall.User/GetUser".to_owned()),
            (SpanKind::Client, "mall.User/GetUser".to_owned()),
            (SpanKind::Internal, "root".to_owned())
        ]
    );
    let [server, client, root] = &spans[..] else { unreachable!("three spans") };
    assert_eq!(server.parent_span_id, client.span_context.span_id());
    assert!(server.parent_span_is_remote);
    assert_eq!(client.parent_span_id, root.span_context.span_id());
    for span in [server, client] {
        assert_eq!(attribute(span, "rpc.system.name").as_deref(), Some("grpc"));
        assert_eq!(attribute(span, "rpc.method").as_deref(), Some("mall.User/GetUser"));
        assert_eq!(attribute(span, "rpc.response.status_code").as_deref(), Some("OK"));
        assert_eq!(span.status, SpanStatus::Unset);
    }
    let address = replica.endpoint.address.to_string();
    assert_eq!(attribute(client, "loadbalancer.algorithm").as_deref(), Some("p2c"));
    assert_eq!(attribute(client, "loadbalancer.target"), Some(address.clone()));
    let pick = client.events.iter().find(|event| event.name == "p2c.pick").expect("a pick");
    let chosen = pick.attributes.iter().find(|one| one.key.as_str() == "chosen").expect("a choice");
    assert_eq!(chosen.value.to_string(), address);
}

#[tokio::test]
async fn the_callers_deadline_travels_and_shrinks() {
    let replica = Replica::start(
        1,
        handler(|_| async {
            let left = deadline::remaining().ok_or_else(|| Status::internal("no deadline"))?;
            Ok(UserInfo { id: left.as_micros() as i64, ..UserInfo::default() })
        }),
    )
    .await;
    let caller = Caller::new(vec![replica.endpoint.clone()], 1).await;
    // Without a deadline of its own the caller is bounded by the client's limit of two seconds.
    let free = caller.get(1).await.expect("answered").id;
    assert!((1..=2_000_000).contains(&free), "{free}");
    let limit = Duration::from_millis(700);
    let bounded = deadline::within(Some(limit), caller.get(1)).await.expect("in time").expect("answered").id;
    assert!((1..700_000).contains(&bounded), "{bounded}");
}

#[tokio::test]
async fn an_expired_deadline_is_deadline_exceeded_on_both_ends() {
    let spans = record_spans();
    let replica = Replica::start(1, handler(|_| std::future::pending())).await;
    let caller = Caller::new(vec![replica.endpoint.clone()], 1).await;
    let short = Duration::from_millis(50);
    // The caller's own scope ends first: it must still see the status, not a cancelled call.
    let (trace, outcome) = traced(async { caller.get_within(short).await }).await;
    let status = outcome.expect_err("too late");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(status.get_error_details().error_info().map(|info| info.reason.as_str()), Some("timeout"));
    let spans = spans.of_trace(trace);
    let client = spans.iter().find(|span| span.span_kind == SpanKind::Client).expect("a CLIENT span");
    assert_eq!(attribute(client, "error.type").as_deref(), Some("DEADLINE_EXCEEDED"));
    assert!(matches!(client.status, SpanStatus::Error { .. }));
}

#[tokio::test]
async fn a_servers_own_limit_answers_deadline_exceeded() {
    let limit = Some(Duration::from_millis(30));
    let replica = Replica::start_with(1, handler(|_| std::future::pending()), limit).await;
    let caller = Caller::new(vec![replica.endpoint.clone()], 1).await;
    assert_eq!(caller.get(1).await.expect_err("too late").code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn errors_arrive_with_their_details() {
    let replica = Replica::start(
        1,
        handler(|_| async {
            span::event("looked", Vec::new);
            Err(mall::rpc::explained(Code::NotFound, "no such user", "not_found", [("code", "2000".to_owned())]))
        }),
    )
    .await;
    let caller = Caller::new(vec![replica.endpoint.clone()], 1).await;
    let status = caller.get(1).await.expect_err("not found");
    assert_eq!((status.code(), status.message()), (Code::NotFound, "no such user"));
    let details = status.get_error_details();
    let info = details.error_info().expect("an ErrorInfo");
    assert_eq!(info.reason, "not_found");
    assert_eq!(info.metadata.get("code").map(String::as_str), Some("2000"));
}

#[tokio::test]
async fn a_panicking_handler_is_an_internal_error_and_the_server_lives() {
    let replica = Replica::start(
        1,
        handler(|request| async move {
            assert!(request.id != 13, "planted");
            Ok(UserInfo { id: request.id, ..UserInfo::default() })
        }),
    )
    .await;
    let caller = Caller::new(vec![replica.endpoint.clone()], 1).await;
    assert_eq!(caller.get(13).await.expect_err("panicked").code(), Code::Internal);
    assert_eq!(caller.get(14).await.expect("lives").id, 14);
}

#[tokio::test]
async fn without_a_replica_a_call_fails_at_once() {
    let caller = Caller::new(vec![Replica::dead(1).await], 0).await;
    let status = caller.get(1).await.expect_err("nobody there");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("no replica of user-rpc is connected"), "{}", status.message());
}

#[tokio::test]
async fn a_cancelled_call_is_told_on_both_ends() {
    let spans = record_spans();
    let replica = Replica::start(1, handler(|_| std::future::pending())).await;
    let caller = Caller::new(vec![replica.endpoint.clone()], 1).await;
    let (trace, ()) = traced(async {
        let call = std::pin::pin!(caller.get(1));
        let pause = std::pin::pin!(tokio::time::sleep(Duration::from_millis(30)));
        futures::future::select(call, pause).await;
    })
    .await;
    let both = async {
        loop {
            let ended = spans.of_trace(trace);
            if ended.len() == 3 {
                return ended;
            }
            tokio::task::yield_now().await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), both).await.expect("both ends notice");
    for kind in [SpanKind::Client, SpanKind::Server] {
        let span = ended.iter().find(|span| span.span_kind == kind).expect("a span");
        assert_eq!(attribute(span, "rpc.response.status_code").as_deref(), Some("CANCELLED"));
    }
}
