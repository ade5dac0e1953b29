//! The proxy in front of the three APIs: somebody else runs it, we only know whether it lets requests through.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use collector::NewEvent;
use tokio::sync::watch;

use super::probe::{self, Answer};
use super::shared::{Shared, unix_ns};

/// Between two looks while it does not answer, and while it does.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// What is known of the proxy.
#[derive(Debug)]
pub struct Edge {
    address: Option<String>,
    open: watch::Sender<bool>,
    said: Mutex<String>,
}

impl Edge {
    /// The proxy at host:port; without one, nothing stands in the way.
    pub fn new(address: Option<String>) -> Self {
        let open = watch::Sender::new(address.is_none());
        Self { address, open, said: Mutex::default() }
    }

    /// host:port of the proxy.
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// Whether a request gets through, as far as was seen last.
    pub fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// What the last look met: `502`, or why there was no answer. Empty before the first.
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers what a look met; answers whether that is news.
    fn hear(&self, said: String) -> bool {
        let mut before = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = *before != said;
        *before = said;
        is_news
    }

    /// Returns once a request got through.
    pub async fn opened(&self) {
        // The sender lives as long as we do.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}

/// A proxy that let requests through, and does so no more.
fn outage_of(address: &str, answer: &std::io::Result<Answer>) -> NewEvent {
    let why = match answer {
        Ok(answer) => format!("/readyz is answered with {}", answer.status),
        Err(error) => error.to_string(),
    };
    NewEvent {
        kind: "server".to_owned(),
        begins_unix_ns: unix_ns(),
        service: "proxy".to_owned(),
        target: address.to_owned(),
        detail: format!("proxy at {address} lets nothing through: {why}"),
        ..NewEvent::default()
    }
}

impl Shared {
    /// Looks after the proxy as long as the stack is up. Who loads the shop is told its address when it first answers.
    pub async fn watch_edge(self: Arc<Self>) {
        let Some(address) = self.edge.address().map(str::to_owned) else { return };
        let (mut was_open, mut outage) = (false, None);
        loop {
            let answer = probe::get(&address, "/readyz").await;
            let open = matches!(&answer, Ok(answer) if answer.status == 200);
            let said = match &answer {
                Ok(answer) => answer.status.to_string(),
                Err(error) => error.to_string(),
            };
            if self.edge.hear(said) && !open {
                self.board.changed();
            }
            if open != self.edge.is_open() {
                match &answer {
                    Ok(answer) => tracing::info!(edge = address, status = answer.status, "the proxy answers"),
                    Err(error) => tracing::warn!(edge = address, %error, "the proxy does not answer"),
                }
                if open {
                    self.addresses.send_modify(|addresses| addresses.gateway.clone_from(&address));
                }
                self.edge.open.send_replace(open);
                self.board.changed();
                if open {
                    was_open = true;
                    outage.take().into_iter().for_each(|event| self.hub.close_event(event, unix_ns()));
                } else if was_open {
                    outage = Some(self.hub.open_event(outage_of(&address, &answer)));
                }
            }
            tokio::time::sleep(if open { LOOK_AFTER } else { LOOK_AGAIN }).await;
        }
    }
}
