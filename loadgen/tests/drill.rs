//! A whole run against a small shop and a small collector: logins, orders, a fault, spans, the stream, the history.

mod common;

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use collector_api::history::{Header, Kind, Record};
use common::collector::Collector;
use futures::FutureExt;
use futures::future::BoxFuture;
use loadgen::{Faults, HookError, Hooks, Options, PoolRow, Pools, Progress, Scenario, run};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const SCENARIO: &str = r#"
name = "small-drill"
summary = "orders with a fault"

[arrival]
kind = "constant"
rate = 100
for = "3s"
max_in_flight = 64

[data]
user = { kind = "pool", size = 5 }

[[flow]]
name = "place-order"
  [[flow.once]]
  name = "login"
  request = "POST /login"
  json = { mobile = "{{user.mobile}}" }
  save = { token = "$.access_token" }
  [[flow.step]]
  name = "create"
  request = "POST /order"
  headers = { Authorization = "Bearer {{token}}", Idempotency-Key = "{{uuid}}" }
  json = { user = "{{user.mobile}}" }
  expect = { allow_reasons = ["breaker"] }
  save = { order = "$.order_id" }
  [flow.step.record]
  op = "order.create"
  key = "{{sent.Idempotency-Key}}"
  args = { mobile = "{{user.mobile}}" }
  result = { order_id = "$.order_id" }
  [[flow.step]]
  name = "detail"
  request = "POST /detail?id={{order}}"

[[fault]]
at = "1s"
add = "error pay-rpc/1 rate=0.5"
for = "1s"

[[gate]]
expr = "unexpected == 0"
[[gate]]
expr = "rejections(place=\"client\") > 0"
[[gate]]
expr = "join_rate >= 99.9%"
[[gate]]
expr = "count(event.fault) == 1"
[[gate]]
expr = "failed == 0"
"#;

struct Shop {
    broken: AtomicU64,
    calls: Mutex<Vec<String>>,
}

impl Pools for Shop {
    fn rows(&self, name: &str, size: u32) -> BoxFuture<'_, Result<Vec<PoolRow>, HookError>> {
        assert_eq!(name, "user");
        let row = |n: u32| BTreeMap::from([("mobile".to_owned(), format!("m{n}"))]);
        let rows = (0..size).map(row).collect();
        async move { Ok(rows) }.boxed()
    }
}

impl Faults for Shop {
    fn add(&self, spec: &str, lasts: Duration, run_id: &str) -> BoxFuture<'_, Result<String, HookError>> {
        self.calls.lock().unwrap().push(format!("add {spec} {lasts:?} {run_id}"));
        self.broken.store(20, Ordering::Relaxed);
        async { Ok("f1".to_owned()) }.boxed()
    }

    fn clear(&self, ids: Vec<String>) -> BoxFuture<'_, Result<(), HookError>> {
        self.calls.lock().unwrap().push(format!("clear {}", ids.join(",")));
        async { Ok(()) }.boxed()
    }
}

