//! A shop's order and pay databases with a Redis between them, without the services around them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mall::config::Redis;
use mall::events::{ConsumerMeters, Line, PublisherMeters, Streams};
use mall::order::{
    Consumer, Event, Line as OrderLine, OrderRepository, OrderRow, PlaceError, Placed, Placement, ProductRow, SqlOrders,
};
use mall::pay::{Callbacks, NewPayment, PayRepository, Provider, Relay, Report, SqlPayments, StreamDelivery};
use mall::store::{Database, StoreError};
use mall::verify::{Verdict, check};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::figures::Figures;
use crate::servers::private::Private;
use crate::shop::Data;

/// Longest wait for anything that must happen; outages of the tests take some seconds of it.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Databases, a namespace of its own, and what runs on them.
pub struct Scene {
    pub data: Data,
    pub server: Redis,
    pub namespace: String,
    pub streams: Streams,
    pub orders: Counting,
    pub payments: SqlPayments,
    pub figures: Figures,
    stop: CancellationToken,
    running: Vec<JoinHandle<()>>,
    placed: u64,
}

impl Scene {
    /// On a server at `host:port`.
    pub async fn on(address: &str) -> Self {
        let data = Data::with_stock(10_000).await;
        let figures = Figures::new();
        let orders = Database::open(&data.sources.order, "order", figures.meters()).await.expect("opens");
        let payments = Database::open(&data.sources.pay, "pay", figures.meters()).await.expect("opens");
        let namespace = format!("test-{}", uuid::Uuid::new_v4());
        let streams = Streams::of(&namespace, &data.id);
        Self {
            data,
            server: Redis { host: address.trim_start_matches("redis://").to_owned(), ..Redis::default() },
            streams,
            namespace,
            orders: Counting::new(SqlOrders::new(orders)),
            payments: SqlPayments::new(payments),
            figures,
            stop: CancellationToken::new(),
            running: Vec::new(),
            placed: 0,
        }
    }

    /// Orders that are paid, or whose payment failed: each leaves an event in the outbox. Answers the order's id.
    pub async fn settled(&mut self, success: bool) -> i64 {
        self.placed += 1;
        let (user_id, key) = (3, format!("k{}", self.placed));
        let lines = vec![OrderLine { product_id: 1, quantity: 2, price: 0 }];
        let placement = Placement { user_id, idempotency_key: key.clone(), lines, trace_id: String::new() };
        let order = self.orders.place(placement).await.expect("places").order;
        let (order_id, amount, traceparent) = (order.id, order.total, String::new());
        let payment = NewPayment { order_id, user_id, amount, idempotency_key: key, traceparent };
        let payment_id = self.payments.initiate(payment).await.expect("initiates").payment.id;
        let (provider_ref, traceparent) = ("ref".to_owned(), String::new());
        let report = Report { payment_id, provider_ref, amount, success, traceparent };
        self.payments.settle(report).await.expect("settles");
        order_id
    }

    pub fn relay(&self) -> Relay<SqlPayments, StreamDelivery> {
        let meters = PublisherMeters::new(&self.figures.meters());
        let delivery = StreamDelivery::new(Line::new(self.server.clone()), self.streams.clone(), meters.clone());
        let provider = Provider::new(Callbacks::new(self.payments.clone()), Duration::ZERO);
        Relay::new(self.payments.clone(), delivery, provider, "pay-rpc/1").counted_by(meters)
    }

    pub fn consumer(&self, number: u32, orders: Counting) -> Consumer<Counting> {
        let meters = ConsumerMeters::new(&self.figures.meters());
        let line = Line::new(self.server.clone());
        Consumer::new(orders, line, self.streams.clone(), format!("order-rpc/{number}"), meters)
    }

    /// Starts the relay.
    pub fn publish(&mut self) {
        self.running.push(tokio::spawn(self.relay().run(self.stop.clone())));
    }

    /// Starts a consumer.
    pub fn consume(&mut self, number: u32) {
        let consumer = self.consumer(number, self.orders.clone());
        self.running.push(tokio::spawn(consumer.run(self.stop.clone())));
    }

