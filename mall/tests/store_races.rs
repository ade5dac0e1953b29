//! What concurrent writers may not do to each other, on SQLite and on a server; what a server's own conflicts cost.

mod engines;
mod figures;
mod servers;
mod shop;

use std::time::Duration;

use engines::{Engine, trials};
use figures::Figures;
use mall::error::{AppError, Reason};
use mall::order::{Event, EventKind, Line, OrderRepository, PlaceError, Placement, SqlOrders};
use mall::pay::{NewPayment, PayRepository, Report, SqlPayments};
use mall::store::{Database, StoreError, data_id, migrate_and_seed};
use mall::telemetry::Meters;
use mall::user::{NewUser, SqlUsers, UserRepository};
use mall::verify::{Verdict, check};
use shop::{Data, PATIENCE};
use sqlx::{Connection as _, MySqlConnection, Row as _};

async fn open(source: &str, name: &'static str) -> Database {
    Database::open(source, name, Meters::disabled()).await.expect("opens")
}

async fn orders(data: &Data) -> SqlOrders {
    SqlOrders::new(open(&data.sources.order, "order").await)
}

async fn payments(data: &Data) -> SqlPayments {
    SqlPayments::new(open(&data.sources.pay, "pay").await)
}

fn placement(key: &str, products: &[i64]) -> Placement {
    let line = |&product_id: &i64| Line { product_id, quantity: 1, price: 0 };
    Placement {
        user_id: 1,
        idempotency_key: key.to_owned(),
        lines: products.iter().map(line).collect(),
        trace_id: String::new(),
    }
}

fn new_payment(order_id: i64, key: &str) -> NewPayment {
    NewPayment { order_id, user_id: 1, amount: 500, idempotency_key: key.into(), traceparent: String::new() }
}

fn report(payment_id: i64, success: bool) -> Report {
    Report { payment_id, provider_ref: "ref".into(), amount: 500, success, traceparent: String::new() }
}

async fn a_mobile_number_is_one_user(engine: Engine) {
    let data = engine.data(1).await;
    let users = SqlUsers::new(open(&data.sources.user, "user").await);
    users.warm().await.expect("prepares");
    let new = |mobile: &str| NewUser { name: "Ada".into(), mobile: mobile.into(), password_hash: "hash".into() };
    let (first, second) = futures::join!(users.insert(new("155")), users.insert(new("155")));
    let [taken, free] = if first.is_ok() { [second, first] } else { [first, second] };
    assert!(matches!(taken, Err(StoreError::Unique(_))), "{taken:?}");
    let id = free.expect("one of them is stored");
    let found = users.find_by_mobile("155").await.expect("reads").expect("is there");
    assert_eq!((found.id, found.name.as_str(), found.vip), (id, "Ada", false));
    assert!(users.find(10).await.expect("reads").expect("was seeded").vip, "every tenth is favoured");
    assert!(!users.find(9).await.expect("reads").expect("was seeded").vip);
    assert!(users.find(id + 100).await.expect("reads").is_none());
}

async fn orders_are_listed_newest_first_by_page(engine: Engine) {
    let data = engine.data(10).await;
    let orders = orders(&data).await;
    orders.warm().await.expect("prepares");
    let mut ids = Vec::new();
    for key in ["a", "b", "c"] {
        ids.push(orders.place(placement(key, &[1, 3])).await.expect("places").order.id);
    }
    ids.reverse();
    let page = orders.orders(1, 0, 2).await.expect("reads");
    assert_eq!(page.iter().map(|order| order.id).collect::<Vec<_>>(), ids[..2]);
    assert!(page.iter().all(|order| order.lines.len() == 2 && order.total > 0));
    let rest = orders.orders(1, ids[1], 2).await.expect("reads");
    assert_eq!(rest.iter().map(|order| order.id).collect::<Vec<_>>(), ids[2..]);
    let products = orders.products(3, 10).await.expect("reads");
    assert_eq!(products.iter().map(|product| product.id).collect::<Vec<_>>(), [4, 5]);
}

