//! Order events over a real Redis: each is applied once, whoever dies on the way.

mod figures;
mod servers;
mod shop;
mod streams;
mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mall::config::{Role, ServiceConfig};
use mall::context::ServiceContext;
use mall::discovery::Static;
use mall::order::OrderRepository;
use mall::pay::{PayRepository, Turn};
use mall::telemetry::Meters;
use mall::{order, pay};
use opentelemetry::trace::{SpanId, SpanKind};
use opentelemetry_sdk::trace::SpanData;
use servers::private::Private;
use servers::{Server, test};
use streams::{Raw, Scene, meanwhile, until};
use support::{attribute, record_spans};
use tokio_util::sync::CancellationToken;

/// Names and values of a stream's entry.
type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn main() {
    servers::run(vec![
        test("every_event_is_applied_once_by_several_consumers", &[Server::Redis], several_consumers),
        test("what_a_dead_consumer_left_is_applied_by_another", &[Server::Redis], a_dead_consumer),
        test("a_redis_that_comes_back_empty_costs_only_time", &[Server::Redis], || comes_back(false)),
        test("a_redis_that_comes_back_with_its_data_costs_only_time", &[Server::Redis], || comes_back(true)),
        test("an_unreadable_message_is_set_aside", &[Server::Redis], an_unreadable_message),
        test("a_message_that_vanished_is_published_again", &[Server::Redis], a_vanished_message),
        test("a_confirmation_of_an_earlier_life_does_not_count", &[Server::Redis], an_old_confirmation),
        test("a_stopping_consumer_finishes_and_confirms", &[Server::Redis], a_stopping_consumer),
        test("processing_is_a_trace_of_its_own_linked_to_the_publishing", &[Server::Redis], linked_traces),
        test("services_with_a_redis_exchange_events_over_it", &[Server::Redis], services),
    ])
}

async fn several_consumers() {
    let mut scene = Scene::on(&Server::Redis.address()).await;
    for number in 1..=3 {
        scene.consume(number);
    }
    scene.publish();
    for number in 0..120 {
        scene.settled(number % 10 != 0).await;
    }
    scene.drained().await;
    let redis = Raw::to(&scene.server.host).await;
    assert_eq!(redis.length(&scene.streams.payments).await, 0, "what is confirmed is deleted");
    assert_eq!(redis.pending(&scene.streams.payments).await, 0);
    assert_eq!(redis.length(&scene.streams.dead).await, 0);
    let counted =
        ["events_published_total", "events_applied_total", "events_dead_total"].map(|name| scene.counted(name));
    assert_eq!(counted, [120, 120, 0]);
    assert_eq!(scene.judged().await.0, 120);
}

async fn a_dead_consumer() {
    let mut scene = Scene::on(&Server::Redis.address()).await;
    for _ in 0..20 {
        scene.settled(true).await;
    }
    let dying = scene.consumer(1, scene.orders.shut());
    let dying = tokio::spawn(dying.run(CancellationToken::new()));
    scene.publish();
    let redis = Raw::to(&scene.server.host).await;
    until(async || redis.pending(&scene.streams.payments).await > 0).await;
    dying.abort();
    assert_eq!(scene.orders.applied.load(Ordering::SeqCst), 0);
    scene.consume(2);
    scene.drained().await;
    assert_eq!(redis.pending(&scene.streams.payments).await, 0);
    assert!(scene.counted("events_claimed_total") >= 1);
    assert_eq!(scene.judged().await.0, 20);
}

async fn comes_back(with_data: bool) {
    let server = Arc::new(Private::start("redis"));
    let mut scene = Scene::on(&server.address).await;
    scene.consume(1);
    scene.consume(2);
    scene.publish();
    for _ in 0..40 {
        scene.settled(true).await;
    }
    // Killed while some are applied, some are on their way and some were not published.
    until(async || scene.orders.applied.load(Ordering::SeqCst) > 0).await;
    meanwhile(&server, if with_data { Private::kill } else { Private::kill_and_forget }).await;
    for _ in 0..40 {
        scene.settled(false).await;
    }
    meanwhile(&server, Private::restart).await;
    for _ in 0..40 {
        scene.settled(true).await;
    }
    scene.drained().await;
    assert_eq!(scene.judged().await.0, 120, "each once, whatever was delivered twice");
}

