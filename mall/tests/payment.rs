//! A payment ends once, its ledger balances, and the order service hears of it whatever crashes.

mod engines;
mod servers;
mod shop;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use engines::{Engine, trials};
use mall::order::{Event, EventKind, Line, OrderRepository, Placement, SqlOrders};
use mall::pay::{
    Callbacks, Deliver, Delivery, NewPayment, OutboxEvent, PayError, PayRepository, Provider, Relay, Report,
    SqlPayments, Turn,
};
use mall::store::Database;
use mall::telemetry::Meters;
use mall::verify::{Verdict, check};
use shop::Data;

async fn payments(data: &Data) -> SqlPayments {
    SqlPayments::new(Database::open(&data.sources.pay, "pay", Meters::disabled()).await.expect("opens"))
}

async fn orders(data: &Data) -> SqlOrders {
    SqlOrders::new(Database::open(&data.sources.order, "order", Meters::disabled()).await.expect("opens"))
}

/// An order of two pieces and its pending payment; answers their ids and the amount.
async fn ordered(orders: &SqlOrders, payments: &SqlPayments) -> (i64, i64, i64) {
    let lines = vec![Line { product_id: 1, quantity: 2, price: 0 }];
    let placement = Placement { user_id: 3, idempotency_key: "k".into(), lines, trace_id: String::new() };
    let order = orders.place(placement).await.expect("places").order;
    let initiated = payments.initiate(new_payment(order.id, order.total, "order-k")).await.expect("initiates");
    (order.id, initiated.payment.id, order.total)
}

fn new_payment(order_id: i64, amount: i64, key: &str) -> NewPayment {
    NewPayment { order_id, user_id: 3, amount, idempotency_key: key.into(), traceparent: String::new() }
}

fn report(payment_id: i64, amount: i64, success: bool) -> Report {
    Report { payment_id, provider_ref: "ref".into(), amount, success, traceparent: String::new() }
}

/// Delivers straight into the order database; while `broken`, nothing arrives.
#[derive(Clone)]
struct Direct {
    orders: SqlOrders,
    broken: Arc<Mutex<bool>>,
    delivered: Arc<Mutex<Vec<String>>>,
}

impl Direct {
    fn new(orders: SqlOrders) -> Self {
        Self { orders, broken: Arc::default(), delivered: Arc::default() }
    }

    async fn one(&self, event: &OutboxEvent) -> Delivery {
        if *self.broken.lock().expect("not poisoned") {
            return Delivery::Failed("order service is down".to_owned());
        }
        let event = Event { id: event.event_id.clone(), kind: event.kind, order_id: event.order_id };
        self.orders.apply(event.clone()).await.expect("applies");
        self.delivered.lock().expect("not poisoned").push(event.id);
        Delivery::Confirmed
    }
}

impl Deliver for Direct {
    async fn deliver(&mut self, events: &[OutboxEvent]) -> Vec<Delivery> {
        let mut outcomes = Vec::new();
        for event in events {
            outcomes.push(self.one(event).await);
        }
        outcomes
    }
}

fn relay(payments: &SqlPayments, delivery: &Direct, holder: &str) -> Relay<SqlPayments, Direct> {
    let provider = Provider::new(Callbacks::new(payments.clone()), Duration::ZERO);
    Relay::new(payments.clone(), delivery.clone(), provider, holder)
}

async fn a_report_counts_once(engine: Engine) {
    let data = engine.data(10).await;
    let (orders, payments) = (orders(&data).await, payments(&data).await);
    let (_, payment, amount) = ordered(&orders, &payments).await;
    assert!(payments.settle(report(payment, amount, true)).await.expect("settles").changed);
    let again = payments.settle(report(payment, amount, true)).await.expect("is idempotent");
    assert!(!again.changed && again.payment.status == "SUCCESS");
    let contrary = payments.settle(report(payment, amount, false)).await.expect("changes nothing");
    assert_eq!(contrary.payment.status, "SUCCESS");
    let snapshot = data.snapshot().await;
    assert_eq!((snapshot.payments[0].entries, snapshot.payments[0].balance, snapshot.outbox.len()), (2, 0, 1));
}

async fn a_report_over_another_amount_is_refused(engine: Engine) {
    let data = engine.data(10).await;
    let (orders, payments) = (orders(&data).await, payments(&data).await);
    let (_, payment, amount) = ordered(&orders, &payments).await;
    let outcome = payments.settle(report(payment, amount - 1, true)).await;
    assert!(matches!(outcome, Err(PayError::Amount { .. })), "{outcome:?}");
    assert!(matches!(payments.settle(report(99, 1, true)).await, Err(PayError::NoPayment(99))));
    assert_eq!(data.snapshot().await.payments[0].status, "PENDING");
}

async fn an_order_is_paid_at_most_once(engine: Engine) {
    let data = engine.data(10).await;
    let (orders, payments) = (orders(&data).await, payments(&data).await);
    let (order, first, amount) = ordered(&orders, &payments).await;
    let second = payments.initiate(new_payment(order, amount, "other key")).await.expect("initiates").payment.id;
    assert_eq!(payments.settle(report(first, amount, true)).await.expect("settles").payment.status, "SUCCESS");
    assert_eq!(payments.settle(report(second, amount, true)).await.expect("settles").payment.status, "FAILED");
    let delivery = Direct::new(orders);
    relay(&payments, &delivery, "pay-rpc/1").turn().await.expect("relays");
    let snapshot = data.snapshot().await;
    assert_eq!(snapshot.orders[0].status, "PAID");
    assert_eq!(check(&[], &snapshot).verdict, Verdict::True);
}

