use super::agent::{Agent, encoded};
use super::{Backoff, ConsulError};
use crate::discovery::{Announced, Endpoint};
use futures::future::BoxFuture;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::oneshot;

/// One answer.
const ANSWER: Duration = Duration::from_secs(3);
/// Time after which a replica that says nothing is critical, and found no more. As long as a lease of etcd.
const TTL_S: u64 = 10;
/// Time after which Consul forgets a critical replica: the shortest that it knows.
const FORGOTTEN_AFTER: &str = "1m";

/// Keeps `endpoint` in Consul until it is withdrawn. Resolves when Consul knows it for the first time.
pub(in super::super) fn announce(agent: Agent, endpoint: &Endpoint) -> BoxFuture<'static, Announced> {
    let (known, is_known) = oneshot::channel();
    let id = format!("{}-{}", agent.key(), endpoint.address.replace(':', "-"));
    let service = describe(agent.key(), &id, endpoint);
    let registration = Registration { agent, id, service, known: Some(known), is_lost: false };
    Box::pin(async move {
        let (stop, stopped) = oneshot::channel();
        let keeper = tokio::spawn(registration.keep(stopped));
        // The keeper only ends after it was stopped, so an error here cannot happen before.
        let _ = is_known.await;
        Announced::new(async move {
            let _ = stop.send(());
            let _ = keeper.await;
        })
    })
}

struct Registration {
    agent: Agent,
    /// `<Key>-<host>-<port>`, as go-zero has it.
    id: String,
    service: Value,
    known: Option<oneshot::Sender<()>>,
    is_lost: bool,
}

impl Registration {
    async fn keep(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut backoff = Backoff::new();
        loop {
            let lost = tokio::select! {
                Err(lost) = self.hold(&mut backoff) => lost,
                _ = &mut stopped => return self.withdraw().await,
            };
            if !std::mem::replace(&mut self.is_lost, true) {
                tracing::warn!(id = self.id, reason = %lost, "not registered in consul, trying again");
            }
            tokio::select! {
                () = backoff.pause() => {}
                _ = &mut stopped => return self.withdraw().await,
            }
        }
    }

    /// Registers, and passes the check at a third of its life. An agent that forgot the check answers 404.
    async fn hold(&mut self, backoff: &mut Backoff) -> Result<Infallible, ConsulError> {
        self.agent.ask(Method::PUT, "/v1/agent/service/register", Some(&self.service), ANSWER).await?;
        self.stands();
        backoff.reset();
        let pass = format!("/v1/agent/check/pass/{}", encoded(&format!("service:{}", self.id)));
        loop {
            tokio::time::sleep(Duration::from_secs(TTL_S) / 3).await;
            self.agent.ask(Method::PUT, &pass, None, ANSWER).await?;
        }
    }

    fn stands(&mut self) {
        if let Some(known) = self.known.take() {
            // Nobody waits when the announcement was dropped meanwhile.
            let _ = known.send(());
        }
        if std::mem::take(&mut self.is_lost) {
            tracing::info!(id = self.id, "registered in consul again");
        }
    }

    /// Consul answers 404 when it does not know the service: then nothing is left to take back.
    async fn withdraw(self) {
        let path = format!("/v1/agent/service/deregister/{}", encoded(&self.id));
        match self.agent.ask(Method::PUT, &path, None, ANSWER).await {
            Ok(_) | Err(ConsulError::Status { status: StatusCode::NOT_FOUND, .. }) => {}
            Err(error) => tracing::debug!(id = self.id, %error, "not withdrawn from consul, its check will end it"),
        }
    }
}

/// What Consul is told of a replica.
fn describe(key: &str, id: &str, endpoint: &Endpoint) -> Value {
    let (host, port) = endpoint.address.rsplit_once(':').unwrap_or((&endpoint.address, "0"));
    json!({
        "ID": id,
        "Name": key,
        "Address": host.trim_matches(['[', ']']),
        "Port": port.parse::<u16>().unwrap_or_default(),
        "Meta": { "instance": &*endpoint.instance },
        "Check": {
            "TTL": format!("{TTL_S}s"),
            "Status": "passing",
            "DeregisterCriticalServiceAfter": FORGOTTEN_AFTER,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_described_as_consul_wants_it() {
        let service = describe("user-rpc", "user-rpc-::1-80", &Endpoint::new("user-rpc/1", "[::1]:80"));
        assert_eq!((service["Address"].as_str(), service["Port"].as_u64()), (Some("::1"), Some(80)));
        assert_eq!(service["Check"]["TTL"], "10s");
        assert_eq!(service["Meta"]["instance"], "user-rpc/1");
    }
}