async fn an_unreadable_message() {
    let mut scene = Scene::on(&Server::Redis.address()).await;
    let redis = Raw::to(&scene.server.host).await;
    let stream = scene.streams.payments.clone();
    redis.ask::<String>(redis::cmd("XADD").arg(&stream).arg("*").arg(b"\xff\xfe").arg(b"\xfd")).await;
    let later = [("event_id", "payment-9"), ("kind", "REFUNDED"), ("order_id", "1")];
    redis.ask::<String>(redis::cmd("XADD").arg(&stream).arg("*").arg(&later)).await;
    let order_id = scene.settled(true).await;
    let left = [("event_id", "payment-1"), ("kind", "FAILED"), ("data", "of last year")];
    redis.ask::<String>(redis::cmd("XADD").arg(&stream).arg("*").arg(&left)).await;
    scene.consume(1);
    scene.publish();
    scene.drained().await;
    until(async || redis.length(&scene.streams.dead).await == 3).await;
    let dead: Vec<(String, Fields)> = redis.ask(redis::cmd("XRANGE").arg(&scene.streams.dead).arg("-").arg("+")).await;
    let reasons: HashSet<_> = dead
        .iter()
        .flat_map(|(_, fields)| fields)
        .filter(|(name, _)| name == b"dead.reason")
        .map(|(_, reason)| String::from_utf8_lossy(reason).into_owned())
        .collect();
    let expected =
        ["field `kind` is missing", "field `kind` cannot be `REFUNDED`", "it is about other data: of last year"];
    assert_eq!(reasons, expected.map(str::to_owned).into());
    assert!(
        dead.iter().any(|(_, fields)| fields.contains(&(b"\xff\xfe".to_vec(), b"\xfd".to_vec()))),
        "kept as it was"
    );
    assert_eq!(scene.counted("events_dead_total"), 3);
    assert_eq!(redis.length(&stream).await + redis.pending(&stream).await, 0, "it does not come again");
    assert_eq!(scene.orders.order(order_id).await.expect("reads").expect("is there").status, "PAID");
    assert_eq!(scene.judged().await, (1, 0));
}

async fn a_vanished_message() {
    let mut scene = Scene::on(&Server::Redis.address()).await;
    scene.settled(true).await;
    let redis = Raw::to(&scene.server.host).await;
    let mut relay = scene.relay();
    assert_eq!(relay.turn().await, Ok(Turn::Underway), "nobody is there to confirm");
    assert_eq!(redis.length(&scene.streams.payments).await, 1);
    assert_eq!(relay.turn().await, Ok(Turn::Underway));
    assert_eq!(redis.length(&scene.streams.payments).await, 1, "what is there is not published again");
    redis.ask::<()>(redis::cmd("DEL").arg(&scene.streams.payments)).await;
    until(async || {
        assert_eq!(relay.turn().await, Ok(Turn::Underway));
        redis.length(&scene.streams.payments).await == 1
    })
    .await;
    scene.consume(1);
    until(async || relay.turn().await == Ok(Turn::Delivered(1))).await;
    assert!(scene.counted("events_republished_total") >= 1);
    assert_eq!(scene.judged().await, (1, 0));
}

async fn an_old_confirmation() {
    let mut scene = Scene::on(&Server::Redis.address()).await;
    scene.settled(true).await;
    let event_id = scene.payments.undelivered(1).await.expect("reads")[0].event_id.clone();
    let redis = Raw::to(&scene.server.host).await;
    let confirmation = [("publisher", "another life"), ("event_id", event_id.as_str())];
    redis.ask::<String>(redis::cmd("XADD").arg(&scene.streams.applied).arg("*").arg(&confirmation)).await;
    let mut relay = scene.relay();
    assert_eq!(relay.turn().await, Ok(Turn::Underway));
    assert_eq!(scene.payments.undelivered(1).await.expect("reads").len(), 1);
    scene.consume(1);
    until(async || relay.turn().await == Ok(Turn::Delivered(1))).await;
    assert_eq!(scene.judged().await, (1, 0));
}

