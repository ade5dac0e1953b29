//! A connection to a Redis server that the process shares.
//!
//! [`Redis`] is one multiplexed connection that comes back by itself. While the server is away a command fails at once: a
//! request that waits for Redis is worth less than one that knows that it must do without. Every command runs in a CLIENT
//! span and is measured under go-zero's names; a nil reply is an answer, not an error.
//!
//! The module knows nothing of what is kept in Redis: that is the trade of [`cache`](crate::cache), of
//! [`limit`](crate::limit) and of the order events.

mod command;
mod dedicated;
mod error;
mod forget;
mod link;
mod measure;
mod script;

pub use self::dedicated::Dedicated;
pub use self::error::RedisError;
pub use self::script::Script;

use std::sync::Arc;

use ::redis::{Cmd, FromRedisValue, Pipeline};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use tokio::time::Instant;

use self::command::Command;
use self::link::{Link, Target};
use self::measure::Measure;
use crate::config;
use crate::telemetry::{Meters, span};

/// A shared connection to one server. Cheap to clone; the connection ends with the last clone.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    target: Target,
    link: Link,
    measure: Measure,
}

impl Redis {
    /// Begins to connect, and keeps at it. Must be called within a tokio runtime; it does not wait for the server.
    pub fn open(at: &config::Redis, meters: &Meters) -> Self {
        let target = Target::new(at);
        let link = Link::keep(target.clone());
        Self { inner: Arc::new(Inner { target, link, measure: Measure::new(meters) }) }
    }

    /// host:port of the server.
    pub fn address(&self) -> &Arc<str> {
        self.inner.target.address()
    }

    /// Whether the connection stands at this moment.
    pub fn is_connected(&self) -> bool {
        self.inner.link.is_up()
    }

    /// Waits until the connection stands. For tests and background work: a request never waits.
    pub async fn connected(&self) {
        self.inner.link.up().await;
    }

    /// Runs one command in a span of its own. It fails at once while Redis is away, and within a second when Redis hangs.
    pub async fn query<T: FromRedisValue>(&self, cmd: &Cmd) -> Result<T, RedisError> {
        let command = Command::of(cmd);
        self.observed(command, self.send(command, cmd)).await
    }

    /// Runs several commands with one round trip; the answers come in their order.
    pub async fn pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, RedisError> {
        let exchange = async {
            let mut connection = self.inner.link.connection(&self.inner.target).await?;
            let answer = pipeline.query_async::<T>(&mut connection.multiplexed).await;
            connection.judge(&self.inner.target, Command::PIPELINE, answer)
        };
        self.observed(Command::PIPELINE, exchange).await
    }

    /// Runs one command outside every trace and unmeasured: for the polling of background work.
    pub async fn quiet<T: FromRedisValue>(&self, cmd: &Cmd) -> Result<T, RedisError> {
        self.send(Command::of(cmd), cmd).await
    }

    /// Whether the server answers at this moment, outside every trace and unmeasured.
    pub async fn ping(&self) -> Result<(), RedisError> {
        self.quiet::<String>(&::redis::cmd("PING")).await.map(|_| ())
    }

    /// A connection of its own, for reads that block: on the shared one they would hold up everybody else.
    pub async fn dedicated(&self) -> Result<Dedicated, RedisError> {
        Dedicated::connect(&self.inner.target).await
    }

    async fn send<T: FromRedisValue>(&self, command: Command, cmd: &Cmd) -> Result<T, RedisError> {
        let mut connection = self.inner.link.connection(&self.inner.target).await?;
        let answer = cmd.query_async::<T>(&mut connection.multiplexed).await;
        connection.judge(&self.inner.target, command, answer)
    }

    async fn observed<T>(
        &self,
        command: Command,
        exchange: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        let began = Instant::now();
        let attributes = || {
            vec![
                KeyValue::new("db.system.name", "redis"),
                KeyValue::new("db.operation.name", command.name),
                KeyValue::new("server.address", self.inner.target.host().clone()),
                KeyValue::new("server.port", i64::from(self.inner.target.port())),
            ]
        };
        let exchange = async {
            let outcome = exchange.await;
            if let Err(error) = &outcome {
                span::set(KeyValue::new("error.type", error.kind()));
                span::fail(error.to_string());
            }
            outcome
        };
        let outcome = span::in_span(command.name, SpanKind::Client, attributes, exchange).await;
        self.inner.measure.command(command, began.elapsed(), outcome.as_ref().err());
        outcome
    }
}
