//! The main job: a shop, orders, traces joined, a report, and a verdict that holds after a killed replica.

mod common;

use common::{Home, address, eventually, failure, orders, pid, signal, text};
use nix::sys::signal::Signal;
use serde_json::Value;

/// A loaded machine may limit the generator; the shop's side of the run is judged all the same.
const GENERATOR_LIMITED: i32 = 8;

fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {path} in {value}"))
}

#[test]
fn up_with_a_load_and_no_terminal_runs_reports_and_ends_by_itself() {
    let home = Home::new();
    let scenario = home.write("orders.toml", &orders(20, 4));
    let output = home.run(&["up", "--headless", "--isolated", "--load", &scenario]);
    let code = output.status.code();
    assert!(code == Some(0) || code == Some(GENERATOR_LIMITED), "{}", text(&output));
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(report.contains("80 sent") && report.contains("80 joined"), "{report}");
    assert_eq!(home.run(&["status"]).status.code(), Some(3), "it ends by itself");

    let run = home.json(&["report", "latest"]);
    assert_eq!(number(&run, "/schema"), 1);
    assert_eq!(number(&run, "/requests/sent"), 80);
    assert_eq!(number(&run, "/requests/failed"), 0);
    assert_eq!(number(&run, "/join/joined"), number(&run, "/join/sampled"));
    assert!(number(&run, "/latency_us/intended/p99") > 0);

    let verdict = home.json(&["verify"]);
    assert_eq!(verdict.get("verdict").and_then(Value::as_str), Some("true"), "{verdict}");
    assert!(home.ok(&["runs", "list"]).contains("orders"));
}

#[test]
fn an_interrupt_ends_a_run_early_with_its_report() {
    let home = Home::new();
    let scenario = home.write("orders.toml", &orders(20, 60));
    let told = std::fs::File::create(home.path().join("up.txt")).expect("creates");
    let mut up = home.command(&["up", "--headless", "--isolated", "--load", &scenario]);
    let mut up = up.stdout(told).stderr(std::process::Stdio::null()).spawn().expect("starts");
    eventually("orders arrive", || {
        let traces = home.run(&["trace", "list", "--json", "operation=\"POST /api/order/create\""]);
        serde_json::from_slice::<Value>(&traces.stdout).is_ok_and(|traces| number(&traces, "/matched") > 20)
    });
    let picture = home.ok(&["watch", "--once", "--size", "80x24"]);
    assert!(picture.contains("gateway") && picture.lines().all(|line| line.chars().count() <= 80), "{picture}");
    let (code, says) = failure(&home.run(&["wait", "--for", "alert:Lunch"]));
    assert!(code == 2 && says.contains("HighLatency"), "{says}");
    let waited = home.run(&["wait", "--for", "alert:HighLatency", "--timeout", "300ms"]);
    assert_eq!(waited.status.code(), Some(4), "{}", text(&waited));

    signal(up.id(), Signal::SIGINT);
    assert_eq!(up.wait().expect("ends").code(), Some(130));
    let told = std::fs::read_to_string(home.path().join("up.txt")).expect("reads");
    assert!(told.contains("requests") && told.contains("latency"), "{told}");
    let verdict = home.json(&["verify"]);
    assert_eq!(verdict.get("verdict").and_then(Value::as_str), Some("true"), "{verdict}");
}

#[test]
fn a_replica_killed_under_load_loses_no_order() {
    let home = Home::new();
    let status = home.up("default");
    let scenario = home.write("orders.toml", &orders(30, 5));
    let told = std::fs::File::create(home.path().join("load.txt")).expect("creates");
    let also = told.try_clone().expect("is shared");
    let mut load = home.command(&["load", &scenario]).stdout(told).stderr(also).spawn().expect("starts");
    eventually("orders arrive", || {
        let ended = load.try_wait().expect("can be waited for");
        let told = std::fs::read_to_string(home.path().join("load.txt")).unwrap_or_default();
        assert!(ended.is_none(), "the load ended early: {told}");
        let traces = home.json(&["trace", "list", "operation=\"POST /api/order/create\""]);
        number(&traces, "/matched") > 20
    });
    signal(pid(&status, "order-rpc/1"), Signal::SIGKILL);
    load.wait().expect("ends");
    home.ok(&["wait", "--for", "ready"]);
    let verdict = home.json(&["verify", "--quiesce", "30s"]);
    assert_eq!(verdict.get("verdict").and_then(Value::as_str), Some("true"), "{verdict}");
    let run = home.json(&["report", "latest"]);
    let restarts = run.get("events").and_then(Value::as_array).into_iter().flatten();
    assert!(
        restarts.filter(|event| event.get("kind").and_then(Value::as_str) == Some("restart")).count() >= 1,
        "{run}"
    );
}