async fn a_stopping_consumer() {
    let mut scene = Scene::on(&Server::Redis.address()).await;
    let order_id = scene.settled(true).await;
    let mut relay = scene.relay();
    assert_eq!(relay.turn().await, Ok(Turn::Underway));
    let behind_gate = scene.orders.shut();
    let gate = Arc::clone(&behind_gate.gate);
    let stop = CancellationToken::new();
    let consumer = tokio::spawn(scene.consumer(1, behind_gate).run(stop.clone()));
    let redis = Raw::to(&scene.server.host).await;
    until(async || redis.pending(&scene.streams.payments).await == 1).await;
    stop.cancel();
    gate.add_permits(1);
    consumer.await.expect("ends in peace");
    assert_eq!(scene.orders.order(order_id).await.expect("reads").expect("is there").status, "PAID");
    assert_eq!(redis.pending(&scene.streams.payments).await, 0);
    assert_eq!(relay.turn().await, Ok(Turn::Delivered(1)), "it was confirmed before the consumer left");
    assert_eq!(scene.judged().await, (1, 0));
}

async fn linked_traces() {
    let recorded = record_spans();
    let mut scene = Scene::on(&Server::Redis.address()).await;
    scene.settled(true).await;
    scene.consume(1);
    scene.publish();
    scene.drained().await;
    let ours =
        |span: &SpanData| attribute(span, "messaging.destination.name").as_deref() == Some(&*scene.streams.payments);
    let spans: Vec<SpanData> = recorded.all().into_iter().filter(ours).collect();
    let publish = spans.iter().find(|span| span.name == "payments publish").expect("a publishing span");
    let process = spans.iter().find(|span| span.name == "payments process").expect("a processing span");
    assert_eq!(spans.len(), 2, "one of each, and none for waiting");
    assert_eq!((&publish.span_kind, &process.span_kind), (&SpanKind::Producer, &SpanKind::Consumer));
    assert_eq!(process.parent_span_id, SpanId::INVALID);
    assert_ne!(process.span_context.trace_id(), publish.span_context.trace_id());
    let linked: Vec<_> =
        process.links.iter().map(|link| (link.span_context.trace_id(), link.span_context.span_id())).collect();
    assert_eq!(linked, [(publish.span_context.trace_id(), publish.span_context.span_id())]);
    let said = |span: &SpanData, key: &str| attribute(span, key);
    assert_eq!(said(publish, "messaging.operation.type").as_deref(), Some("send"));
    assert_eq!(said(process, "messaging.operation.type").as_deref(), Some("process"));
    assert_eq!(said(process, "messaging.consumer.group.name").as_deref(), Some("order-rpc"));
    assert_eq!(said(process, "messaging.message.id"), said(publish, "messaging.message.id"));
    let inner = recorded.of_trace(process.span_context.trace_id());
    let transaction = inner.iter().find(|span| span.name == "TRANSACTION apply event").expect("the transaction");
    assert_eq!(transaction.parent_span_id, process.span_context.span_id());
    assert_eq!(scene.judged().await, (1, 0));
}

async fn services() {
    let mut scene = Scene::on(&Server::Redis.address()).await;
    let context = |role: Role, source: &str| {
        let mut config = ServiceConfig::new(role.name());
        config.data_source = source.to_owned().into();
        config.redis = Some(scene.server.clone());
        config.mall.namespace.clone_from(&scene.namespace);
        ServiceContext::new(config, Meters::disabled(), Arc::new(Static::new()))
    };
    let order_rpc = context(Role::OrderRpc, &scene.data.sources.order);
    let pay_rpc = context(Role::PayRpc, &scene.data.sources.pay);
    order::routes(&order_rpc).await.expect("starts");
    pay::routes(&pay_rpc).await.expect("starts");
    // Nobody serves or finds ApplyEvent here.
    let order_id = scene.settled(false).await;
    scene.drained().await;
    assert_eq!(scene.orders.order(order_id).await.expect("reads").expect("is there").status, "CLOSED");
    order_rpc.stop().cancel();
    pay_rpc.stop().cancel();
    scene.judged().await;
}
