//! Orders over HTTP: from login to a paid order, and everything that can be wrong with a request.

mod shop;

use http::{Method, StatusCode};
use mall::config::{Role, Secret};
use mall::gateway::Tokens;
use mall::verify::Verdict;
use serde_json::{Value, json};
use shop::{Answer, SECRET, Shop};

fn refused(answer: &Answer, status: u16, code: u64, reason: &str) {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.body["code"], code, "{answer:?}");
    assert_eq!(answer.body["reason"], reason, "{answer:?}");
    assert!(answer.body["trace_id"].is_string() && answer.body["message"].is_string(), "{answer:?}");
}

#[tokio::test]
async fn an_order_is_placed_and_paid() {
    let shop = Shop::start(100).await;
    let token = shop.login(1).await;
    let items = json!([{ "product_id": "3", "quantity": 2 }, { "product_id": 1, "quantity": "1" }]);
    let answer = shop.order(&token, "k1", items.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.body["status"], "pending");
    let order_id = answer.body["order_id"].as_i64().expect("an id");
    shop.wait_for_status(&token, order_id, "paid").await;

    let detail = shop.get(&format!("/api/order/detail?id={order_id}"), &token).await.body;
    assert_eq!(detail["total"], answer.body["total"]);
    assert_eq!(detail["items"].as_array().map(Vec::len), Some(2));
    let payment = shop.get(&format!("/api/pay/detail?order_id={order_id}"), &token).await.body;
    assert_eq!((&payment["status"], &payment["amount"]), (&json!("success"), &answer.body["total"]));
    assert_eq!(shop.get(&format!("/api/pay/detail?id={}", payment["payment_id"]), &token).await.body, payment);

    let again = shop.order(&token, "k1", items).await;
    assert_eq!(again.body["order_id"], order_id);
    assert_eq!(again.body["status"], "paid");
    assert_eq!(again.headers.get("idempotent-replayed").map(http::HeaderValue::as_bytes), Some(b"true".as_slice()));
    let listed = shop.get("/api/order/list", &token).await.body;
    assert_eq!(listed["orders"].as_array().map(Vec::len), Some(1));
    assert_eq!(shop.data.verify().await.verdict, Verdict::True);
}

#[tokio::test]
async fn orders_belong_to_their_users() {
    let shop = Shop::start(100).await;
    let (mine, theirs) = (shop.login(1).await, shop.login(2).await);
    let order_id = shop.order(&mine, "k", json!([{ "product_id": 1, "quantity": 1 }])).await.body["order_id"].clone();
    refused(&shop.get(&format!("/api/order/detail?id={order_id}"), &theirs).await, 404, 3000, "not_found");
    refused(&shop.get(&format!("/api/pay/detail?order_id={order_id}"), &theirs).await, 404, 4000, "not_found");
    let other = shop.order(&theirs, "k", json!([{ "product_id": 2, "quantity": 1 }])).await;
    assert_eq!(other.status, StatusCode::OK, "a key is a user's own: {other:?}");
}

#[tokio::test]
async fn impossible_orders_are_refused_and_leave_nothing() {
    let shop = Shop::start(3).await;
    let token = shop.login(1).await;
    let order = async |key: &str, items: Value| shop.order(&token, key, items).await;
    refused(&order("a", json!([{ "product_id": 1, "quantity": -1 }])).await, 400, 1001, "invalid");
    refused(&order("a", json!([{ "product_id": 1, "quantity": 0 }])).await, 400, 1001, "invalid");
    refused(&order("a", json!([])).await, 400, 1001, "invalid");
    refused(&order("a", json!([{ "product_id": "tea", "quantity": 1 }])).await, 400, 1001, "invalid");
    refused(&order("a", json!(vec![json!({ "product_id": 1, "quantity": 1 }); 101])).await, 400, 1001, "invalid");
    refused(&order("a", json!([{ "product_id": 999, "quantity": 1 }])).await, 404, 3002, "not_found");
    refused(&order("a", json!([{ "product_id": 1, "quantity": 4 }])).await, 409, 3001, "conflict");
    refused(&order("no spaces", json!([{ "product_id": 1, "quantity": 1 }])).await, 400, 1001, "invalid");
    assert!(shop.data.snapshot().await.orders.is_empty());
    assert_eq!(order("a", json!([{ "product_id": 1, "quantity": 1 }])).await.status, StatusCode::OK, "no key is burnt");
    refused(&order("a", json!([{ "product_id": 2, "quantity": 1 }])).await, 422, 1001, "conflict");
}

#[tokio::test]
async fn broken_requests_are_told_where_they_break() {
    let shop = Shop::start_with(shop::Data::with_stock(3).await, &Role::RPC, |config| config.max_bytes = 512).await;
    let token = format!("Bearer {}", shop.login(1).await);
    let headers = [("authorization", token.as_str())];
    let malformed = shop.send(Method::POST, "/api/order/create", &headers, b"{\"items\":[{]}".to_vec()).await;
    refused(&malformed, 400, 1001, "invalid");
    assert!(malformed.body["message"].as_str().is_some_and(|text| text.contains("line 1 column 12")), "{malformed:?}");
    let oversized = shop.send(Method::POST, "/api/order/create", &headers, vec![b' '; 513]).await;
    refused(&oversized, 413, 1004, "invalid");
    refused(&shop.get("/api/order/nothing", "").await, 404, 1005, "not_found");
    refused(&shop.send(Method::DELETE, "/api/order/create", &headers, vec![]).await, 405, 1006, "invalid");
    refused(&shop.get("/api/product/detail?id=x", "").await, 400, 1001, "invalid");
    refused(&shop.get("/api/product/detail", "").await, 400, 1001, "invalid");
    refused(&shop.get("/api/product/detail?id=77", "").await, 404, 3002, "not_found");
}

