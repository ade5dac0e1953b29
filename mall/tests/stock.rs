//! Stock is reserved with the order or not at all, whoever writes at the same time.

mod engines;
mod servers;
mod shop;

use std::collections::BTreeSet;

use engines::{Engine, trials};
use mall::order::{Line, OrderRepository, PlaceError, Placed, Placement, SqlOrders};
use mall::store::{Database, StoreError};
use mall::telemetry::Meters;
use mall::verify::{Verdict, check};
use shop::Data;

async fn orders(data: &Data) -> SqlOrders {
    SqlOrders::new(Database::open(&data.sources.order, "order", Meters::disabled()).await.expect("opens"))
}

fn placement(key: &str, lines: &[(i64, i64)]) -> Placement {
    let line = |&(product_id, quantity): &(i64, i64)| Line { product_id, quantity, price: 0 };
    Placement {
        user_id: 1,
        idempotency_key: key.to_owned(),
        lines: lines.iter().map(line).collect(),
        trace_id: String::new(),
    }
}

/// Asks again under the same key while the database is too busy, as a caller would.
async fn insist(writer: &SqlOrders, placement: Placement) -> Result<Placed, PlaceError> {
    for _ in 0..5 {
        match writer.place(placement.clone()).await {
            Err(PlaceError::Store(StoreError::LockTimeout(_) | StoreError::Busy(_))) => {}
            outcome => return outcome,
        }
    }
    writer.place(placement).await
}

async fn two_writers_cannot_oversell(engine: Engine) {
    let data = engine.data(10).await;
    let writers = [orders(&data).await, orders(&data).await];
    let mut attempts = tokio::task::JoinSet::new();
    for number in 0..40 {
        let writer = writers[number % 2].clone();
        attempts.spawn(async move { insist(&writer, placement(&format!("k{number}"), &[(1, 1)])).await });
    }
    let (mut placed, mut short) = (BTreeSet::new(), 0);
    while let Some(outcome) = attempts.join_next().await {
        match outcome.expect("no panic") {
            Ok(order) => assert!(placed.insert(order.order.id), "an id was given twice"),
            Err(PlaceError::Short(1)) => short += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((placed.len(), short), (10, 30));
    let snapshot = data.snapshot().await;
    assert_eq!(snapshot.products[0].available, 0);
    assert_eq!(check(&[], &snapshot).verdict, Verdict::True);
}

async fn a_short_line_reserves_nothing_of_the_others(engine: Engine) {
    let data = engine.data(5).await;
    let orders = orders(&data).await;
    let outcome = orders.place(placement("k", &[(1, 5), (2, 6)])).await;
    assert!(matches!(outcome, Err(PlaceError::Short(2))), "{outcome:?}");
    let snapshot = data.snapshot().await;
    assert!(snapshot.products.iter().all(|product| product.available == 5));
    assert!(snapshot.orders.is_empty());
    assert!(matches!(orders.place(placement("k", &[(99, 1)])).await, Err(PlaceError::NoProduct(99))));
}

async fn one_key_is_one_order_whoever_asks(engine: Engine) {
    let data = engine.data(100).await;
    let writers = [orders(&data).await, orders(&data).await];
    let mut attempts = tokio::task::JoinSet::new();
    for number in 0..20 {
        let writer = writers[number % 2].clone();
        attempts.spawn(async move { insist(&writer, placement("same", &[(1, 2), (3, 1)])).await });
    }
    let outcomes: Vec<_> = attempts.join_all().await.into_iter().map(|outcome| outcome.expect("places")).collect();
    assert_eq!(outcomes.iter().filter(|placed| !placed.replayed).count(), 1);
    assert!(outcomes.windows(2).all(|pair| pair[0].order == pair[1].order), "every answer is the same order");
    let snapshot = data.snapshot().await;
    assert_eq!((snapshot.orders.len(), snapshot.products[0].available), (1, 98));
}

async fn a_key_cannot_order_something_else(engine: Engine) {
    let data = engine.data(100).await;
    let orders = orders(&data).await;
    orders.place(placement("k", &[(1, 1)])).await.expect("places");
    assert!(matches!(orders.place(placement("k", &[(1, 2)])).await, Err(PlaceError::KeyReused)));
    let other_user = Placement { user_id: 2, ..placement("k", &[(1, 2)]) };
    assert!(!orders.place(other_user).await.expect("a key is a user's own").replayed);
}

fn main() {
    servers::run(trials!(on_each:
        two_writers_cannot_oversell,
        a_short_line_reserves_nothing_of_the_others,
        one_key_is_one_order_whoever_asks,
        a_key_cannot_order_something_else,
    ));
}
