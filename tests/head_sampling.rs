//! A process that samples a part of its traces, one that it calls, and what is said of both.

mod common;
#[path = "../mall/tests/servers/port.rs"]
mod port;

use std::process::{Child, Stdio};

use common::{Home, address, eventually};
use port::free_port;
use serde_json::{Value, json};

/// A process of the shop, killed with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has told then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(home: &Home, role: &str, config: &Value) -> Process {
    let file = home.write(&format!("{role}.json"), &config.to_string());
    let mut command = home.command(&["serve", role, "--config", &file]);
    Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts"))
}

fn coverage(home: &Home, service: &str) -> Option<Value> {
    let status = home.json(&["status"]);
    let all = status.get("coverage")?.as_array()?;
    all.iter().find(|one| one.get("service").and_then(Value::as_str) == Some(service)).cloned()
}

const ALONE: usize = 200;
const CALLED: usize = 20;

#[test]
fn a_head_ratio_is_kept_told_and_made_up_for_by_metrics() {
    let home = Home::new();
    let status = home.json(&["collect", "-d", "--isolated"]);
    let otlp = address(&status, "otlp_grpc");
    let data = home.path().join("shop");
    std::fs::create_dir(&data).expect("a folder");
    let migrate = json!({ "Name": "migrate", "DataSource": format!("sqlite://{}", data.display()) });
    let file = home.write("migrate.json", &migrate.to_string());
    home.ok(&["serve", "migrate", "--config", &file]);

    let (rpc, http) = (free_port(), free_port());
    let _user = serve(
        &home,
        "user-rpc",
        &json!({
            "Name": "user-rpc", "ListenOn": format!("127.0.0.1:{rpc}"),
            "DataSource": format!("sqlite://{}", data.join("user.db").display()),
            "Telemetry": { "Endpoint": otlp },
        }),
    );
    let _api = serve(
        &home,
        "user-api",
        &json!({
            "Name": "user-api", "Host": "127.0.0.1", "Port": http,
            "Auth": { "AccessSecret": "a secret that is long enough to sign tokens" },
            "UserRpc": { "Endpoints": [format!("127.0.0.1:{rpc}")] },
            "Telemetry": { "Endpoint": otlp, "Sampler": 0.1 },
        }),
    );

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = reqwest::Client::new();
    let url = format!("http://127.0.0.1:{http}/api/user");
    let login = json!({ "mobile": "13800000001", "password": "mallctl-demo" }).to_string();
    let mut token = String::new();
    eventually("somebody is logged in", || {
        let request =
            client.post(format!("{url}/login")).header("content-type", "application/json").body(login.clone());
        let answer = runtime.block_on(async { request.send().await.ok()?.text().await.ok() });
        let answer: Value = answer.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        answer.get("access_token").and_then(Value::as_str).unwrap_or_default().clone_into(&mut token);
        !token.is_empty()
    });
    let info = || client.get(format!("{url}/info")).bearer_auth(&token);
    for _ in 0..ALONE {
        runtime.block_on(info().send()).expect("answers");
    }
    let called: Vec<String> = (1..=CALLED).map(|number| format!("{:032x}", 0xabc_0000 + number)).collect();
    for trace in &called {
        let parent = format!("00-{trace}-00000000000000aa-01");
        runtime.block_on(info().header("traceparent", parent).send()).expect("answers");
    }

    eventually("metrics of both count every request", || {
        ["user-api", "user-rpc"].iter().all(|service| {
            let counted = coverage(&home, service).and_then(|one| one.get("by_metrics")?.as_u64());
            counted.is_some_and(|counted| counted >= (ALONE + CALLED) as u64)
        })
    });
    let api = coverage(&home, "user-api").expect("told");
    assert_eq!((&api["ratio"], &api["declared"], &api["from_metrics"]), (&json!(0.1), &json!(true), &json!(true)));
    let spans = api["by_spans"].as_u64().expect("a number");
    assert!(
        (CALLED as u64..(CALLED + ALONE / 2) as u64).contains(&spans),
        "{spans} of {ALONE} alone and {CALLED} called"
    );
    let user = coverage(&home, "user-rpc").expect("found out");
    assert_eq!((&user["declared"], &user["from_metrics"]), (&json!(false), &json!(true)), "it follows its caller");
    let said = home.ok(&["status"]);
    assert!(said.contains("user-api head-samples 10 %: span figures cover sampled traces only"), "{said}");
    assert!(said.contains("of the requests that user-rpc counts"), "{said}");
    for trace in called {
        let shown = home.ok(&["trace", "show", &trace]);
        assert!(shown.contains("user-api") && shown.contains("user-rpc"), "{shown}");
    }
    // A run says it too, for its figures rest on the same spans.
    home.run(&["load", &format!("{url}/info"), "-r", "5", "--for", "1s"]);
    let caveats = home.json(&["report", "latest"])["caveats"].to_string();
    assert!(caveats.contains("user-api head-samples 10 %") && caveats.contains("user-rpc"), "{caveats}");
}
