//! Consul over HTTP: a service with a check that it must pass every few seconds, and blocking queries for others.

mod agent;
mod registration;
mod watcher;

pub(super) use agent::Agent;
pub(super) use registration::announce;
pub(super) use watcher::follow;

use std::time::Duration;
use tokio::time::Instant;

const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(10);

/// Why Consul cannot be used now.
#[derive(Debug, thiserror::Error)]
enum ConsulError {
    /// No connection.
    #[error("consul at {host} cannot be reached: {source}")]
    Connect {
        /// host:port of the agent.
        host: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("the connection to consul broke: {0}")]
    Http(#[from] hyper::Error),
    /// No answer.
    #[error("consul did not answer within {0:?}")]
    Timeout(Duration),
    /// An answer that refuses.
    #[error("consul answered {status} to {request}: {body}")]
    Status {
        /// Method and path.
        request: String,
        /// The code.
        status: http::StatusCode,
        /// What Consul says, cut.
        body: String,
    },
    /// An answer that is none.
    #[error("the answer of consul to {request} cannot be read: {what}")]
    Answer {
        /// Method and path.
        request: String,
        /// What is wrong with it.
        what: String,
    },
}

/// Pauses that double from half a second to ten, up to 10 % more or less.
struct Backoff {
    next: Duration,
}

impl Backoff {
    fn new() -> Self {
        Self { next: FIRST_RETRY }
    }

    fn reset(&mut self) {
        self.next = FIRST_RETRY;
    }

    fn pause(&mut self) -> tokio::time::Sleep {
        let pause = self.next.mul_f64(rand::random_range(0.9..1.1));
        self.next = (self.next * 2).min(LAST_RETRY);
        tokio::time::sleep_until(Instant::now() + pause)
    }
}