/// The stock is gone when the second request gets its turn, because the first one took it: both are one order.
async fn the_last_piece_under_one_key_is_one_order(engine: Engine) {
    let data = engine.data(1).await;
    let writers = [orders(&data).await, orders(&data).await, orders(&data).await];
    let placed = futures::future::join_all(writers.iter().map(|writer| writer.place(placement("same", &[2])))).await;
    let placed: Vec<_> = placed.into_iter().map(|outcome| outcome.expect("places or replays")).collect();
    assert_eq!(placed.iter().filter(|placed| !placed.replayed).count(), 1);
    assert_eq!(data.snapshot().await.orders.len(), 1);
}

async fn an_event_is_applied_once_whoever_brings_it(engine: Engine) {
    let data = engine.data(10).await;
    let writers = [orders(&data).await, orders(&data).await];
    let order = writers[0].place(placement("k", &[1, 2, 3])).await.expect("places").order.id;
    let event = || Event { id: "payment-1".into(), kind: EventKind::Failed, order_id: order };
    let applied = futures::future::join_all((0..8).map(|number| writers[number % 2].apply(event()))).await;
    assert_eq!(applied.into_iter().filter(|outcome| *outcome.as_ref().expect("applies")).count(), 1);
    let snapshot = data.snapshot().await;
    assert_eq!(snapshot.orders[0].status, "CLOSED");
    assert!(snapshot.products.iter().all(|product| product.available == 10), "the stock came back once");
}

async fn of_two_payments_at_once_one_pays(engine: Engine) {
    let data = engine.data(10).await;
    let writers = [payments(&data).await, payments(&data).await];
    for order in 1..=5 {
        let first = writers[0].initiate(new_payment(order, &format!("a{order}"))).await.expect("initiates").payment.id;
        let second = writers[1].initiate(new_payment(order, &format!("b{order}"))).await.expect("initiates").payment.id;
        let (one, other) =
            futures::join!(writers[0].settle(report(first, true)), writers[1].settle(report(second, true)));
        let mut statuses = [one, other].map(|outcome| outcome.expect("settles").payment.status);
        statuses.sort();
        assert_eq!(statuses, ["FAILED", "SUCCESS"]);
    }
    let snapshot = data.snapshot().await;
    assert!(snapshot.payments.iter().all(|payment| payment.balance == 0));
    assert_eq!(snapshot.outbox.len(), 5, "only who paid tells of it");
}

async fn one_report_settles_once_and_one_key_starts_once(engine: Engine) {
    let data = engine.data(10).await;
    let writers = [payments(&data).await, payments(&data).await];
    let started =
        futures::future::join_all((0..6).map(|number| writers[number % 2].initiate(new_payment(1, "k")))).await;
    let started: Vec<_> = started.into_iter().map(|outcome| outcome.expect("starts or replays")).collect();
    assert_eq!(started.iter().filter(|started| !started.replayed).count(), 1);
    let id = started[0].payment.id;
    let settled = futures::future::join_all((0..6).map(|number| writers[number % 2].settle(report(id, true)))).await;
    assert_eq!(settled.into_iter().filter(|outcome| outcome.as_ref().expect("settles").changed).count(), 1);
    let snapshot = data.snapshot().await;
    assert_eq!((snapshot.payments[0].entries, snapshot.outbox.len()), (2, 1));
}

async fn a_lease_has_one_holder(engine: Engine) {
    let data = engine.data(1).await;
    let replicas = [payments(&data).await, payments(&data).await];
    let until = mall::store::unix_ms() + 60_000;
    let (first, second) =
        futures::join!(replicas[0].lease("relay", "pay/1", until), replicas[1].lease("relay", "pay/2", until));
    assert!(first.expect("asks") ^ second.expect("asks"), "exactly one of them holds it");
}

