//! The shedder in use: the processor share is given, and the load decides.

mod shop;
mod support;

use mall::config::Role;
use mall::context::ServiceContext;
use mall::rpc::Place as Breaker;
use mall::shed::{Pass, Place};
use mall_api::control::DumpStateRequest;
use mall_api::control::admin_client::AdminClient;
use opentelemetry::TraceId;
use serde_json::json;
use shop::{Data, Shop};
use support::{Caller, Replica, TOKEN, echo, record_spans};
use tonic::Code;
use tonic_types::StatusExt;

/// Puts `count` requests in flight at a gate. One more has ended, since only an end moves the average.
fn crowd(context: &ServiceContext, place: Place, count: usize) -> Vec<Pass> {
    let gate = context.shedders().gate(place).expect("sheds by default");
    let mut passes: Vec<Pass> = (0..=count).map(|_| gate.admit().expect("the processor is idle")).collect();
    passes.pop().expect("the last one").resolve(true);
    passes
}

/// A gateway that calls user-rpc.
async fn shop() -> Shop {
    Shop::start_with(Data::with_stock(10).await, &[Role::UserRpc], |_| {}).await
}

#[tokio::test]
async fn a_busy_gateway_with_much_in_flight_sheds_and_says_so() {
    let shop = shop().await;
    let recorded = record_spans();
    let flying = crowd(&shop.gateway, Place::Http, 40);
    shop.gateway.shedders().cpu().set(899);
    assert_eq!(shop.post("/api/user/login", json!({})).await.status, 400, "below the threshold nothing is shed");

    shop.gateway.shedders().cpu().set(1_000);
    let refused = shop.post("/api/user/login", json!({})).await;
    assert_eq!((refused.status.as_u16(), &refused.body["reason"]), (503, &json!("shed")), "{refused:?}");
    assert_eq!(refused.body["code"], 5001);

    let trace = refused.headers["traceparent"].to_str().expect("text").split('-').nth(1).expect("a trace");
    let spans = recorded.of_trace(TraceId::from_hex(trace).expect("hexadecimal"));
    let event = spans.iter().flat_map(|span| span.events.iter()).find(|event| event.name == "shed.drop");
    let keys: Vec<_> = event.expect("an event").attributes.iter().map(|one| one.key.as_str().to_owned()).collect();
    assert_eq!(keys, ["shed.place", "cpu", "limit", "flying", "avg_flying"]);

    let guard = shop.gateway.guard(Breaker::Route, "POST:///api/user/login");
    assert_eq!(guard.totals().failed, 1, "what is shed is a failure to the breaker in front");
    drop(flying);
    let calm = shop.post("/api/user/login", json!({})).await;
    assert_eq!(calm.status, 400, "with little in flight a busy processor sheds nothing: {calm:?}");
}

#[tokio::test]
async fn what_brings_money_in_is_refused_last() {
    let shop = shop().await;
    let _browsing = crowd(&shop.gateway, Place::Http, 80);
    let _paying = crowd(&shop.gateway, Place::HttpPriority, 80);
    shop.gateway.shedders().cpu().set(940);
    assert_eq!(shop.get("/api/product/list", "").await.body["reason"], "shed");
    assert_eq!(shop.post("/api/order/create", json!({})).await.status, 401, "an order goes on to its token");
    assert_eq!(shop.post("/api/pay/callback", json!({})).await.status, 401, "a callback to its signature");
    shop.gateway.shedders().cpu().set(1_000);
    assert_eq!(shop.post("/api/order/create", json!({})).await.body["reason"], "shed");
    assert_eq!(shop.post("/api/pay/callback", json!({})).await.body["reason"], "shed");
}

#[tokio::test]
async fn an_rpc_server_sheds_with_its_reason() {
    let replica = Replica::start(1, echo()).await;
    let caller = Caller::new(vec![replica.endpoint.clone()], 1).await;
    let flying = crowd(&replica.context, Place::Rpc, 40);
    assert_eq!(caller.get(1).await.expect("the processor is idle").id, 1);
    replica.context.shedders().cpu().set(1_000);
    let status = caller.get(1).await.expect_err("overloaded");
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "service overloaded"));
    assert_eq!(status.get_details_error_info().expect("says why").reason, "shed");
    let at = |context: &ServiceContext, place, name| context.guard(place, name).totals().failed;
    assert_eq!(at(&replica.context, Breaker::Server, "mall.User/GetUser"), 1);
    assert_eq!(at(&caller.context, Breaker::Client, "user-rpc/mall.User/GetUser"), 1);

    let mut request = tonic::Request::new(DumpStateRequest {});
    request.metadata_mut().insert("authorization", format!("Bearer {TOKEN}").parse().expect("fits"));
    let mut admin = AdminClient::connect(format!("http://{}", replica.endpoint.address)).await.expect("connects");
    let state = admin.dump_state(request).await.expect("authorised").into_inner();
    let [gate] = state.shedders.as_slice() else { panic!("one gate: {:?}", state.shedders) };
    assert_eq!((gate.place.as_str(), gate.cpu, gate.cpu_threshold), ("rpc", 1_000, 900));
    assert_eq!((gate.flying, gate.passes, gate.drops), (40, 42, 1));
    assert!(gate.avg_flying > gate.limit, "{gate:?}");
    drop(flying);
}

#[tokio::test]
async fn a_process_told_not_to_shed_has_no_gate() {
    for configure in [(|config| config.cpu_threshold = 0) as fn(&mut mall::config::ServiceConfig), |config| {
        config.mode = "dev".to_owned();
    }] {
        let shop = Shop::start_with(Data::with_stock(1).await, &[Role::UserRpc], configure).await;
        assert!(shop.gateway.shedders().gate(Place::Http).is_none());
        shop.gateway.shedders().cpu().set(1_000);
        assert_eq!(shop.post("/api/user/login", json!({})).await.status, 400);
    }
}
