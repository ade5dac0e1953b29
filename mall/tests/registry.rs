//! The supervisor's registry, as a service uses it: leases, losses and returns.

#[path = "servers/port.rs"]
mod port;
mod support;

use mall::config::Control as ControlConfig;
use mall::discovery::{Announcement, Discovery, Endpoint, Registry};
use port::free_port;
use std::time::Duration;
use support::control::{Fake, listen, wait};
use tokio::net::TcpListener;

fn announcement() -> Announcement {
    let endpoint = Endpoint::new("pay-rpc/1", "127.0.0.1:9");
    Announcement { service: "pay-rpc".to_owned(), endpoint, admin: "127.0.0.1:9".to_owned() }
}

#[tokio::test]
async fn who_registers_is_found_until_it_withdraws() {
    let fake = Fake::new(60);
    let (listener, config) = listen().await;
    fake.start(listener);
    let registry = Registry::new(&config).expect("a valid endpoint");
    let mut found = registry.watch("pay-rpc");
    let announced = registry.announce(announcement()).await;
    wait(&mut found, |list| *list == [announcement().endpoint]).await;
    wait(&mut fake.kept_alive.subscribe(), |count| *count > 2).await;
    announced.withdraw().await;
    wait(&mut found, Vec::is_empty).await;
}

#[tokio::test]
async fn a_forgotten_lease_is_taken_again() {
    let fake = Fake::new(60);
    let (listener, config) = listen().await;
    fake.start(listener);
    let registry = Registry::new(&config).expect("a valid endpoint");
    let _announced = registry.announce(announcement()).await;
    fake.forget();
    wait(&mut fake.registered.subscribe(), |all| all.len() == 1).await;
}

#[tokio::test]
async fn a_lost_registry_leaves_the_last_known_endpoints() {
    let fake = Fake::new(3_000);
    let (listener, config) = listen().await;
    let server = fake.start(listener);
    let registry = Registry::new(&config).expect("a valid endpoint");
    let mut found = registry.watch("pay-rpc");
    let _announced = registry.announce(announcement()).await;
    wait(&mut found, |list| !list.is_empty()).await;
    server.abort();
    assert!(server.await.is_err_and(|error| error.is_cancelled()));
    // The watch breaks with the server's connections; the list must survive that and the attempts to reconnect.
    let changed = tokio::time::timeout(Duration::from_millis(300), found.changed()).await;
    assert!(changed.is_err(), "nothing may change");
    assert_eq!(*found.borrow(), [announcement().endpoint]);
}

#[tokio::test]
async fn announcing_waits_for_a_registry_that_is_late() {
    let (_, config) = listen().await;
    let config = ControlConfig { endpoint: format!("127.0.0.1:{}", free_port()), ..config };
    let registry = Registry::new(&config).expect("a valid endpoint");
    let announcing = registry.announce(announcement());
    let starting = async {
        tokio::time::sleep(Duration::from_millis(120)).await;
        let listener = TcpListener::bind(&config.endpoint).await.expect("still free");
        let fake = Fake::new(3_000);
        fake.start(listener);
        fake
    };
    let both = tokio::time::timeout(Duration::from_secs(20), futures::future::join(announcing, starting)).await;
    let (_announced, fake) = both.expect("in time");
    assert_eq!(fake.registered.borrow().len(), 1);
}