#[test]
fn faults_are_checked_listed_and_end_by_themselves() {
    let home = Home::new();
    home.up("default");
    let (code, says) = failure(&home.run(&["fault", "add", "latncy", "pay-rpc"]));
    assert!(code == 2 && says.contains("latency"), "{says}");
    let (code, says) = failure(&home.run(&["fault", "add", "latency", "pay-rpc/9", "p50=1ms"]));
    assert!(code == 2 && says.contains("pay-rpc/3"), "{says}");

    home.ok(&["fault", "add", "latency", "pay-rpc/1", "p50=5ms", "--for", "1s"]);
    let list = home.json(&["fault", "list"]);
    assert_eq!(list.pointer("/faults/0/id").and_then(Value::as_str), Some("f1"), "{list}");
    eventually("the fault ends by itself", || {
        let list = home.json(&["fault", "list"]);
        list.get("faults").and_then(Value::as_array).is_some_and(Vec::is_empty)
    });
    for _ in 0..3 {
        home.ok(&["fault", "add", "error", "pay-rpc", "rate=0.5", "--for", "60s"]);
    }
    let (code, says) = failure(&home.run(&["fault", "clear", "f99"]));
    assert!(code == 2 && says.contains("not in force: f99") && says.contains("f2, f3, f4"), "{says}");
    let cleared = home.run(&["fault", "clear", "f3"]);
    assert_eq!(String::from_utf8_lossy(&cleared.stdout), "cleared f3 error pay-rpc rate=0.5\n");
    assert_eq!(failure(&cleared), (0, "2 left in force\n".to_owned()));
    let cleared = home.json(&["fault", "clear"]);
    assert_eq!(cleared.pointer("/cleared/1/id").and_then(Value::as_str), Some("f4"), "{cleared}");
    assert_eq!(cleared.pointer("/left").and_then(Value::as_array).map(Vec::len), Some(0), "{cleared}");
    let list = home.json(&["fault", "list"]);
    assert!(list.get("faults").and_then(Value::as_array).is_some_and(Vec::is_empty), "{list}");
}

#[test]
fn bad_requests_get_clear_answers_and_the_shop_goes_on() {
    let home = Home::new();
    let status = home.up("default");
    let gateway = format!("http://{}", address(&status, "gateway"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = reqwest::Client::new();
        let credentials = serde_json::json!({ "mobile": "13800000001", "password": "mallctl-demo" });
        let login = client.post(format!("{gateway}/api/user/login")).json(&credentials).send().await.expect("answers");
        let token = login.json::<Value>().await.expect("is JSON");
        let token = token.get("access_token").and_then(Value::as_str).expect("a token").to_owned();
        let order = |body: String, token: String| {
            let request = client.post(format!("{gateway}/api/order/create")).bearer_auth(token);
            async move {
                let answer =
                    request.header("content-type", "application/json").body(body).send().await.expect("answers");
                let code = answer.status().as_u16();
                (code, answer.json::<Value>().await.expect("errors are JSON"))
            }
        };
        let item =
            |product: i64, quantity: i64| format!(r#"{{"items":[{{"product_id":{product},"quantity":{quantity}}}]}}"#);
        for (body, bearer, expected) in [
            ("{".to_owned(), token.clone(), 400),
            (item(1, -1), token.clone(), 400),
            (item(1, 0), token.clone(), 400),
            (item(999_999, 1), token.clone(), 404),
            (item(1, 1), "nonsense".to_owned(), 401),
        ] {
            let start: String = body.chars().take(60).collect();
            let (code, error) = order(body, bearer).await;
            assert_eq!(code, expected, "{start}: {error}");
            for field in ["code", "message", "reason", "trace_id"] {
                assert!(error.get(field).is_some(), "{start}: no {field} in {error}");
            }
        }
        let (code, placed) = order(item(1, 1), token).await;
        assert_eq!(code, 200, "{placed}");
    });
    assert!(oversized(&address(&status, "gateway")).starts_with("HTTP/1.1 413"), "refused by its length alone");
}

/// The answer to a request that announces two mebibytes, before it sends any.
fn oversized(gateway: &str) -> String {
    use std::io::{BufRead, BufReader, Write};
    let mut stream = std::net::TcpStream::connect(gateway).expect("connects");
    let head = "POST /api/user/login HTTP/1.1\r\nhost: shop\r\ncontent-length: 2097152\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sends");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("answers");
    line
}
