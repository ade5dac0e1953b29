//! What an order looks like in its trace: sibling steps, every hop, every statement, and a callback in its own trace.

mod shop;
mod support;

use std::time::Duration;

use http::Method;
use mall::order::{OrderRepository, SqlOrders};
use mall::pay::{Callbacks, Deliver, Delivery, OutboxEvent, PayRepository, Provider, Relay, SqlPayments, Turn};
use mall::store::Database;
use mall::telemetry::{Meters, in_span};
use opentelemetry::Context;
use opentelemetry::trace::{SpanId, SpanKind, TraceContextExt, TraceId};
use opentelemetry_sdk::trace::SpanData;
use serde_json::json;
use shop::{Answer, Data, PATIENCE, Shop};
use support::{Recorded, attribute, record_spans};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn named<'a>(spans: &'a [SpanData], name: &str, kind: &SpanKind) -> &'a SpanData {
    let found = spans.iter().find(|span| span.name == name && span.span_kind == *kind);
    found.unwrap_or_else(|| panic!("no {kind:?} span {name} among {:?}", names(spans)))
}

fn names(spans: &[SpanData]) -> Vec<&str> {
    spans.iter().map(|span| &*span.name).collect()
}

fn children(spans: &[SpanData], parent: SpanId) -> Vec<&SpanData> {
    let mut children: Vec<_> = spans.iter().filter(|span| span.parent_span_id == parent).collect();
    children.sort_by_key(|span| span.start_time);
    children
}

async fn order_in(shop: &Shop, trace: &str) -> Answer {
    let token = format!("Bearer {}", shop.login(1).await);
    let parent = format!("00-{trace}-{CALLER}-01");
    let headers = [("authorization", token.as_str()), ("traceparent", &parent), ("user-agent", "a test")];
    let body = json!({ "items": [{ "product_id": 1, "quantity": 1 }] }).to_string().into_bytes();
    shop.send(Method::POST, "/api/order/create", &headers, body).await
}

fn spans_of(recorded: &Recorded, trace: &str) -> Vec<SpanData> {
    recorded.of_trace(TraceId::from_hex(trace).expect("hexadecimal"))
}

#[tokio::test]
async fn an_order_is_one_trace_with_sibling_steps() {
    let recorded = record_spans();
    let shop = Shop::start(10).await;
    let answer = order_in(&shop, TRACE).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let order_id = answer.body["order_id"].to_string();
    let spans = spans_of(&recorded, TRACE);

    let server = named(&spans, "POST /api/order/create", &SpanKind::Server);
    assert_eq!(server.parent_span_id.to_string(), CALLER);
    assert_eq!(attribute(server, "http.route").as_deref(), Some("/api/order/create"));
    assert_eq!(attribute(server, "http.response.status_code").as_deref(), Some("200"));
    assert_eq!(attribute(server, "user_agent.original").as_deref(), Some("a test"));
    let traceparent = answer.headers["traceparent"].to_str().expect("text");
    assert_eq!(traceparent, format!("00-{TRACE}-{}-01", server.span_context.span_id()));

    let flow = children(&spans, server.span_context.span_id());
    assert_eq!(flow.iter().map(|span| &*span.name).collect::<Vec<_>>(), ["CreateOrderLogic.CreateOrder"]);
    assert_eq!(attribute(flow[0], "order.items_count").as_deref(), Some("1"));
    let steps = children(&spans, flow[0].span_context.span_id());
    let step_names: Vec<_> = steps.iter().map(|span| &*span.name).collect();
    assert_eq!(step_names, ["verify_user", "create_order", "initiate_payment"]);
    assert_eq!(attribute(steps[0], "user.name").as_deref(), Some("Bo 1"));
    assert_eq!(attribute(steps[1], "order.id"), Some(order_id));
    assert_eq!(attribute(steps[2], "payment.status").as_deref(), Some("pending"));

    for (step, method) in steps.iter().zip(["mall.User/GetUser", "mall.Order/CreateOrder", "mall.Pay/InitiatePayment"])
    {
        let call = named(&spans, method, &SpanKind::Client);
        assert_eq!(call.parent_span_id, step.span_context.span_id());
        assert_eq!(named(&spans, method, &SpanKind::Server).parent_span_id, call.span_context.span_id());
    }
    let insert = named(&spans, "INSERT orders", &SpanKind::Client);
    assert_eq!(attribute(insert, "db.system.name").as_deref(), Some("sqlite"));
    assert!(attribute(insert, "db.query.text").is_some_and(|text| text.contains("VALUES (?, ?, ?")));
    let transaction = named(&spans, "TRANSACTION place order", &SpanKind::Client);
    assert_eq!(insert.parent_span_id, transaction.span_context.span_id());
    assert!(spans.iter().all(|span| span.parent_span_id != SpanId::INVALID), "no span of the trace is a root");
}

