//! Refusals by a limit are counted, from zero.

mod support;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use mall::config::{Role, Secret, ServiceConfig};
use mall::context::ServiceContext;
use mall::gateway;
use mall::serve::{Application, run};
use std::convert::Infallible;
use std::time::Duration;
use support::collector::Collector;
use tower::ServiceExt;

#[tokio::test]
async fn refusals_of_the_connection_limit_count_from_zero() {
    for refused in 0..3 {
        let collector = Collector::default();
        let mut config = ServiceConfig::new("gateway");
        config.telemetry.endpoint = collector.start().await;
        config.auth.access_secret = Secret::new("signs tokens");
        config.max_conns = 1;
        let build = async |context: &ServiceContext| {
            let router = gateway::router(context);
            // A request whose body never comes keeps the only place of its route.
            let login = |body| http::Request::post("/api/user/login").body(body).expect("legal");
            let never = stream::pending::<Result<Bytes, Infallible>>();
            let mut first = std::pin::pin!(router.clone().oneshot(login(Body::from_stream(never))));
            assert!(futures::poll!(first.as_mut()).is_pending());
            for _ in 0..refused {
                let answer = router.clone().oneshot(login(Body::empty())).await.expect("answers");
                assert_eq!(answer.status(), 503);
            }
            Ok(Application::Http(router))
        };
        let served = run(Role::Gateway, config, build, async {});
        tokio::time::timeout(Duration::from_secs(30), served).await.expect("in time").expect("served");
        assert_eq!(collector.sums().get("limiter.rejections"), Some(&refused));
    }
}