    /// What was counted under this name.
    pub fn counted(&self, name: &str) -> u64 {
        self.figures.of(name, &[])
    }

    /// Waits until every event is confirmed.
    pub async fn drained(&self) {
        until(async || self.payments.undelivered(1).await.expect("reads").is_empty()).await;
    }

    /// Stops what runs, then judges the databases. Answers how many events were applied, and how many again.
    pub async fn judged(self) -> (u64, u64) {
        self.stop.cancel();
        for task in self.running {
            task.await.expect("ends in peace");
        }
        let report = check(&[], &self.data.snapshot().await);
        assert_eq!(report.verdict, Verdict::True, "{report:?}");
        let redis = Raw::to(&self.server.host).await;
        redis
            .ask::<()>(redis::cmd("DEL").arg(&self.streams.payments).arg(&self.streams.applied).arg(&self.streams.dead))
            .await;
        (self.orders.applied.load(Ordering::SeqCst), self.orders.again.load(Ordering::SeqCst))
    }
}

/// Waits for a condition.
pub async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it happens in the end");
}

/// A connection for looking and for meddling.
#[derive(Clone)]
pub struct Raw {
    connection: MultiplexedConnection,
}

impl Raw {
    pub async fn to(host: &str) -> Self {
        let client = redis::Client::open(format!("redis://{host}")).expect("an address");
        Self { connection: client.get_multiplexed_async_connection().await.expect("connects") }
    }

    pub async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        command.query_async(&mut self.connection.clone()).await.expect("answers")
    }

    pub async fn length(&self, stream: &str) -> usize {
        self.ask(redis::cmd("XLEN").arg(stream)).await
    }

    /// Messages that were read and not acknowledged.
    pub async fn pending(&self, stream: &str) -> usize {
        let answer = redis::cmd("XPENDING").arg(stream).arg(Streams::GROUP).to_owned();
        let summary: Result<(usize, redis::Value, redis::Value, redis::Value), _> =
            answer.query_async(&mut self.connection.clone()).await;
        summary.map_or(0, |(count, ..)| count)
    }
}

/// The orders, with every applied event counted, and a gate before each.
#[derive(Clone)]
pub struct Counting {
    inner: SqlOrders,
    pub gate: Arc<Semaphore>,
    pub applied: Arc<AtomicU64>,
    pub again: Arc<AtomicU64>,
}

impl Counting {
    fn new(inner: SqlOrders) -> Self {
        Self {
            inner,
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            applied: Arc::default(),
            again: Arc::default(),
        }
    }

    /// The same orders behind a gate that is shut; counted together.
    pub fn shut(&self) -> Self {
        Self { gate: Arc::new(Semaphore::new(0)), ..self.clone() }
    }
}

impl OrderRepository for Counting {
    async fn products(&self, after_id: i64, limit: i64) -> Result<Vec<ProductRow>, StoreError> {
        self.inner.products(after_id, limit).await
    }

    async fn product(&self, id: i64) -> Result<Option<ProductRow>, StoreError> {
        self.inner.product(id).await
    }

    async fn place(&self, placement: Placement) -> Result<Placed, PlaceError> {
        self.inner.place(placement).await
    }

    async fn order(&self, id: i64) -> Result<Option<OrderRow>, StoreError> {
        self.inner.order(id).await
    }

    async fn orders(&self, user_id: i64, before_id: i64, limit: i64) -> Result<Vec<OrderRow>, StoreError> {
        self.inner.orders(user_id, before_id, limit).await
    }

    async fn apply(&self, event: Event) -> Result<bool, StoreError> {
        let _passed = self.gate.acquire().await.expect("is never closed");
        let new = self.inner.apply(event).await?;
        let count = if new { &self.applied } else { &self.again };
        count.fetch_add(1, Ordering::SeqCst);
        Ok(new)
    }
}

/// Does something to a server while everything else goes on.
pub async fn meanwhile(server: &Arc<Private>, act: impl FnOnce(&Private) + Send + 'static) {
    let server = Arc::clone(server);
    tokio::task::spawn_blocking(move || act(&server)).await.expect("ends");
}