#[tokio::test]
async fn a_callback_has_its_own_trace_linked_to_the_order() {
    const ORDER: &str = "1af7651916cd43dd8448eb211c80319c";
    let recorded = record_spans();
    let shop = Shop::start(10).await;
    let answer = order_in(&shop, ORDER).await;
    let token = shop.login(1).await;
    shop.wait_for_status(&token, answer.body["order_id"].as_i64().expect("an id"), "paid").await;

    let asking = named(&spans_of(&recorded, ORDER), "mall.Pay/InitiatePayment", &SpanKind::Server).clone();
    let asked = asking.span_context.span_id();
    let linked = |span: &SpanData| span.links.iter().any(|link| link.span_context.span_id() == asked);
    let whole = async {
        loop {
            let callback = recorded.all().into_iter().find(|span| linked(span));
            let spans = callback.map(|span| recorded.of_trace(span.span_context.trace_id())).unwrap_or_default();
            if spans.iter().any(|span| span.name == "outbox publish") {
                return spans;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let spans = tokio::time::timeout(PATIENCE, whole).await.expect("the callback's trace completes");
    let root = named(&spans, "provider callback", &SpanKind::Consumer);
    assert_eq!(root.parent_span_id, SpanId::INVALID);
    assert_ne!(root.span_context.trace_id(), asking.span_context.trace_id());
    let publish = named(&spans, "outbox publish", &SpanKind::Producer);
    assert_eq!(publish.parent_span_id, root.span_context.span_id());
    let call = named(&spans, "mall.Order/ApplyEvent", &SpanKind::Client);
    assert_eq!(call.parent_span_id, publish.span_context.span_id());
    assert_eq!(names(&spans).iter().filter(|name| name.starts_with("TRANSACTION")).count(), 2);
}

/// There is nothing to deliver.
struct Nowhere;

impl Deliver for Nowhere {
    async fn deliver(&mut self, events: &[OutboxEvent]) -> Vec<Delivery> {
        panic!("{events:?} in an empty outbox")
    }
}

#[tokio::test]
async fn an_idle_relay_leaves_no_spans() {
    let recorded = record_spans();
    let data = Data::with_stock(1).await;
    let db = Database::open(&data.sources.pay, "pay", Meters::disabled()).await.expect("opens");
    let payments = SqlPayments::new(db);
    let provider = Provider::new(Callbacks::new(payments.clone()), Duration::ZERO);
    let mut relay = Relay::new(payments, Nowhere, provider, "pay-rpc/1");
    let looks = async {
        for _ in 0..3 {
            assert_eq!(relay.turn().await, Ok(Turn::Idle));
        }
        Context::current().span().span_context().trace_id()
    };
    let trace = in_span("test", SpanKind::Internal, Vec::new, looks).await;
    assert_eq!(names(&recorded.of_trace(trace)), ["test"]);
}

#[tokio::test]
async fn making_statements_ready_leaves_no_spans_and_changes_nothing() {
    let recorded = record_spans();
    let data = Data::with_stock(3).await;
    let open = |source: String, namespace| async move {
        Database::open(&source, namespace, Meters::disabled()).await.expect("opens")
    };
    let orders = SqlOrders::new(open(data.sources.order.clone(), "order").await);
    let payments = SqlPayments::new(open(data.sources.pay.clone(), "pay").await);
    let before = orders.products(0, 10).await.expect("reads");
    let ready = async {
        orders.warm().await.expect("every statement is legal");
        payments.warm().await.expect("every statement is legal");
        Context::current().span().span_context().trace_id()
    };
    let trace = in_span("test", SpanKind::Internal, Vec::new, ready).await;
    assert_eq!(names(&recorded.of_trace(trace)), ["test"]);
    assert_eq!(orders.products(0, 10).await.expect("reads"), before);
    assert_eq!(orders.orders(1, 0, 10).await.expect("reads"), []);
    assert_eq!(payments.undelivered(10).await.expect("reads"), []);
}