async fn what_is_published_but_not_applied_is_no_rest(engine: Engine) {
    let data = engine.data(10).await;
    let (orders, payments) = (orders(&data).await, payments(&data).await);
    let order = orders.place(placement("k", &[1])).await.expect("places").order.id;
    let payment = payments.initiate(new_payment(order, "k")).await.expect("initiates").payment.id;
    payments.settle(report(payment, true)).await.expect("settles");
    let events = payments.undelivered(10).await.expect("reads");
    assert_eq!(data.snapshot().await.unrest().as_deref(), Some("1 events not delivered, 0 payments pending"));
    payments.delivered(&[events[0].id]).await.expect("remembers");
    assert!(payments.undelivered(10).await.expect("reads").is_empty());
    let unrest = data.snapshot().await.unrest().expect("the order does not know yet");
    assert!(unrest.contains("1 delivered but not applied"), "{unrest}");
    let event = Event { id: events[0].event_id.clone(), kind: events[0].kind, order_id: order };
    orders.apply(event).await.expect("applies");
    assert_eq!(data.snapshot().await.unrest(), None);
}

async fn preparing_at_once_seeds_once(engine: Engine) {
    let folder = tempfile::tempdir().expect("folder");
    let sources = engine.sources(folder.path());
    let configs = [&sources.user, &sources.order, &sources.pay].map(|source| engines::config("migrate", source));
    let ids = futures::future::join_all(configs.iter().map(migrate_and_seed)).await;
    let id = data_id(&sources).await.expect("reads");
    assert!(ids.into_iter().all(|prepared| prepared.expect("prepares") == id));
    let found = orders(&Data { folder, sources, id }).await.products(0, 1_000).await.expect("reads");
    assert_eq!(found.len(), 200);
}

/// A client of its own, for what a repository would never do.
async fn intruder(data: &Data) -> MySqlConnection {
    MySqlConnection::connect(&data.sources.order).await.expect("connects")
}

async fn run(connection: &mut MySqlConnection, text: &'static str) {
    sqlx::raw_sql(text).execute(connection).await.expect("runs");
}

/// Waits until somebody waits for a lock in this database.
async fn until_blocked(data: &Data) {
    let mut observer = intruder(data).await;
    let blocked = async {
        // Read more often than every 100 ms, whoever reads, the table is never refreshed: readers wait for each other.
        let text = "SELECT count(*) FROM information_schema.innodb_trx t JOIN information_schema.processlist p
                    ON p.id = t.trx_mysql_thread_id WHERE t.trx_state = 'LOCK WAIT' AND p.db = database()";
        loop {
            run(&mut observer, "SELECT get_lock('mall-test-observer', 60)").await;
            tokio::time::sleep(Duration::from_millis(120)).await;
            let row = sqlx::query(text).fetch_one(&mut observer).await.expect("reads");
            if row.get::<i64, _>(0) > 0 {
                return;
            }
            run(&mut observer, "SELECT release_lock('mall-test-observer')").await;
        }
    };
    tokio::time::timeout(PATIENCE, blocked).await.expect("somebody waits");
}

async fn a_deadlock_is_tried_again(engine: Engine) {
    let data = engine.data(10).await;
    let figures = Figures::new();
    let orders = SqlOrders::new(Database::open(&data.sources.order, "order", figures.meters()).await.expect("opens"));
    let mut intruder = intruder(&data).await;
    // Many rows: of two transactions in a deadlock the server ends the lighter one.
    run(&mut intruder, "BEGIN; UPDATE products SET name = concat(name, '!') WHERE id >= 2").await;
    let placing = orders.place(placement("k", &[1, 2]));
    let interfering = async {
        until_blocked(&data).await;
        // The order holds product 1 and waits for product 2. That this succeeds means that the order was rolled back.
        run(&mut intruder, "UPDATE products SET name = concat(name, '!') WHERE id = 1; COMMIT").await;
    };
    let (placed, ()) = futures::join!(placing, interfering);
    assert!(!placed.expect("the second try succeeds").replayed);
    assert_eq!(figures.of("store_retries_total", &[("cause", "deadlock")]), 1);
    let snapshot = data.snapshot().await;
    assert_eq!((snapshot.products[0].available, snapshot.products[1].available), (9, 9));
    assert_eq!(check(&[], &snapshot).verdict, Verdict::True);
}

