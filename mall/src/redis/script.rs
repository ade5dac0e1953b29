//! Lua scripts, sent once and then called by their hash.

use ::redis::{Cmd, FromRedisValue, ToRedisArgs};

use super::{Redis, RedisError};

/// A script. Redis runs it as one step.
pub struct Script {
    source: &'static str,
    hash: String,
}

impl Script {
    /// Of a source; its hash is taken here, once.
    pub fn new(source: &'static str) -> Self {
        Self { source, hash: ::redis::Script::new(source).get_hash().to_owned() }
    }

    /// Runs the script. A server that does not know it (a new one, or one that was restarted) is sent the source.
    pub async fn run<T: FromRedisValue>(
        &self,
        redis: &Redis,
        keys: &[&str],
        arguments: impl ToRedisArgs + Clone,
    ) -> Result<T, RedisError> {
        match redis.query(&call("EVALSHA", &self.hash, keys, arguments.clone())).await {
            Err(error) if error.is_missing_script() => redis.query(&call("EVAL", self.source, keys, arguments)).await,
            outcome => outcome,
        }
    }
}

fn call(command: &str, script: &str, keys: &[&str], arguments: impl ToRedisArgs) -> Cmd {
    let mut cmd = ::redis::cmd(command);
    cmd.arg(script).arg(keys.len()).arg(keys).arg(arguments);
    cmd
}
