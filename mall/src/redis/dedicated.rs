//! A connection for reads that block.

use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, FromRedisValue};
use tokio_util::task::AbortOnDropHandle;

use super::command::Command;
use super::error::RedisError;
use super::link::Target;

/// A connection that one reader has for itself. It does not come back by itself: after an error ask for another one.
/// Nothing that runs on it makes a span or is measured, because its time is time spent waiting for work.
pub struct Dedicated {
    connection: MultiplexedConnection,
    target: Target,
    _driver: AbortOnDropHandle<()>,
}

impl Dedicated {
    pub(super) async fn connect(target: &Target) -> Result<Self, RedisError> {
        let away = |cause| RedisError::Away { address: target.address().clone(), cause };
        let (connection, driver) = target.connect(None).await.map_err(away)?;
        let driver = AbortOnDropHandle::new(tokio::spawn(driver));
        Ok(Self { connection, target: target.clone(), _driver: driver })
    }

    /// Runs one command and waits for its answer no longer than `patience`: longer than the command may block, but not
    /// for ever, because a server that is gone without a word never answers.
    pub async fn query<T: FromRedisValue>(&mut self, cmd: &Cmd, patience: Duration) -> Result<T, RedisError> {
        let command = Command::of(cmd);
        let Ok(answer) = tokio::time::timeout(patience, cmd.query_async::<T>(&mut self.connection)).await else {
            return Err(RedisError::Late { address: self.target.address().clone(), command: command.name });
        };
        answer.map_err(|source| RedisError::of(self.target.address(), command, source))
    }
}
