//! A connection for reads that block.

use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, FromRedisValue, Pipeline};
use tokio::time::error::Elapsed;
use tokio_util::task::AbortOnDropHandle;

use super::command::Command;
use super::error::RedisError;
use super::link::Target;
use crate::config;

/// A connection that one reader has for itself. It does not come back by itself: after an error ask for another one.
/// Nothing that runs on it makes a span or is measured, because its time is time spent waiting for work.
pub struct Dedicated {
    connection: MultiplexedConnection,
    target: Target,
    _driver: AbortOnDropHandle<()>,
}

impl Dedicated {
    /// Connects to a server that nothing else of the process needs.
    pub async fn open(at: &config::Redis) -> Result<Self, RedisError> {
        Self::connect(&Target::new(at)).await
    }

    pub(super) async fn connect(target: &Target) -> Result<Self, RedisError> {
        let away = |cause| RedisError::Away { address: target.address().clone(), cause };
        let (connection, driver) = target.connect(None).await.map_err(away)?;
        let driver = AbortOnDropHandle::new(tokio::spawn(driver));
        Ok(Self { connection, target: target.clone(), _driver: driver })
    }

    /// Runs one command and waits for its answer no longer than `patience`: longer than the command may block, but not
    /// for ever, because a server that is gone without a word never answers.
    pub async fn query<T: FromRedisValue>(&mut self, cmd: &Cmd, patience: Duration) -> Result<T, RedisError> {
        let answer = tokio::time::timeout(patience, cmd.query_async::<T>(&mut self.connection)).await;
        self.judge(Command::of(cmd), answer)
    }

    /// As [`query`](Self::query), for several commands in one round trip.
    pub async fn pipeline<T: FromRedisValue>(
        &mut self,
        pipeline: &Pipeline,
        patience: Duration,
    ) -> Result<T, RedisError> {
        let answer = tokio::time::timeout(patience, pipeline.query_async::<T>(&mut self.connection)).await;
        self.judge(Command::PIPELINE, answer)
    }

    fn judge<T>(&self, command: Command, answer: Result<::redis::RedisResult<T>, Elapsed>) -> Result<T, RedisError> {
        let Ok(answer) = answer else {
            return Err(RedisError::Late { address: self.target.address().clone(), command: command.name });
        };
        answer.map_err(|source| RedisError::of(self.target.address(), command, source))
    }
}