async fn a_payment_key_is_replayed_or_refused(engine: Engine) {
    let data = engine.data(10).await;
    let payments = payments(&data).await;
    let first = payments.initiate(new_payment(1, 500, "k")).await.expect("initiates");
    let again = payments.initiate(new_payment(1, 500, "k")).await.expect("replays");
    assert!(!first.replayed && again.replayed && first.payment == again.payment);
    assert!(matches!(payments.initiate(new_payment(1, 501, "k")).await, Err(PayError::KeyReused)));
}

async fn a_crash_before_the_relay_loses_nothing(engine: Engine) {
    let data = engine.data(10).await;
    let (orders, payments) = (orders(&data).await, payments(&data).await);
    let (order, payment, amount) = ordered(&orders, &payments).await;
    let delivery = Direct::new(orders.clone());
    *delivery.broken.lock().expect("not poisoned") = true;
    let mut first = relay(&payments, &delivery, "pay-rpc/1");
    payments.settle(report(payment, amount, true)).await.expect("settles");
    assert!(first.turn().await.is_err(), "the order service is down");
    drop(first);
    assert_eq!(orders.order(order).await.expect("reads").expect("is there").status, "PENDING");

    // The process comes back, and so does the order service.
    *delivery.broken.lock().expect("not poisoned") = false;
    let mut second = relay(&payments, &delivery, "pay-rpc/1");
    assert_eq!(second.turn().await, Ok(Turn::Delivered(1)));
    assert_eq!(second.turn().await, Ok(Turn::Idle));
    assert_eq!(orders.order(order).await.expect("reads").expect("is there").status, "PAID");
    assert_eq!(check(&[], &data.snapshot().await).verdict, Verdict::True);
}

async fn a_crash_after_delivery_applies_nothing_twice(engine: Engine) {
    let data = engine.data(10).await;
    let (orders, payments) = (orders(&data).await, payments(&data).await);
    let (order, payment, amount) = ordered(&orders, &payments).await;
    payments.settle(report(payment, amount, false)).await.expect("settles");
    let events = payments.undelivered(10).await.expect("reads");
    // Delivered by a process that died before it could remember.
    let delivery = Direct::new(orders.clone());
    assert_eq!(delivery.one(&events[0]).await, Delivery::Confirmed);
    relay(&payments, &delivery, "pay-rpc/2").turn().await.expect("relays");
    assert_eq!(delivery.delivered.lock().expect("not poisoned").len(), 2);
    assert_eq!(orders.order(order).await.expect("reads").expect("is there").status, "CLOSED");
    let snapshot = data.snapshot().await;
    assert_eq!(snapshot.products[0].available, 10, "the stock came back once");
    assert_eq!(check(&[], &snapshot).verdict, Verdict::True);
}

async fn a_late_event_does_not_move_a_closed_order(engine: Engine) {
    let data = engine.data(10).await;
    let (orders, payments) = (orders(&data).await, payments(&data).await);
    let (order, _, _) = ordered(&orders, &payments).await;
    let event = |id: &str, kind| Event { id: id.into(), kind, order_id: order };
    assert!(orders.apply(event("a", EventKind::Failed)).await.expect("applies"));
    assert!(orders.apply(event("b", EventKind::Succeeded)).await.expect("is remembered"));
    assert!(!orders.apply(event("a", EventKind::Failed)).await.expect("is known"));
    assert_eq!(orders.order(order).await.expect("reads").expect("is there").status, "CLOSED");
    assert_eq!(data.snapshot().await.products[0].available, 10);
}

async fn one_replica_relays_at_a_time(engine: Engine) {
    let data = engine.data(10).await;
    let (orders, payments) = (orders(&data).await, payments(&data).await);
    let delivery = Direct::new(orders);
    assert_eq!(relay(&payments, &delivery, "pay-rpc/1").turn().await, Ok(Turn::Idle));
    assert_eq!(relay(&payments, &delivery, "pay-rpc/2").turn().await, Ok(Turn::NotHolder));
    assert_eq!(relay(&payments, &delivery, "pay-rpc/1").turn().await, Ok(Turn::Idle), "a restarted holder goes on");
    assert!(payments.lease("outbox relay", "pay-rpc/1", 0).await.expect("ends its lease"));
    assert_eq!(relay(&payments, &delivery, "pay-rpc/2").turn().await, Ok(Turn::Idle));
}

async fn a_lost_report_is_asked_for_again(engine: Engine) {
    let data = engine.data(10).await;
    let (orders, payments) = (orders(&data).await, payments(&data).await);
    let (order, payment, _) = ordered(&orders, &payments).await;
    let overdue = payments.overdue(mall::store::unix_ms() + 1_000, 10).await.expect("reads");
    assert_eq!(overdue.iter().map(|payment| payment.id).collect::<Vec<_>>(), [payment]);
    assert!(payments.overdue(0, 10).await.expect("reads").is_empty(), "a fresh payment is not overdue");
    Provider::new(Callbacks::new(payments.clone()), Duration::ZERO).report(&overdue[0]).await;
    let delivery = Direct::new(orders.clone());
    relay(&payments, &delivery, "pay-rpc/1").turn().await.expect("relays");
    assert_eq!(orders.order(order).await.expect("reads").expect("is there").status, "PAID");
}

fn main() {
    servers::run(trials!(on_each:
        a_report_counts_once,
        a_report_over_another_amount_is_refused,
        an_order_is_paid_at_most_once,
        a_payment_key_is_replayed_or_refused,
        a_crash_before_the_relay_loses_nothing,
        a_crash_after_delivery_applies_nothing_twice,
        a_late_event_does_not_move_a_closed_order,
        one_replica_relays_at_a_time,
        a_lost_report_is_asked_for_again,
    ));
}
