//! A name that resolves to every replica, such as a headless service.

use super::Endpoint;
use super::listed::Listed;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Time between two resolutions.
const INTERVAL: Duration = Duration::from_secs(5);

/// Resolves `name` (`user-rpc.shop:8080`) into `listed` until nobody watches it.
pub(super) async fn follow(name: String, listed: Listed) {
    let resolve = || async { tokio::net::lookup_host(&name).await.map(Iterator::collect) };
    follow_by(resolve, INTERVAL, listed).await;
}

/// A failure, and a name without an address, leave the list as it is: a resolver that answers nothing is more often broken
/// than right, and a replica that is gone is not connected to anyway.
async fn follow_by<F>(resolve: impl Fn() -> F, interval: Duration, mut listed: Listed)
where
    F: Future<Output = io::Result<Vec<SocketAddr>>>,
{
    let mut unwatched = std::pin::pin!(listed.unwatched());
    loop {
        let resolved = tokio::select! {
            resolved = resolve() => resolved,
            () = &mut unwatched => return,
        };
        match resolved {
            Ok(addresses) if addresses.is_empty() => listed.lost(&"the name has no address"),
            Ok(addresses) => {
                let found: BTreeSet<Endpoint> =
                    addresses.iter().map(|address| Endpoint::at(&address.to_string())).collect();
                listed.reloaded();
                listed.publish(&found);
            }
            Err(error) => listed.lost(&error),
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = &mut unwatched => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Meters;
    use std::collections::VecDeque;
    use std::sync::Mutex;

    fn addresses(ports: &[u16]) -> Vec<SocketAddr> {
        ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect()
    }

    #[tokio::test]
    async fn answers_are_followed_and_failures_keep_the_last() {
        let answers = Mutex::new(VecDeque::from([
            Ok(addresses(&[2, 1, 2])),
            Err(io::Error::other("no such name")),
            Ok(Vec::new()),
            Ok(addresses(&[3])),
        ]));
        let resolve = || {
            let answer = answers.lock().expect("not poisoned").pop_front();
            async move {
                match answer {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            }
        };
        let (listed, mut watch) = Listed::new("pay-rpc", &Meters::disabled());
        let seen = async {
            watch.changed().await.expect("lives");
            assert_eq!(*watch.borrow_and_update(), [Endpoint::at("127.0.0.1:1"), Endpoint::at("127.0.0.1:2")]);
            watch.changed().await.expect("lives");
            assert_eq!(*watch.borrow_and_update(), [Endpoint::at("127.0.0.1:3")], "the failures changed nothing");
            drop(watch);
        };
        futures::future::join(follow_by(resolve, Duration::from_millis(1), listed), seen).await;
    }

    #[tokio::test]
    async fn a_real_name_is_resolved() {
        let (listed, mut watch) = Listed::new("pay-rpc", &Meters::disabled());
        let following = tokio::spawn(follow("localhost:8080".to_owned(), listed));
        watch.changed().await.expect("lives");
        assert!(watch.borrow().iter().all(|endpoint| endpoint.address.ends_with(":8080")));
        drop(watch);
        following.await.expect("ends when nobody watches");
    }
}
