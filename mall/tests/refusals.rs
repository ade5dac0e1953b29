//! What a client of the gateway is told when the shop refuses or fails: reason, place, and the honest status.

mod shop;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use mall::config::Role;
use mall::context::ServiceContext;
use mall::rpc::Place;
use mall_api::control::{Fault, FaultSet};
use serde_json::json;
use shop::{Data, Shop};

/// Puts a fault in force in one service for the rest of the test.
fn break_with(context: &ServiceContext, kind: &str, params: &[(&str, &str)]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after the epoch").as_nanos() as u64;
    let params = params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let fault = Fault {
        id: "f1".into(),
        kind: kind.into(),
        target: context.config().name.clone(),
        params,
        for_ms: 600_000,
        begins_unix_ns: now,
        ends_unix_ns: now + 600_000_000_000,
        run_id: String::new(),
    };
    context.faults().apply(&FaultSet { faults: vec![fault] }, SystemTime::now()).expect("a legal fault");
}

/// Rejections that every breaker of these processes counted, by place.
fn ledger(contexts: &[&ServiceContext]) -> BTreeMap<&'static str, u64> {
    let mut rejections = BTreeMap::new();
    for guard in contexts.iter().flat_map(|context| context.guards().all()) {
        *rejections.entry(guard.place().name()).or_default() += guard.totals().rejected;
    }
    rejections.retain(|_, count| *count > 0);
    rejections
}

#[tokio::test]
async fn what_clients_saw_equals_the_ledgers_of_the_breakers() {
    let shop = Shop::start(1_000_000).await;
    let token = shop.login(1).await;
    break_with(shop.service(Role::PayRpc), "error", &[("rate", "1")]);
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for number in 0..400 {
        let answer = shop.order(&token, &format!("k{number}"), json!([{ "product_id": 1, "quantity": 1 }])).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        if answer.body["reason"] == "breaker" {
            let place = answer.body["place"].as_str().expect("a breaker says where").to_owned();
            assert!(answer.body["name"].is_string(), "{answer:?}");
            // Only the route's breaker refuses before there is an order to name.
            assert_eq!(answer.body["order_id"].is_null(), place == "route", "{answer:?}");
            *seen.entry(place).or_default() += 1;
        } else {
            assert_eq!(answer.body["reason"], "downstream", "{answer:?}");
        }
    }
    let ledger: BTreeMap<String, u64> = ledger(&[&shop.gateway, shop.service(Role::PayRpc)])
        .into_iter()
        .map(|(place, count)| (place.to_owned(), count))
        .collect();
    assert!(seen.values().sum::<u64>() > 0, "breakers refuse when everything fails");
    assert_eq!(seen, ledger);
}

#[tokio::test]
async fn a_service_that_hangs_is_a_timeout() {
    let data = Data::with_stock(10).await;
    let shop = Shop::start_with(data, &Role::RPC, |config| config.timeout = Some(300)).await;
    break_with(shop.service(Role::OrderRpc), "latency", &[("p50", "30s"), ("p99", "30s")]);
    let answer = shop.get("/api/product/detail?id=1", "").await;
    assert_eq!((answer.status.as_u16(), &answer.body["reason"]), (504, &json!("timeout")), "{answer:?}");
    assert_eq!(answer.body["code"], 5004);
}

#[tokio::test]
async fn a_service_that_is_gone_is_downstream() {
    let data = Data::with_stock(10).await;
    let shop = Shop::start_with(data, &[Role::UserRpc], |_| {}).await;
    let answer = shop.get("/api/product/list", "").await;
    assert_eq!((answer.status.as_u16(), &answer.body["reason"]), (503, &json!("downstream")), "{answer:?}");
    assert_eq!(shop.get("/readyz", "").await.status, 503);
}

#[tokio::test]
async fn too_many_requests_at_once_are_refused() {
    let data = Data::with_stock(10).await;
    let shop = Shop::start_with(data, &Role::RPC, |config| config.max_conns = 1).await;
    break_with(shop.service(Role::OrderRpc), "latency", &[("p50", "500ms"), ("p99", "500ms")]);
    let (first, second) = tokio::join!(shop.get("/api/product/list", ""), shop.get("/api/product/list", ""));
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503]);
    let refused = if first.status == 503 { first } else { second };
    assert_eq!((&refused.body["reason"], &refused.body["code"]), (&json!("maxconns"), &json!(5003)));
}

#[tokio::test]
async fn a_fault_of_the_gateway_itself_stays_in_its_place() {
    let shop = Shop::start(10).await;
    break_with(&shop.gateway, "error", &[("rate", "1"), ("code", "INTERNAL")]);
    let answer = shop.get("/api/product/list", "").await;
    assert_eq!((answer.status.as_u16(), &answer.body["reason"]), (500, &json!("internal")), "{answer:?}");
    assert!(
        shop.gateway.guards().all().iter().any(|guard| guard.place() == Place::Route && guard.snapshot().total == 1)
    );
}
