//! The life of a whole shop: who is ready when, and how it ends.

mod support;

use mall::config::{Role, ServiceConfig};
use mall::serve::serve;
use support::control::{Fake, listen, wait};
use support::roles::{Process, config};

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
