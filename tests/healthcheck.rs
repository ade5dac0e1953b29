//! `mallctl healthcheck` tells who answers from who does not, by its exit code.

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;

use common::{Home, address, failure};

/// Answers one HTTP request with a status line; answers where.
fn answers(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("has an address");
    std::thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        let mut request = [0; 1024];
        let _ = stream.read(&mut request);
        let _ = write!(stream, "{status}\r\nContent-Length: 0\r\n\r\n");
    });
    format!("http://{address}/readyz")
}

#[test]
fn a_2xx_is_healthy_and_nothing_else() {
    let home = Home::new();
    home.ok(&["healthcheck", "--http", &answers("HTTP/1.1 204 No Content")]);
    for status in ["HTTP/1.1 503 Service Unavailable", "HTTP/1.1 302 Found", "SSH-2.0-other"] {
        let (code, says) = failure(&home.run(&["healthcheck", "--http", &answers(status)]));
        assert!(code == 1 && says.contains("unhealthy"), "{status}: {code} {says}");
    }
}

#[test]
fn a_process_that_is_silent_or_not_there_is_unhealthy() {
    let home = Home::new();
    let silent = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = silent.local_addr().expect("has an address").to_string();
    let url = format!("http://{address}/");
    for args in [&["--grpc", address.as_str()][..], &["--http", &url], &["--grpc", "127.0.0.1:1"]] {
        let args = [&["healthcheck", "--timeout", "200ms"], args].concat();
        let (code, says) = failure(&home.run(&args));
        assert!(code == 1 && says.contains("unhealthy"), "{args:?}: {code} {says}");
    }
}

#[test]
fn what_cannot_be_asked_is_a_usage_error() {
    let home = Home::new();
    for (flag, address, mend) in [
        ("--http", "https://127.0.0.1:1/", "write http://HOST:PORT/PATH"),
        ("--http", "127.0.0.1", "write http://HOST:PORT/PATH"),
        ("--http", "http://127.0.0.1/", "write http://HOST:PORT/PATH"),
        ("--grpc", "a b", "write HOST:PORT without a scheme"),
        ("--grpc", "http://127.0.0.1:4320", "write HOST:PORT without a scheme"),
        ("--grpc", "127.0.0.1", "write HOST:PORT without a scheme"),
    ] {
        let (code, says) = failure(&home.run(&["healthcheck", flag, address]));
        assert!(code == 2 && says.contains(mend), "{flag} {address}: {code} {says}");
    }
}

#[test]
fn a_collector_and_every_service_of_a_stack_answer_by_the_names_that_containers_ask_for() {
    let home = Home::new();
    let status = home.up("health");
    home.ok(&["healthcheck", "--grpc", &address(&status, "console")]);
    let gateway = address(&status, "gateway");
    home.ok(&["healthcheck", "--http", &format!("http://{gateway}/readyz")]);
    for (role, service) in [("user-rpc", "mall.User"), ("order-rpc", "mall.Order"), ("pay-rpc", "mall.Pay")] {
        let process = common::processes(&status).into_iter().find(|one| one["role"] == role).expect("runs");
        let listening = process["listen"].as_str().expect("listens").to_owned();
        home.ok(&["healthcheck", "--grpc", &listening, "--service", service]);
        home.ok(&["healthcheck", "--grpc", &listening]);
        let (code, says) = failure(&home.run(&["healthcheck", "--grpc", &listening, "--service", "mall.Cart"]));
        assert!(code == 1 && says.contains("NotFound"), "{code} {says}");
    }
}