#[tokio::test]
async fn only_valid_tokens_open_the_door() {
    let shop = Shop::start(3).await;
    refused(&shop.get("/api/user/info", "").await, 401, 1002, "auth");
    refused(&shop.get("/api/user/info", "nonsense").await, 401, 1002, "auth");
    let issue = |secret: &str, access_expire| {
        let auth = mall::config::Auth { access_secret: Secret::new(secret), access_expire, ..Default::default() };
        Tokens::new(&auth).issue(1).expect("issues").0
    };
    refused(&shop.get("/api/user/info", &issue("another secret", 60)).await, 401, 1002, "auth");
    assert_eq!(shop.get("/api/user/info", &issue(SECRET, 60)).await.body["user_id"], 1);
    let claims = mall::gateway::Claims { uid: 1, iat: 1, exp: 2 };
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let ended = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("signs");
    let ended = shop.get("/api/user/info", &ended).await;
    refused(&ended, 401, 1002, "auth");
    assert!(ended.body["message"].as_str().is_some_and(|text| text.contains("expired")), "{ended:?}");
    let answer = shop.post("/api/user/login", json!({ "mobile": "13800000001", "password": "wrong word" })).await;
    refused(&answer, 401, 1002, "auth");
}

#[tokio::test]
async fn a_user_registers_once() {
    let shop = Shop::start(3).await;
    let body = json!({ "name": "Ken", "mobile": "13900000001", "password": "long enough" });
    let answer = shop.post("/api/user/register", body.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    refused(&shop.post("/api/user/register", body.clone()).await, 409, 2001, "conflict");
    let login = shop.post("/api/user/login", json!({ "mobile": "13900000001", "password": "long enough" })).await;
    assert_eq!(login.body["user_id"], answer.body["user_id"]);
    let token = login.body["access_token"].as_str().expect("a token");
    assert_eq!(shop.get("/api/user/info", token).await.body["name"], "Ken");
    let short = json!({ "name": "Ken", "mobile": "13900000002", "password": "short" });
    refused(&shop.post("/api/user/register", short).await, 400, 1001, "invalid");
}

#[tokio::test]
async fn a_payment_that_cannot_start_leaves_a_pending_order_that_resumes() {
    let data = shop::Data::with_stock(10).await;
    let shop = Shop::start_with(data, &[Role::UserRpc, Role::OrderRpc], |_| {}).await;
    let token = shop.login(1).await;
    let items = json!([{ "product_id": 1, "quantity": 1 }]);
    let answer = shop.order(&token, "k", items.clone()).await;
    refused(&answer, 503, 5005, "downstream");
    let order_id = answer.body["order_id"].as_i64().expect("the order is named");
    assert_eq!(shop.get(&format!("/api/order/detail?id={order_id}"), &token).await.body["status"], "pending");

    let data = shop.stop();
    let shop = Shop::start_with(data, &Role::RPC, |_| {}).await;
    let resumed = shop.order(&token, "k", items).await;
    assert_eq!((resumed.status, &resumed.body["order_id"]), (StatusCode::OK, &json!(order_id)), "{resumed:?}");
    shop.wait_for_status(&token, order_id, "paid").await;
    assert_eq!(shop.data.verify().await.verdict, Verdict::True);
}

#[tokio::test]
async fn providers_outside_must_sign() {
    let shop = Shop::start(10).await;
    let token = shop.login(1).await;
    let placed = shop.order(&token, "k", json!([{ "product_id": 1, "quantity": 1 }])).await.body;
    let order_id = placed["order_id"].as_i64().expect("an id");
    shop.wait_for_status(&token, order_id, "paid").await;
    let body = json!({ "payment_id": placed["payment_id"], "provider_ref": "bank-1", "amount": placed["total"], "success": true });
    let body = body.to_string().into_bytes();
    refused(&shop.send(Method::POST, "/api/pay/callback", &[], body.clone()).await, 401, 1002, "auth");
    let tokens = Tokens::new(&mall::config::Auth {
        access_secret: Secret::new(SECRET),
        access_expire: 60,
        ..Default::default()
    });
    let signature = tokens.sign_callback(&body).expect("signs");
    let answer = shop.send(Method::POST, "/api/pay/callback", &[("x-callback-signature", &signature)], body).await;
    assert_eq!((answer.status, &answer.body["status"]), (StatusCode::OK, &json!("success")), "{answer:?}");
    let lie = json!({ "payment_id": placed["payment_id"], "provider_ref": "bank-1", "amount": 1, "success": true });
    let lie = lie.to_string().into_bytes();
    let signature = tokens.sign_callback(&lie).expect("signs");
    let answer = shop.send(Method::POST, "/api/pay/callback", &[("x-callback-signature", &signature)], lie).await;
    refused(&answer, 409, 4001, "conflict");
}

#[tokio::test]
async fn the_gateway_says_whether_it_is_well() {
    let shop = Shop::start(1).await;
    assert_eq!(shop.get("/healthz", "").await.status, StatusCode::OK);
    assert_eq!(shop.get("/readyz", "").await.body["connected"]["pay-rpc"], 1);
    let products = shop.get("/api/product/list?limit=2", "").await.body;
    assert_eq!(products["products"].as_array().map(Vec::len), Some(2));
    let next = shop.get("/api/product/list?after_id=2", "").await.body;
    assert_eq!(next["products"][0]["product_id"], 3);
}
