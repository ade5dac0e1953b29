//! user-api, order-api and pay-api as three servers: together they are the gateway, apart each is a part of it.

mod support;

use mall::config::{Role, Secret, ServiceConfig};
use mall::serve::serve;
use serde_json::{Value, json};
use support::control::{Fake, listen, wait};
use support::roles::{Process, config};

/// Sends a request and reads the answer: its status and its JSON.
async fn send(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.expect("answers");
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or(Value::Null))
}

fn post(url: String, body: &Value) -> reqwest::RequestBuilder {
    reqwest::Client::new().post(url).body(body.to_string())
}

#[tokio::test]
async fn three_apis_place_an_order_together() {
    tokio::task::LocalSet::new()
        .run_until(async {
            let folder = tempfile::tempdir().expect("a folder");
            let (listener, control) = listen().await;
            let fake = Fake::new(3_000);
            fake.start(listener);
            let start = |role| Process::start(config(role, folder.path(), &control.endpoint), role);
            serve(Role::Migrate, config(Role::Migrate, folder.path(), &control.endpoint), async {})
                .await
                .expect("migrates");
            let mut registered = fake.registered.subscribe();

            let (user_api, order_api, pay_api) = (start(Role::UserApi), start(Role::OrderApi), start(Role::PayApi));
            let user = start(Role::UserRpc);
            let knows = |all: &Vec<(u64, _)>, name: &str| {
                all.iter().any(|(_, one): &(u64, mall_api::control::RegisterRequest)| one.service == name)
            };
            wait(&mut registered, |all| knows(all, "user-api")).await;
            let early: Vec<_> = registered.borrow().iter().map(|(_, one)| one.service.clone()).collect();
            assert!(early.iter().all(|name| name == "user-api" || name == "user-rpc"), "the others wait: {early:?}");
            let (order, pay) = (start(Role::OrderRpc), start(Role::PayRpc));
            wait(&mut registered, |all| knows(all, "order-api") && knows(all, "pay-api")).await;
            let url = |role: Role, path: &str| {
                let all = registered.borrow();
                let (_, one) = all.iter().find(|(_, one)| one.service == role.name()).expect("registered");
                format!("http://{}{path}", one.address)
            };

            let login = json!({ "mobile": "13800000001", "password": mall::seed::PASSWORD });
            let (status, login) = send(post(url(Role::UserApi, "/api/user/login"), &login)).await;
            assert_eq!(status, 200, "{login}");
            let token = login["access_token"].as_str().expect("a token");
            let items = json!({ "items": [{ "product_id": 1, "quantity": 1 }] });
            let create = url(Role::OrderApi, "/api/order/create");
            assert_eq!(send(post(create.clone(), &items)).await.0, 401, "order-api checks what user-api issued");
            let (status, placed) = send(post(create, &items).bearer_auth(token)).await;
            assert_eq!(status, 200, "{placed}");
            let detail = url(Role::PayApi, &format!("/api/pay/detail?id={}", placed["payment_id"]));
            let (status, payment) = send(reqwest::Client::new().get(detail).bearer_auth(token)).await;
            assert_eq!((status, &payment["order_id"]), (200, &placed["order_id"]), "{payment}");

            for (role, path) in [
                (Role::UserApi, "/api/product/list"),
                (Role::OrderApi, "/api/user/info"),
                (Role::PayApi, "/api/order/list"),
            ] {
                assert_eq!(send(reqwest::Client::new().get(url(role, path))).await.0, 404, "{role} {path}");
            }
            let ready = |role| send(reqwest::Client::new().get(url(role, "/readyz")));
            let connected = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), json!(1))).collect::<Value>();
            for (role, names) in [
                (Role::UserApi, ["user-rpc"].as_slice()),
                (Role::OrderApi, &["order-rpc", "pay-rpc", "user-rpc"]),
                (Role::PayApi, &["pay-rpc"]),
            ] {
                let (status, body) = ready(role).await;
                assert_eq!((status, &body["connected"]), (200, &connected(names)), "{role}");
            }
            for process in [user_api, order_api, pay_api, pay, order, user] {
                process.stop().await;
            }
        })
        .await;
}

#[tokio::test]
async fn an_api_without_a_shared_secret_does_not_start() {
    let start = async |role: &str, secret: &str| {
        let mut config = ServiceConfig::new(role);
        config.auth.access_secret = Secret::new(secret);
        let role: Role = role.parse().expect("a role");
        serve(role, config, async {}).await.expect_err("must be refused").to_string()
    };
    assert!(start("user-api", "").await.contains("the same one"));
    assert!(start("gateway", "short").await.contains("Auth.AccessSecret has fewer than 8 characters"));
}
