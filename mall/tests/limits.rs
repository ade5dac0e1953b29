//! Limits in use: what is refused, what is told, and what is counted from zero.

mod shop;
mod support;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use mall::config::{Auth, Limit, Per, Role, Secret, ServiceConfig};
use mall::context::ServiceContext;
use mall::gateway::{self, Tokens};
use mall::rpc::Place;
use mall::serve::{Application, run, serve};
use serde_json::json;
use shop::{Data, Shop};
use std::convert::Infallible;
use std::time::Duration;
use support::collector::Collector;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

#[tokio::test]
async fn refusals_of_the_connection_limit_count_from_zero() {
    for refused in 0..3 {
        let collector = Collector::default();
        let mut config = ServiceConfig::new("gateway");
        config.telemetry.endpoint = collector.start().await;
        config.auth.access_secret = Secret::new("signs tokens");
        config.max_conns = 1;
        let built = CancellationToken::new();
        let build = async |context: &ServiceContext| {
            let router = gateway::router(context)?;
            // A request whose body never comes keeps the only place of its route.
            let login = |body| http::Request::post("/api/user/login").body(body).expect("legal");
            let never = stream::pending::<Result<Bytes, Infallible>>();
            let mut first = std::pin::pin!(router.clone().oneshot(login(Body::from_stream(never))));
            assert!(futures::poll!(first.as_mut()).is_pending());
            for _ in 0..refused {
                let answer = router.clone().oneshot(login(Body::empty())).await.expect("answers");
                assert_eq!(answer.status(), 503);
            }
            built.cancel();
            Ok(Application::Http(router))
        };
        let served = run(Role::Gateway, config, build, built.cancelled());
        tokio::time::timeout(Duration::from_secs(30), served).await.expect("in time").expect("served");
        assert_eq!(collector.sums().get("limiter.rejections"), Some(&refused));
    }
}

/// A limit of one request in an hour.
fn once(route: &str, per: Per) -> Limit {
    Limit { route: route.to_owned(), per, quota: 1, period: 3_600, ..Limit::default() }
}

#[tokio::test]
async fn a_user_who_asks_too_often_is_told_when_to_come_back() {
    let data = Data::with_stock(10).await;
    let configure = |config: &mut ServiceConfig| {
        config.mall.limits = vec![once("GET /api/user/info", Per::User), once("POST /api/user/login", Per::User)];
    };
    let shop = Shop::start_with(data, &[Role::UserRpc], configure).await;
    let token = |uid| {
        let auth = Auth { access_secret: Secret::new(shop::SECRET), ..Auth::default() };
        Tokens::new(&auth).issue(uid).expect("issues").0
    };
    let (one, other) = (token(1), token(2));
    assert_eq!(shop.get("/api/user/info", "").await.status, 401, "without a token nothing is counted");
    assert_eq!(shop.get("/api/user/info", &one).await.status, 200);
    for _ in 0..20 {
        let refused = shop.get("/api/user/info", &one).await;
        assert_eq!((refused.status.as_u16(), &refused.body["reason"]), (429, &json!("limiter")), "{refused:?}");
        let after: u64 = refused.headers["retry-after"].to_str().expect("text").parse().expect("seconds");
        assert!((3_500..=3_600).contains(&after), "{after}");
        assert_eq!(refused.body["code"], 5002);
    }
    assert_eq!(shop.get("/api/user/info", &other).await.status, 200, "another user");
    let totals = shop.gateway.guard(Place::Route, "GET:///api/user/info").totals();
    assert_eq!((totals.failed, totals.rejected), (0, 0), "a refusal by a limit is no failure of the route");

    // Nobody is logged in here: the client's address is counted.
    let login = async |from| {
        shop.send(http::Method::POST, "/api/user/login", &[("x-forwarded-for", from)], b"{}".to_vec()).await.status
    };
    assert_eq!(login("10.0.0.1").await, 400);
    assert_eq!(login("10.0.0.1").await, 429);
    assert_eq!(login("10.0.0.2").await, 400);
}

#[tokio::test]
async fn a_limit_that_cannot_work_is_named_at_the_start() {
    let mut config = ServiceConfig::new("gateway");
    config.auth.access_secret = Secret::new("signs tokens");
    config.mall.limits = vec![Limit { route: "*".to_owned(), rate: 100, burst: 1, ..Limit::default() }];
    let error = serve(Role::Gateway, config, async {}).await.expect_err("must be refused").to_string();
    assert!(error.contains("at least 50"), "{error}");
}
