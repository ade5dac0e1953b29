//! A database server that goes away in the middle of things, and comes back: what requests see, and what is lost.

mod engines;
mod figures;
mod servers;
mod shop;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use engines::Engine;
use figures::Figures;
use http::StatusCode;
use mall::config::{Role, ServiceConfig};
use mall::store::{Database, StoreError};
use mall::telemetry::Meters;
use mall::verify::Verdict;
use serde_json::json;
use servers::{Server, test};
use shop::{PATIENCE, Shop};

/// A server of this test alone, ended with it.
struct Private {
    folder: tempfile::TempDir,
}

impl Private {
    fn start() -> (Self, String) {
        let private = Self { folder: tempfile::tempdir().expect("folder") };
        let printed = private.run(&["start"], &["mariadb"]);
        let line = printed.lines().find_map(|line| line.split_once("MALL_TEST_MYSQL=")).expect("prints its address");
        (private, line.1.to_owned())
    }

    fn kill(&self) {
        self.run(&["kill"], &["mariadb"]);
    }

    fn restart(&self) {
        self.run(&["restart"], &["mariadb"]);
    }

    fn run(&self, verb: &[&str], rest: &[&str]) -> String {
        let output = Command::new(script()).args(verb).arg(self.folder.path()).args(rest).output().expect("runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // Nothing can be done about a server that does not stop.
        let _ = Command::new(script()).arg("stop").arg(self.folder.path()).output();
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/local/servers")
}

async fn a_down_database_is_unavailable_until_it_is_back() {
    let (server, address) = Private::start();
    let engine = Engine::mysql(address);
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
    let (server, address) = Private::start();
    let engine = Engine::mysql(address);
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
    let (server, address) = Private::start();
    let engine = Engine::mysql(address);
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
    assert!(database.begin().await.is_ok(), "what is given back can be had again");
    engine.clean().await;
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
    ]);
}
