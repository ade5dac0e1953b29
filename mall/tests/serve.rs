//! The life of a whole shop: who is ready when, and how it ends.

mod support;

use mall::config::{Prometheus, Role, RpcClient, ServiceConfig};
use mall::context::ServiceContext;
use mall::serve::{Application, run, serve};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::control::{Fake, listen, wait};
use support::roles::{Process, config};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

#[tokio::test]
async fn a_gateway_is_ready_after_what_it_needs_and_everything_ends_well() {
    tokio::task::LocalSet::new()
        .run_until(async {
            let folder = tempfile::tempdir().expect("a folder");
            let (listener, control) = listen().await;
            let fake = Fake::new(3_000);
            fake.start(listener);
            let config = |role| config(role, folder.path(), &control.endpoint);
            serve(Role::Migrate, config(Role::Migrate), async {}).await.expect("migrates");

            let gateway = Process::start(config(Role::Gateway), Role::Gateway);
            let mut registered = fake.registered.subscribe();
            let user = Process::start(config(Role::UserRpc), Role::UserRpc);
            let order = Process::start(config(Role::OrderRpc), Role::OrderRpc);
            wait(&mut registered, |all| all.len() == 2).await;
            assert!(registered.borrow().iter().all(|(_, one)| one.service != "gateway"));
            let pay = Process::start(config(Role::PayRpc), Role::PayRpc);
            wait(&mut registered, |all| all.iter().any(|(_, one)| one.service == "gateway")).await;

            let (_, front) = registered.borrow().last().cloned().expect("registered last");
            assert_eq!((front.service.as_str(), front.instance.as_str()), ("gateway", "gateway/1"));
            assert_ne!(front.admin, front.address);
            let url = format!("http://{}/api/product/list", front.address);
            let answer = reqwest::get(&url).await.expect("answers");
            assert!(answer.status().is_success(), "{}", answer.status());

            order.stop().await;
            assert!(registered.borrow_and_update().iter().all(|(_, one)| one.service != "order-rpc"));
            let answer = reqwest::get(&url).await.expect("answers");
            assert_eq!(answer.status(), 503);

            for process in [gateway, pay, user] {
                process.stop().await;
            }
            assert!(registered.borrow().is_empty());
            assert!(reqwest::get(&url).await.is_err_and(|error| error.is_connect()));
        })
        .await;
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let (_listener, taken) = listen().await;
    let mut config = ServiceConfig::new("user-rpc");
    config.listen_on = taken.endpoint.clone();
    let error = serve(Role::UserRpc, config, async {}).await.expect_err("taken").to_string();
    assert!(error.contains(&taken.endpoint), "{error}");
}

/// A pay-rpc that calls order-rpc, which is not there, and asks for metrics on `port`.
fn front(non_block: bool, port: u16) -> ServiceConfig {
    let mut config = ServiceConfig::new("pay-rpc");
    config.order_rpc = Some(RpcClient { non_block, ..RpcClient::default() });
    config.prometheus = Some(Prometheus { host: "127.0.0.1".to_owned(), port, ..Prometheus::default() });
    config
}

#[tokio::test]
async fn a_process_that_waits_for_another_one_stops_when_it_is_told_to() {
    let (stop, begun) = (CancellationToken::new(), CancellationToken::new());
    let build = async |_: &ServiceContext| {
        begun.cancel();
        Ok(Application::Rpc(Routes::default()))
    };
    let told = async {
        begun.cancelled().await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(run(Role::PayRpc, front(false, 0), build, stop.cancelled()), told);
    ended.expect("ends well, and waits no longer");
}

#[tokio::test]
async fn a_process_that_cannot_start_lets_its_work_end() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let taken = holder.local_addr().expect("has an address").port();
    let finished = Arc::new(AtomicBool::new(false));
    for (config, reason) in [(front(true, taken), "cannot listen"), (front(false, 0), "no replica of order-rpc")] {
        finished.store(false, Ordering::Relaxed);
        let build = async |context: &ServiceContext| {
            let (stop, finished) = (context.stop().clone(), Arc::clone(&finished));
            context.background().spawn(async move {
                stop.cancelled().await;
                // As long as a last statement: more than the runtime would turn for a task that nobody awaits.
                for _ in 0..1_000 {
                    tokio::task::yield_now().await;
                }
                finished.store(true, Ordering::Relaxed);
            });
            Ok(Application::Rpc(Routes::default()))
        };
        let ended = run(Role::PayRpc, config, build, std::future::pending()).await;
        let error = ended.expect_err("cannot start").to_string();
        assert!(error.contains(reason), "{error}");
        assert!(finished.load(Ordering::Relaxed), "work was cut off: {reason}");
    }
}
