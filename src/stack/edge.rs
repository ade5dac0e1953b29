//! The proxy in front of the three APIs: somebody else runs it, we only know whether it lets requests through.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::probe;
use super::shared::Shared;

/// Between two looks while it does not answer, and while it does.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// What is known of the proxy.
#[derive(Debug)]
pub struct Edge {
    address: Option<String>,
    open: watch::Sender<bool>,
}

impl Edge {
    /// The proxy at host:port; without one, nothing stands in the way.
    pub fn new(address: Option<String>) -> Self {
        let open = watch::Sender::new(address.is_none());
        Self { address, open }
    }

    /// host:port of the proxy.
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// Whether a request gets through, as far as was seen last.
    pub fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// Returns once a request got through.
    pub async fn opened(&self) {
        // The sender lives as long as we do.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}

impl Shared {
    /// Looks after the proxy as long as the stack is up. Who loads the shop is told its address when it first answers.
    pub async fn watch_edge(self: Arc<Self>) {
        let Some(address) = self.edge.address().map(str::to_owned) else { return };
        loop {
            let answer = probe::get(&address, "/readyz").await;
            let open = matches!(&answer, Ok(answer) if answer.status == 200);
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
            }
            tokio::time::sleep(if open { LOOK_AFTER } else { LOOK_AGAIN }).await;
        }
    }
}
