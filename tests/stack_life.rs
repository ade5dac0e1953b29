//! A stack starts, heals, survives nothing of itself, and goes down in order.

mod common;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use common::{Home, eventually, failure, is_alive, pid, processes, signal, text};
use nix::sys::signal::Signal;
use serde_json::Value;

#[test]
fn a_detached_stack_says_where_it_listens_and_goes_down_twice() {
    let home = Home::new();
    let status = home.up("default");
    assert_eq!(status.get("schema").and_then(Value::as_u64), Some(1));
    assert_eq!(status.get("ready").and_then(Value::as_bool), Some(true), "{status}");
    assert_eq!(status.get("mode").and_then(Value::as_str), Some("detached"));
    // A gateway, three replicas of three services, and the supervisor.
    assert_eq!(processes(&status).len(), 11, "{status}");
    for process in processes(&status) {
        assert!(process.get("pss_bytes").and_then(Value::as_u64).is_some_and(|bytes| bytes > 0), "{process}");
    }
    assert!(home.ok(&["wait", "--for", "ready"]).contains("ready reached"));
    assert!(home.ok(&["logs", "gateway"]).contains("gateway/1"));

    let pids: Vec<(String, u32)> = processes(&status)
        .iter()
        .filter_map(|process| {
            let pid = process.get("pid").and_then(Value::as_u64)?.try_into().ok()?;
            Some((process.get("role").and_then(Value::as_str)?.to_owned(), pid))
        })
        .collect();
    let stopped = home.run(&["down"]);
    let (_, told) = failure(&stopped);
    assert!(stopped.status.success(), "{}", text(&stopped));
    let order = ["gateway stopped", "pay-rpc stopped", "collector stopped last"].map(|line| told.find(line));
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{told}");
    let left: Vec<_> = pids.iter().filter(|(_, pid)| is_alive(*pid)).collect();
    assert!(left.is_empty(), "nothing may stay behind: {left:?}");
    assert!(home.run(&["down"]).status.success(), "down is idempotent");
    assert_eq!(home.run(&["status"]).status.code(), Some(3));
}

#[test]
fn a_killed_supervisor_takes_everything_with_it_and_the_next_start_works() {
    let home = Home::new();
    let status = home.up("default");
    let pids: Vec<u32> = processes(&status)
        .iter()
        .filter_map(|process| process.get("pid").and_then(Value::as_u64)?.try_into().ok())
        .collect();
    signal(pid(&status, "supervisor"), Signal::SIGKILL);
    eventually("every child ends", || pids.iter().all(|pid| !is_alive(*pid)));
    assert_eq!(home.run(&["status"]).status.code(), Some(3));
    let again = home.up("default");
    assert_eq!(again.get("ready").and_then(Value::as_bool), Some(true));
}

#[test]
fn a_killed_replica_comes_back_and_is_counted() {
    let home = Home::new();
    let status = home.up("default");
    let before = pid(&status, "order-rpc/2");
    signal(before, Signal::SIGKILL);
    eventually("the replica is back", || {
        let status = home.json(&["status"]);
        status.get("ready").and_then(Value::as_bool) == Some(true) && pid(&status, "order-rpc/2") != before
    });
    let status = home.json(&["status"]);
    let replica = processes(&status)
        .into_iter()
        .find(|process| process.get("pid").and_then(Value::as_u64) == Some(u64::from(pid(&status, "order-rpc/2"))));
    let replica = replica.expect("is listed");
    assert_eq!(replica.get("restarts").and_then(Value::as_u64), Some(1));
    assert_eq!(replica.get("last_exit").and_then(Value::as_str), Some("signal 9"));
}

#[test]
fn a_restart_on_request_gives_a_service_new_processes() {
    let home = Home::new();
    let before = home.up("default");
    let restarted = home.json(&["restart", "pay-rpc"]);
    assert_eq!(restarted.get("restarted").and_then(Value::as_array).map(Vec::len), Some(3), "{restarted}");
    let after = home.json(&["status"]);
    for name in ["pay-rpc/1", "pay-rpc/2", "pay-rpc/3"] {
        assert_ne!(pid(&before, name), pid(&after, name));
    }
    assert_eq!(pid(&before, "order-rpc/1"), pid(&after, "order-rpc/1"));
    let (code, says) = failure(&home.run(&["restart", "pai-rpc"]));
    assert!(code == 2 && says.contains("pay-rpc/1"), "{says}");
}

#[test]
fn a_terminated_supervisor_stops_in_order() {
    let home = Home::new();
    let status = home.up("default");
    signal(pid(&status, "supervisor"), Signal::SIGTERM);
    home.ok(&["wait", "--for", "down"]);
    assert!(!is_alive(pid(&status, "gateway/1")) && !is_alive(pid(&status, "pay-rpc/3")));
}

#[test]
fn data_survives_down_and_not_a_purge() {
    let home = Home::new();
    home.up("default");
    home.ok(&["down"]);
    let database = home.path().join("mallctl/default/data/order.db");
    assert!(database.exists());
    home.ok(&["down", "--purge"]);
    assert!(!database.exists());
    assert_eq!(home.run(&["verify"]).status.code(), Some(3));
}

#[test]
fn a_start_that_waits_for_a_proxy_says_so_and_why() {
    let home = Home::new();
    let mut up = home
        .command(&[
            "up",
            "-d",
            "--isolated",
            "--apis",
            "3",
            "--edge",
            "127.0.0.1:1",
            "--replicas",
            "user=1,order=1,pay=1",
        ])
        .stderr(Stdio::piped())
        .spawn()
        .expect("mallctl runs");
    let lines = BufReader::new(up.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
    let told: Vec<String> = lines.filter(|line| line.contains("127.0.0.1:1")).take(1).collect();
    up.kill().expect("it still waits");
    up.wait().expect("ends");
    let told = told.first().expect("says what it waits for");
    assert!(told.starts_with("not ready yet: waiting for the proxy") && told.contains("refused"), "{told}");
}

#[test]
fn data_that_cannot_be_used_is_offered_to_a_purge_of_its_own_stack() {
    let home = Home::new();
    let up = ["up", "-d", "--isolated", "--stack", "blue", "--replicas", "user=1,order=1,pay=1"];
    let (code, says) = failure(&home.run(&up));
    assert!(code == 0 && says.contains("`mallctl watch --stack blue`"), "{says}");
    assert!(says.contains("`mallctl down --stack blue`"), "{says}");
    home.ok(&["down", "--stack", "blue"]);
    home.write("mallctl/blue/data/order.db", "this was a database once, and now it is something else altogether");
    for leftover in ["order.db-wal", "order.db-shm"] {
        // They are there only when the database was not closed in order.
        let _ = std::fs::remove_file(home.path().join("mallctl/blue/data").join(leftover));
    }
    let (code, says) = failure(&home.run(&up));
    assert!(code == 1 && says.contains("`mallctl down --purge --stack blue`"), "{says}");
}
