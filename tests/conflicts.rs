//! Ports and stacks that are in each other's way, and stacks that are not.

mod common;

use std::net::TcpListener;

use common::{Home, address, failure};

#[test]
fn a_taken_port_names_its_holder_the_flag_and_the_way_out() {
    let home = Home::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = listener.local_addr().expect("is bound").port().to_string();
    for flag in ["--gateway-port", "--otlp-grpc", "--otlp-http", "--console-port"] {
        let (code, says) = failure(&home.run(&["up", "-d", "--isolated", flag, &port]));
        assert_eq!(code, 7, "{says}");
        assert!(says.contains(&format!("pid {}", std::process::id())), "{says}");
        assert!(says.contains(flag) && says.contains("--isolated"), "{says}");
    }
    assert_eq!(home.run(&["status"]).status.code(), Some(3), "nothing may have been started");
}

#[test]
fn a_stack_runs_once_and_two_stacks_run_side_by_side() {
    let home = Home::new();
    let blue = home.up("blue");
    let (code, says) = failure(&home.run(&["up", "-d", "--isolated", "--stack", "blue"]));
    assert!(code == 7 && says.contains("already running") && says.contains("`mallctl down --stack blue`"), "{says}");

    let green = home.up("green");
    assert_ne!(address(&blue, "gateway"), address(&green, "gateway"));
    assert_ne!(address(&blue, "console"), address(&green, "console"));
    let (_, says) = failure(&home.run(&["down", "--stack", "blue"]));
    assert!(says.contains("for the next `mallctl up --stack blue`"), "{says}");
    let status = home.json(&["status", "--stack", "green"]);
    assert_eq!(status.get("ready").and_then(serde_json::Value::as_bool), Some(true));
    let down = home.json(&["down", "--all"]);
    assert_eq!(down.pointer("/stacks").and_then(serde_json::Value::as_array).map(Vec::len), Some(2), "{down}");
}

#[test]
fn a_stack_of_a_newer_version_is_refused_with_the_mend() {
    let home = Home::new();
    home.up("default");
    home.ok(&["down"]);
    let file = home.path().join("mallctl/default/stack.json");
    std::fs::write(&file, r#"{"schema": 99}"#).expect("writes");
    let (code, says) = failure(&home.run(&["verify"]));
    assert!(code == 7 && says.contains("schema") && says.contains("down --purge"), "{says}");
}
