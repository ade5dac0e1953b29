//! A connection of one's own to Redis, for commands that wait for something to come.

use std::time::Duration;

use ::redis::{Cmd, FromRedisValue, Pipeline};

use crate::config;
use crate::redis::{Dedicated, RedisError};

/// How long Redis may take to answer, beyond what it was asked to wait.
const ANSWER: Duration = Duration::from_secs(1);

/// One connection, made when it is needed and made again after it broke. Not shared: a command that waits would hold up
/// every other one behind it.
pub struct Line {
    server: config::Redis,
    open: Option<Dedicated>,
}

impl Line {
    /// To a server; connects to nothing yet.
    pub fn new(server: config::Redis) -> Self {
        Self { server, open: None }
    }

    /// Connects unless it is connected; true when the connection is new.
    pub async fn connect(&mut self) -> Result<bool, RedisError> {
        let is_new = self.open.is_none();
        self.connection().await?;
        Ok(is_new)
    }

    /// Runs one command. `waits` is how long Redis is asked to wait.
    pub async fn ask<T: FromRedisValue>(&mut self, command: &Cmd, waits: Duration) -> Result<T, RedisError> {
        let answer = self.connection().await?.query(command, waits + ANSWER).await;
        self.judged(answer)
    }

    /// Runs several commands in one round trip.
    pub async fn ask_all<T: FromRedisValue>(&mut self, commands: &Pipeline) -> Result<T, RedisError> {
        let answer = self.connection().await?.pipeline(commands, ANSWER).await;
        self.judged(answer)
    }

    async fn connection(&mut self) -> Result<&mut Dedicated, RedisError> {
        let connection = match self.open.take() {
            Some(connection) => connection,
            None => Dedicated::open(&self.server).await?,
        };
        Ok(self.open.insert(connection))
    }

    /// After an error that is not Redis' own word the connection is not used again: its answer may still come.
    fn judged<T>(&mut self, answer: Result<T, RedisError>) -> Result<T, RedisError> {
        if answer.as_ref().is_err_and(|error| error.code().is_none()) {
            self.open = None;
        }
        answer
    }
}