async fn serve(shop: Arc<Shop>) -> std::net::SocketAddr {
    let login = async |Json(body): Json<Value>| {
        Json(json!({ "access_token": format!("t-{}", body["mobile"].as_str().unwrap()) }))
    };
    let order = move |headers: HeaderMap, Json(body): Json<Value>| {
        let shop = shop.clone();
        async move {
            let token = headers["authorization"].to_str().unwrap().to_owned();
            assert_eq!(token, format!("Bearer t-{}", body["user"].as_str().unwrap()), "each user has its own token");
            assert!(headers["traceparent"].to_str().unwrap().ends_with("-01"));
            let left = shop.broken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
            match left {
                Ok(_) => (
                    StatusCode::SERVICE_UNAVAILABLE,
                    Json(json!({ "reason": "breaker", "place": "client", "order_id": 5 })),
                ),
                Err(_) => (StatusCode::OK, Json(json!({ "order_id": 4 }))),
            }
        }
    };
    let detail = async || Json(json!({}));
    let router = Router::new().route("/login", post(login)).route("/order", post(order)).route("/detail", post(detail));
    common::serve(router).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_conserved_from_its_schedule_to_its_report() {
    let shop = Arc::new(Shop { broken: AtomicU64::new(0), calls: Mutex::default() });
    let address = serve(shop.clone()).await;
    let collector = Collector::serve().await;
    let folder = tempfile::tempdir().unwrap();
    let scenario = Scenario::parse("small.toml", SCENARIO).unwrap();
    let options = Options {
        collector: Some(collector.address("secret")),
        history: Some(folder.path().join("r.ndjson")),
        out: Some(folder.path().join("run.json")),
        run_id: "r1".into(),
        ..Options::new(scenario, format!("http://{address}"))
    };
    let hooks = Hooks { pools: Some(shop.clone()), faults: Some(shop.clone()), stack: None };
    let progress = Mutex::new(Vec::new());
    let report = run(options.clone(), hooks, |line| progress.lock().unwrap().push(line), CancellationToken::new())
        .await
        .expect("the run ends");
    println!("{}", report.to_text());
    let json: Value = serde_json::from_str(&std::fs::read_to_string(options.out.unwrap()).unwrap()).unwrap();
    assert_eq!(json, report.to_json());

    // 300 orders, 20 of them refused; each of the other 280 is followed by a detail.
    let requests = &json["requests"];
    assert_eq!((&requests["sent"], &requests["ok"], &requests["failed"]), (&580.into(), &560.into(), &20.into()));
    assert_eq!(requests["by_outcome"], json!({ "ok": 560, "breaker/client": 20 }));
    assert_eq!((&requests["unexpected"], &requests["rejected_by_place"]), (&0.into(), &json!({ "client": 20 })));
    assert_eq!(json["join"]["sampled"], 580);
    assert_eq!(json["join"]["rate"], 1.0);
    assert_eq!(json["spans"]["client"], json!({ "acknowledged": 580, "lost": 0 }));
    let failed: Vec<&Value> = json["gates"].as_array().unwrap().iter().filter(|gate| gate["ok"] == false).collect();
    assert_eq!((failed.len(), &failed[0]["expr"], report.gates_failed), (1, &"failed == 0".into(), 1));
    assert_eq!(json["attribution"][0]["mean_us"], 1_001);

    // The collector saw every request once, with the attributes that the join needs.
    let seen = collector.seen();
    assert_eq!(seen.spans.len(), 580);
    assert_eq!(seen.spans.iter().map(|span| &span.span_id).collect::<HashSet<_>>().len(), 580);
    assert!(seen.spans.iter().all(|span| span.end_time_unix_nano >= span.start_time_unix_nano && span.kind == 3));
    for key in ["mall.run.id", "mall.flow", "mall.step", "mall.intended_unix_ns", "mall.outcome"] {
        assert!(seen.spans.iter().all(|span| span.attributes.iter().any(|pair| pair.key == key)), "{key}");
    }
    assert_eq!(seen.tokens, ["Bearer secret"]);
    assert_eq!(seen.cells.iter().map(|cell| cell.requests).sum::<u64>(), 580);
    assert_eq!(seen.cells.iter().map(|cell| cell.offered).sum::<u64>(), 300);
    assert_eq!(seen.finished, [580]);

    // Every operation of the history begins once and ends once.
    let text = std::fs::read_to_string(options.history.unwrap()).unwrap();
    let mut lines = text.lines();
    assert_eq!(serde_json::from_str::<Header>(lines.next().unwrap()).unwrap().run_id, "r1");
    let records: Vec<Record> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: Kind| records.iter().filter(|record| record.kind == kind).collect::<Vec<_>>();
    assert_eq!(
        (of(Kind::Invoke).len(), of(Kind::Ok).len(), of(Kind::Info).len(), of(Kind::Fail).len()),
        (300, 280, 20, 0)
    );
    assert_eq!(of(Kind::Invoke).iter().map(|record| &record.key).collect::<HashSet<_>>().len(), 300);
    assert_eq!(of(Kind::Info)[0].result["order_id"], 5);
    for (index, begin) in of(Kind::Invoke).iter().map(|record| (record.index, record.unix_ns)) {
        let ends: Vec<_> =
            records.iter().filter(|record| record.index == index && record.kind != Kind::Invoke).collect();
        assert!(ends.len() == 1 && ends[0].unix_ns >= begin, "operation {index}");
    }

    let progress = progress.into_inner().unwrap();
    assert!(progress.contains(&Progress::Preparing { what: "logins".into(), done: 5, total: 5 }));
    assert!(progress.iter().filter(|line| matches!(line, Progress::Second(_))).count() >= 3);
    assert_eq!(*shop.calls.lock().unwrap(), ["add error pay-rpc/1 rate=0.5 1s r1", "clear f1"]);
}
