//! A database server that goes away in the middle of things, and comes back: what requests see, and what is lost.

mod engines;
mod figures;
mod servers;
mod shop;

use std::time::Duration;

use engines::Engine;
use figures::Figures;
use http::StatusCode;
use mall::config::{Role, ServiceConfig};
use mall::store::{Database, StoreError};
use mall::telemetry::Meters;
use mall::verify::Verdict;
use serde_json::json;
use servers::private::Private;
use servers::{Server, test};
use shop::{PATIENCE, Shop};

/// A MariaDB of this test alone, and the databases on it.
fn private() -> (Private, Engine) {
    let server = Private::start("mariadb");
    let engine = Engine::mysql(format!("mysql://root@{}", server.address));
    (server, engine)
}

async fn a_down_database_is_unavailable_until_it_is_back() {
    let (server, engine) = private();
    let shop = Shop::start_with(engine.data(100).await, &Role::RPC, |_| {}).await;
    let token = shop.login(1).await;
    let items = || json!([{ "product_id": 1, "quantity": 1 }]);
    let before = shop.order(&token, "before", items()).await;
    assert_eq!(before.status, StatusCode::OK, "{before:?}");

    server.kill();
    let mut reasons = Vec::new();
    for number in 0..40 {
        let answer = shop.order(&token, &format!("down-{number}"), items()).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        reasons.push(answer.body["reason"].as_str().expect("a reason").to_owned());
    }
    assert_eq!(reasons[0], "downstream", "not a deadline: {reasons:?}");
    assert!(reasons.contains(&"breaker".to_owned()), "the breaker opens: {reasons:?}");

    server.restart();
    let back = async {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let answer = shop.order(&token, &format!("back-{attempt}"), items()).await;
            if answer.status == StatusCode::OK {
                return;
            }
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.expect("recovers without a restart of the shop");
    let report = shop.data.verify().await;
    assert_eq!(report.verdict, Verdict::True, "{report:?}");
    let snapshot = shop.data.snapshot().await;
    assert!(snapshot.orders.iter().any(|order| order.key == "before"), "what was acknowledged is there");
}

/// A pool keeps connections of a server that was restarted while nobody asked.
async fn a_restart_between_requests_is_not_noticed() {
    let (server, engine) = private();
    let shop = Shop::start_with(engine.data(100).await, &Role::RPC, |_| {}).await;
    let token = shop.login(1).await;
    assert_eq!(shop.get("/api/product/list", &token).await.status, StatusCode::OK);
    server.restart();
    // Whether a connection lives is only asked when it was idle for a while.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let answer = shop.get("/api/product/list", &token).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

/// Who connects to nothing is told where and what, and a service that starts first waits.
async fn a_service_waits_for_its_database() {
    let (server, engine) = private();
    let data = engine.data(1).await;
    server.kill();
    let (source, meters) = (data.sources.order.clone(), Meters::disabled());
    let opening = tokio::spawn(async move { Database::open(&source, "order", meters).await.map(|_| ()) });
    let refused = mall::store::data_id(&data.sources).await.expect_err("nobody listens");
    let StoreError::Unreachable(why) = &refused else { panic!("{refused}") };
    assert!(why.contains("127.0.0.1:"), "{refused}");
    assert!(!opening.is_finished(), "it waits");
    server.restart();
    tokio::time::timeout(PATIENCE, opening).await.expect("opens").expect("no panic").expect("opens");
}

/// The pool keeps to its limits, whoever asks.
async fn a_pool_keeps_its_limits() {
    let engine = Engine::mysql(Server::Mysql.address());
    let data = engine.data(100).await;
    let mut config =
        ServiceConfig { data_source: data.sources.order.clone().into(), ..ServiceConfig::new("order-rpc") };
    config.database.max_open_conns = 3;
    config.database.max_idle_conns = 1;
    let figures = Figures::new();
    let database = Database::of(&config, "order", figures.meters()).await.expect("opens");
    let of = |name: &str| figures.of(name, &[("db_name", "order")]);
    assert_eq!(of("sql_client_max_open_connections"), 3);
    let held = [database.begin().await, database.begin().await, database.begin().await];
    assert!(held.iter().all(Result::is_ok));
    let fourth = database.begin().await;
    assert!(matches!(fourth, Err(StoreError::Busy(_))), "a fourth connection is not opened");
    assert_eq!((of("sql_client_open_connections"), of("sql_client_in_use_connections")), (3, 3));
    assert!(of("sql_client_wait_count_total") >= 1);
    let waited = figures.value("sql_client_wait_duration_seconds_total", &[("db_name", "order")]);
    assert!(waited.parse::<f64>().is_ok_and(|seconds| seconds > 0.0), "{waited}");
    drop(held);
    let idle = async || {
        // A transaction is rolled back before its connection is idle.
        while of("sql_client_in_use_connections") > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (of("sql_client_idle_connections"), of("sql_client_max_idle_closed_total"))
    };
    assert_eq!(tokio::time::timeout(PATIENCE, idle()).await.expect("all are given back"), (1, 2));
    assert!(database.begin().await.is_ok(), "what is given back can be had again");
    engine.clean().await;
}

/// A connection that is old enough is closed when its work is done, however busy it is.
async fn a_connection_does_not_outlive_its_time() {
    let engine = Engine::mysql(Server::Mysql.address());
    let data = engine.data(100).await;
    let mut config =
        ServiceConfig { data_source: data.sources.order.clone().into(), ..ServiceConfig::new("order-rpc") };
    config.database.max_lifetime = 1;
    let figures = Figures::new();
    let database = Database::of(&config, "order", figures.meters()).await.expect("opens");
    let closed = || figures.of("sql_client_max_lifetime_closed_total", &[("db_name", "order")]);
    let worn_out = async {
        while closed() == 0 {
            drop(database.begin().await.expect("answers"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, worn_out).await.expect("the connection is replaced");
    assert!(database.begin().await.is_ok());
    engine.clean().await;
}

/// A server that takes connections and says nothing: each request is told in its own time, and the breaker opens.
async fn a_silent_database_is_unavailable_within_the_deadline() {
    let (server, engine) = private();
    let shop = Shop::start_with(engine.data(100).await, &Role::RPC, |_| {}).await;
    let token = shop.login(1).await;
    let items = || json!([{ "product_id": 1, "quantity": 1 }]);
    assert_eq!(shop.order(&token, "before", items()).await.status, StatusCode::OK);

    server.freeze();
    let first = shop.order(&token, "silent", items()).await;
    assert_eq!(first.status, StatusCode::SERVICE_UNAVAILABLE, "{first:?}");
    assert_eq!(first.body["reason"], "downstream", "the database is named, not a deadline: {first:?}");
    let crowd = (0..60).map(|number| {
        let (shop, token, items) = (&shop, &token, items());
        async move { shop.order(token, &format!("silent-{number}"), items).await }
    });
    let answers = futures::future::join_all(crowd).await;
    assert!(answers.iter().all(|answer| answer.status.is_server_error()), "{answers:?}");
    let refused = async {
        for attempt in 0.. {
            let answer = shop.order(&token, &format!("silent-again-{attempt}"), items()).await;
            if answer.body["reason"] == "breaker" {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("the breaker opens");
    server.thaw();
    let back = async {
        for attempt in 0.. {
            if shop.order(&token, &format!("back-{attempt}"), items()).await.status == StatusCode::OK {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.expect("recovers without a restart of the shop");
}

fn main() {
    let needs = [Server::Mysql];
    servers::run(vec![
        test(
            "a_down_database_is_unavailable_until_it_is_back",
            &needs,
            a_down_database_is_unavailable_until_it_is_back,
        ),
        test("a_restart_between_requests_is_not_noticed", &needs, a_restart_between_requests_is_not_noticed),
        test("a_service_waits_for_its_database", &needs, a_service_waits_for_its_database),
        test("a_pool_keeps_its_limits", &needs, a_pool_keeps_its_limits),
        test("a_connection_does_not_outlive_its_time", &needs, a_connection_does_not_outlive_its_time),
        test(
            "a_silent_database_is_unavailable_within_the_deadline",
            &needs,
            a_silent_database_is_unavailable_within_the_deadline,
        ),
    ]);
}
