//! Removing what a shop left in a server that others use too.

use std::time::Duration;

use ::redis::cmd;

use super::{Redis, RedisError};

/// How many names the server looks at in one step.
const STEP: u32 = 1_000;
/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(5);

impl Redis {
    /// Removes every key whose name holds `namespace`; answers how many there were. The namespace is of letters, digits,
    /// `-` and `_`, as `Mall.Namespace` of one shop is, and is found within a hash tag too.
    pub async fn forget(&self, namespace: &str) -> Result<u64, RedisError> {
        let mut connection = self.dedicated().await?;
        let (mut cursor, mut removed) = (0_u64, 0);
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("*{namespace}*")).arg("COUNT").arg(STEP);
            let (next, keys): (u64, Vec<Vec<u8>>) = connection.query(&scan, PATIENCE).await?;
            if !keys.is_empty() {
                removed += connection.query::<u64>(cmd("UNLINK").arg(keys), PATIENCE).await?;
            }
            if next == 0 {
                return Ok(removed);
            }
            cursor = next;
        }
    }
}