async fn a_lock_that_is_never_released_is_answered_as_busy(engine: Engine) {
    let data = engine.data(10).await;
    let orders = orders(&data).await;
    let mut intruder = intruder(&data).await;
    run(&mut intruder, "BEGIN; UPDATE products SET name = concat(name, '!') WHERE id = 1").await;
    let in_time = mall::deadline::within(Some(Duration::from_secs(2)), orders.place(placement("k", &[1])));
    let outcome = in_time.await.expect("is answered within a request's time");
    let Err(PlaceError::Store(error @ StoreError::LockTimeout(_))) = outcome else { panic!("{outcome:?}") };
    assert_eq!(AppError::from(error).reason(), Reason::Downstream);
    run(&mut intruder, "ROLLBACK").await;
    orders.place(placement("k", &[1])).await.expect("places once the lock is free");
    assert_eq!(data.snapshot().await.products[0].available, 9);
}

async fn a_cut_off_transaction_leaves_nothing(engine: Engine) {
    let data = engine.data(10).await;
    let orders = orders(&data).await;
    let mut intruder = intruder(&data).await;
    run(&mut intruder, "BEGIN; UPDATE products SET name = concat(name, '!') WHERE id = 2").await;
    let placing = orders.place(placement("k", &[1, 2]));
    tokio::select! {
        outcome = placing => panic!("must wait for product 2: {outcome:?}"),
        () = until_blocked(&data) => {}
    }
    // The caller has gone; what it had reserved must be free as soon as the lock is.
    run(&mut intruder, "ROLLBACK").await;
    orders.place(placement("other", &[1, 2])).await.expect("places");
    let snapshot = data.snapshot().await;
    assert_eq!((snapshot.orders.len(), snapshot.products[0].available), (1, 9));
}

async fn text_is_compared_as_it_is_written(engine: Engine) {
    let data = engine.data(10).await;
    let orders = orders(&data).await;
    let lower = orders.place(placement("key", &[1])).await.expect("places").order.id;
    let upper = orders.place(placement("KEY", &[1])).await.expect("is another key").order.id;
    assert_ne!(lower, upper);
}

async fn an_unprepared_database_is_named_with_the_mend(engine: Engine) {
    let folder = tempfile::tempdir().expect("folder");
    let sources = engine.sources(folder.path());
    let Err(error) = Database::open(&sources.pay, "pay", Meters::disabled()).await else { panic!("there is none") };
    let message = error.to_string();
    assert!(message.contains("mallctl serve migrate") && message.contains("_pay"), "{message}");
}

fn main() {
    let both = trials!(on_each:
        a_mobile_number_is_one_user,
        orders_are_listed_newest_first_by_page,
        the_last_piece_under_one_key_is_one_order,
        an_event_is_applied_once_whoever_brings_it,
        of_two_payments_at_once_one_pays,
        one_report_settles_once_and_one_key_starts_once,
        a_lease_has_one_holder,
        what_is_published_but_not_applied_is_no_rest,
        text_is_compared_as_it_is_written,
    );
    let server = trials!(on_mysql:
        preparing_at_once_seeds_once,
        a_deadlock_is_tried_again,
        a_lock_that_is_never_released_is_answered_as_busy,
        a_cut_off_transaction_leaves_nothing,
        an_unprepared_database_is_named_with_the_mend,
    );
    servers::run(both.into_iter().chain(server).collect());
}
