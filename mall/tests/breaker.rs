//! Breakers in use: what trips them, what their rejections say, and at which end.

mod support;

use mall::rpc::Place;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::{Caller, Replica, echo, handler};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Where a rejection says that it happened; `None` for any other status.
fn place(status: &Status) -> Option<(String, String)> {
    let details = status.get_error_details();
    let info = details.error_info().filter(|info| info.reason == "breaker")?;
    Some((info.metadata.get("place")?.clone(), info.metadata.get("name")?.clone()))
}

#[tokio::test]
async fn a_hang_trips_the_callers_breaker() {
    let replica = Replica::start(1, handler(|_| std::future::pending())).await;
    let caller = Caller::new(vec![replica.endpoint.clone()], 1).await;
    let mut rejections = 0;
    for _ in 0..200 {
        let status = caller.get_within(Duration::from_millis(2)).await.expect_err("never answers");
        match place(&status) {
            Some((place, name)) if place == "client" => {
                assert_eq!(name, "user-rpc/mall.User/GetUser");
                assert_eq!((status.code(), status.message()), (Code::Unavailable, "circuit breaker is open"));
                rejections += 1;
            }
            // The replica hangs for its own breaker too.
            Some((place, _)) => assert_eq!(place, "server"),
            None => assert_eq!(status.code(), Code::DeadlineExceeded),
        }
    }
    let totals = caller.context.guard(Place::Client, "user-rpc/mall.User/GetUser").totals();
    assert!(rejections > 0, "200 hanging calls in a row must trip a breaker that protects 5");
    assert_eq!(totals.rejected, rejections);
    assert_eq!((totals.trips, totals.accepted), (1, 0));
    assert_eq!(totals.failed + totals.rejected, 200);
}

#[tokio::test]
async fn a_servers_rejection_arrives_with_its_place() {
    let replica = Replica::start(1, handler(|_| async { Err(Status::internal("planted")) })).await;
    let mut places = Vec::new();
    // Fresh callers, so that only the server's breaker has seen enough.
    for _ in 0..40 {
        let caller = Caller::new(vec![replica.endpoint.clone()], 1).await;
        for _ in 0..5 {
            places.extend(place(&caller.get(1).await.expect_err("planted")));
        }
    }
    assert!(!places.is_empty());
    assert!(places.iter().all(|found| *found == ("server".to_owned(), "mall.User/GetUser".to_owned())), "{places:?}");
    let totals = replica.context.guard(Place::Server, "mall.User/GetUser").totals();
    assert_eq!(totals.rejected, places.len() as u64);
}

#[tokio::test]
async fn what_the_caller_got_wrong_trips_nothing() {
    let calls = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&calls);
    let replica = Replica::start(
        1,
        handler(move |_| {
            seen.fetch_add(1, Ordering::Relaxed);
            async { Err(Status::not_found("no such user")) }
        }),
    )
    .await;
    let caller = Caller::new(vec![replica.endpoint.clone()], 1).await;
    for _ in 0..100 {
        assert_eq!(caller.get(1).await.expect_err("not found").code(), Code::NotFound);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 100);
}

#[tokio::test]
async fn a_cancelled_call_counts_nothing() {
    let replica = Replica::start(1, handler(|_| std::future::pending())).await;
    let caller = Caller::new(vec![replica.endpoint.clone()], 1).await;
    {
        let call = std::pin::pin!(caller.get(1));
        let pause = std::pin::pin!(tokio::time::sleep(Duration::from_millis(20)));
        assert!(matches!(futures::future::select(call, pause).await, futures::future::Either::Right(_)));
    }
    let snapshot = caller.context.guard(Place::Client, "user-rpc/mall.User/GetUser").snapshot();
    assert_eq!(snapshot.total, 0);
    assert_eq!(caller.client.balancer().state().connections[0].inflight, 0);
}

#[tokio::test]
async fn a_healthy_service_is_never_rejected() {
    let replica = Replica::start(1, echo()).await;
    let caller = Caller::new(vec![replica.endpoint.clone()], 1).await;
    for id in 0..200 {
        assert_eq!(caller.get(id).await.expect("answered").id, id);
    }
}
