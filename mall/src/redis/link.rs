//! The life of a connection: made, lost, made again.

use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, RedisConnectionInfo};
use futures::future::BoxFuture;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::command::Command;
use super::error::RedisError;
use crate::config;

/// How long an attempt to connect may take, its greeting included.
const CONNECT: Duration = Duration::from_millis(500);
/// How long a command may take.
const RESPONSE: Duration = Duration::from_secs(1);
/// Pauses between attempts grow from the first to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Commands that wait for the socket; whoever comes later waits for a place, no longer than for an answer.
const QUEUE: usize = 256;

/// Where a server is, and who we are to it.
#[derive(Clone)]
pub(super) struct Target {
    address: Arc<str>,
    host: Arc<str>,
    port: u16,
    login: RedisConnectionInfo,
}

impl Target {
    pub(super) fn new(at: &config::Redis) -> Self {
        let (host, port) = at.host.rsplit_once(':').unwrap_or((&at.host, ""));
        let mut login = RedisConnectionInfo::default();
        if !at.user.is_empty() {
            login = login.set_username(&at.user);
        }
        if !at.pass.is_empty() {
            login = login.set_password(at.pass.expose());
        }
        Self { address: at.host.as_str().into(), host: host.into(), port: port.parse().unwrap_or(0), login }
    }

    pub(super) fn address(&self) -> &Arc<str> {
        &self.address
    }

    pub(super) fn host(&self) -> &Arc<str> {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// A new connection, and the work that moves its bytes: that ends when the connection does.
    pub(super) async fn connect(
        &self,
        response: Option<Duration>,
    ) -> Result<(MultiplexedConnection, BoxFuture<'static, ()>), Arc<str>> {
        let greeted = async {
            let stream = TcpStream::connect(&*self.address).await?;
            stream.set_nodelay(true)?;
            let config = AsyncConnectionConfig::new().set_response_timeout(response).set_pipeline_buffer_size(QUEUE);
            MultiplexedConnection::new_with_config(&self.login, stream, config).await
        };
        match tokio::time::timeout(CONNECT, greeted).await {
            Ok(Ok((connection, driver))) => Ok((connection, Box::pin(driver))),
            Ok(Err(error)) => Err(error.to_string().into()),
            Err(_elapsed) => Err("no answer in time".into()),
        }
    }
}

/// The shared connection of a process, as it is at the moment.
pub(super) struct Link {
    state: watch::Receiver<State>,
    _keeper: AbortOnDropHandle<()>,
}

#[derive(Clone)]
enum State {
    /// The first attempt since the beginning, or since the connection was lost: worth a short wait.
    Connecting,
    Up(Connection),
    /// Until an attempt succeeds; nobody waits for that.
    Away(Arc<str>),
}

/// A connection that stood when it was asked for.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) multiplexed: MultiplexedConnection,
    /// Cancelled by whoever finds that the connection is of no use any more.
    given_up: CancellationToken,
}

impl State {
    /// Whether it says at once what a command may expect.
    fn is_settled(&self) -> bool {
        match self {
            Self::Connecting => false,
            Self::Up(connection) => !connection.given_up.is_cancelled(),
            Self::Away(_) => true,
        }
    }
}

impl Link {
    pub(super) fn keep(target: Target) -> Self {
        let (sender, state) = watch::channel(State::Connecting);
        let keeper = tokio::spawn(async move { keep(&target, &sender).await });
        Self { state, _keeper: AbortOnDropHandle::new(keeper) }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), State::Up(_))
    }

    pub(super) async fn up(&self) {
        // The keeper lives as long as this link, so the channel cannot be closed.
        let _ = self.state.clone().wait_for(|state| matches!(state, State::Up(_))).await;
    }

    /// The connection, after at most one attempt to make it.
    pub(super) async fn connection(&self, target: &Target) -> Result<Connection, RedisError> {
        let now = self.state.borrow().clone();
        let settled = if now.is_settled() {
            now
        } else {
            let mut states = self.state.clone();
            states.wait_for(State::is_settled).await.map_or(State::Connecting, |state| state.clone())
        };
        let away = |cause| RedisError::Away { address: target.address.clone(), cause };
        match settled {
            State::Up(connection) => Ok(connection),
            State::Away(cause) => Err(away(cause)),
            State::Connecting => Err(away("the process is ending".into())),
        }
    }
}

impl Connection {
    /// Names an error, and gives the connection up when Redis hangs: the next one will show whether it still does, and
    /// until then nobody else waits.
    pub(super) fn judge<T>(
        &self,
        target: &Target,
        command: Command,
        answer: Result<T, ::redis::RedisError>,
    ) -> Result<T, RedisError> {
        answer.map_err(|source| {
            let error = RedisError::of(&target.address, command, source);
            if matches!(error, RedisError::Late { .. } | RedisError::Lost { .. }) {
                self.given_up.cancel();
            }
            error
        })
    }
}

async fn keep(target: &Target, link: &watch::Sender<State>) {
    let (shortest, longest) = PAUSES;
    let mut pause = shortest;
    loop {
        let cause = match target.connect(Some(RESPONSE)).await {
            Ok((multiplexed, driver)) => {
                let began = Instant::now();
                let given_up = CancellationToken::new();
                link.send_replace(State::Up(Connection { multiplexed, given_up: given_up.clone() }));
                tracing::info!(redis = %target.address, "connected");
                tokio::select! {
                    () = driver => {}
                    () = given_up.cancelled() => {}
                }
                tracing::warn!(redis = %target.address, "connection lost");
                if began.elapsed() > longest {
                    pause = shortest;
                    link.send_replace(State::Connecting);
                    continue;
                }
                "the connection was lost at once".into()
            }
            Err(cause) => {
                if !matches!(&*link.borrow(), State::Away(before) if *before == cause) {
                    tracing::warn!(redis = %target.address, %cause, "not reachable; trying again until it is");
                }
                cause
            }
        };
        link.send_replace(State::Away(cause));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}
