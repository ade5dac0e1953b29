//! Replicas come, go, slow down and die.

mod support;

use futures::future::join_all;
use mall_api::shop::UserInfo;
use std::time::Duration;
use support::{Caller, Replica, echo, handler};
use tonic::Code;

#[tokio::test]
async fn a_slow_replica_gets_less_than_its_share() {
    let slow = Replica::start(
        1,
        handler(|request| async move {
            tokio::time::sleep(Duration::from_millis(40)).await;
            Ok(UserInfo { id: request.id, ..UserInfo::default() })
        }),
    )
    .await;
    let quick = [Replica::start(2, echo()).await, Replica::start(3, echo()).await];
    let endpoints = [&slow, &quick[0], &quick[1]].map(|replica| replica.endpoint.clone());
    let caller = Caller::new(endpoints.to_vec(), 3).await;
    let callers = (0..8).map(|_| async {
        for id in 0..50 {
            caller.get(id).await.expect("answered");
        }
    });
    join_all(callers).await;
    let picks = caller.picks();
    let total: u64 = picks.iter().map(|(_, picks)| picks).sum();
    assert_eq!(total, 400);
    let of_slow = picks.iter().find(|(instance, _)| instance == "user-rpc/1").map_or(0, |(_, picks)| *picks);
    assert!(of_slow * 5 < total, "{picks:?}");
}

#[tokio::test]
async fn a_stopped_replica_leaves_and_a_new_one_joins() {
    let (first, second) = (Replica::start(1, echo()).await, Replica::start(2, echo()).await);
    let caller = Caller::new(vec![first.endpoint.clone(), second.endpoint.clone()], 2).await;
    caller.get(1).await.expect("answered");
    let gone = first.endpoint.clone();
    first.stop().await;
    caller.wait_connected(1).await;
    for id in 0..20 {
        caller.get(id).await.expect("the other one answers");
    }
    let state = caller.client.balancer().state();
    let connected: Vec<_> = state.connections.iter().map(|one| (one.instance.as_str(), one.connected)).collect();
    assert_eq!(connected, [("user-rpc/1", false), ("user-rpc/2", true)]);

    // Its successor has the same identity and another address.
    let successor = Replica::start(1, echo()).await;
    assert_ne!(successor.endpoint, gone);
    caller.list.set("user-rpc", vec![successor.endpoint.clone(), second.endpoint.clone()]);
    caller.wait_connected(2).await;
    assert_eq!(caller.client.balancer().state().connections.len(), 2);
}

#[tokio::test]
async fn calls_in_flight_end_in_peace_when_a_replica_stops() {
    let replica = Replica::start(
        1,
        handler(|request| async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(UserInfo { id: request.id, ..UserInfo::default() })
        }),
    )
    .await;
    let caller = Caller::new(vec![replica.endpoint.clone()], 1).await;
    let (answer, ()) = tokio::join!(caller.get(5), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        replica.stop().await;
    });
    assert_eq!(answer.expect("drained").id, 5);
    caller.wait_connected(0).await;
    assert_eq!(caller.get(6).await.expect_err("gone").code(), Code::Unavailable);
}

#[tokio::test]
async fn a_replica_that_refuses_is_never_picked() {
    let alive = Replica::start(1, echo()).await;
    let caller = Caller::new(vec![Replica::dead(2).await, alive.endpoint.clone()], 1).await;
    for id in 0..50 {
        caller.get(id).await.expect("answered");
    }
    assert_eq!(caller.picks(), [("user-rpc/1".to_owned(), 50), ("user-rpc/2".to_owned(), 0)]);
}
