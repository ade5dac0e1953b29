//! What a browser is told of other origins, over a socket.

mod shop;
mod support;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS as CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS as ALLOWED,
    ACCESS_CONTROL_ALLOW_ORIGIN as ORIGIN, ACCESS_CONTROL_MAX_AGE as MAX_AGE, VARY,
};
use http::{HeaderMap, HeaderName, Method};
use mall::rpc::Place;
use shop::{Data, Shop};
use support::{attribute, record_spans};

async fn shop(origins: &[&str]) -> Shop {
    let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    // No service behind: who asks for permission needs none.
    Shop::start_with(Data::with_stock(1).await, &[], |config| config.mall.cors.origins = origins).await
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().expect("text"))
}

#[tokio::test]
async fn a_preflight_is_answered_before_anything_sees_it() {
    let shop = shop(&["https://mall.example"]).await;
    let recorded = record_spans();
    let headers = [("origin", "https://mall.example"), ("access-control-request-method", "POST")];
    let paths = ["/api/order/create", "/there/is/no/such/route"];
    for path in paths {
        let answer = shop.send(Method::OPTIONS, path, &headers, Vec::new()).await;
        assert_eq!(answer.status, 204);
        assert_eq!(text(&answer.headers, ORIGIN), Some("https://mall.example"));
        assert_eq!(text(&answer.headers, CREDENTIALS), Some("true"));
        assert_eq!(text(&answer.headers, MAX_AGE), Some("86400"));
        assert!(text(&answer.headers, ALLOWED).expect("a list").contains("Idempotency-Key"));
        let vary: Vec<_> = answer.headers.get_all(VARY).iter().collect();
        assert_eq!(vary, ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"]);
        assert!(!answer.headers.contains_key("traceparent"));
    }
    let traced: Vec<_> = recorded.all().iter().filter_map(|span| attribute(span, "url.path")).collect();
    assert!(traced.iter().all(|path| !paths.contains(&path.as_str())), "a preflight is no request: {traced:?}");
    assert_eq!(shop.gateway.guard(Place::Route, "POST:///api/order/create").snapshot().total, 0);
}

#[tokio::test]
async fn refusals_can_be_read_by_allowed_pages_and_only_by_them() {
    let shop = shop(&["mall.example"]).await;
    let ask = async |origin| shop.send(Method::GET, "/api/user/info", &[("origin", origin)], Vec::new()).await;
    let allowed = ask("https://shop.mall.example").await;
    assert_eq!(allowed.status, 401);
    assert_eq!(text(&allowed.headers, ORIGIN), Some("https://shop.mall.example"));
    assert_eq!(text(&allowed.headers, VARY), Some("Origin"));
    let other = ask("https://mall.example.evil").await;
    assert_eq!((other.status.as_u16(), text(&other.headers, ORIGIN)), (401, None));
    assert_eq!(text(&other.headers, VARY), Some("Origin"), "a cache must not mix the two up");
}

#[tokio::test]
async fn without_configured_origins_every_page_may_read_but_not_as_its_user() {
    let shop = shop(&[]).await;
    let answer = shop.send(Method::GET, "/nowhere", &[("origin", "https://a.example")], Vec::new()).await;
    assert_eq!(answer.status, 404);
    assert_eq!((text(&answer.headers, ORIGIN), text(&answer.headers, CREDENTIALS)), (Some("*"), None));
}
