//! The consumer group: made when it is missing, and kept small.

use std::collections::HashMap;
use std::time::Duration;

use ::redis::cmd;

use super::{Line, Streams};
use crate::redis::RedisError;

/// A consumer that asked for nothing for this long is gone: a living one asks every few seconds.
const GONE_AFTER_MS: u64 = 3_600_000;

/// Makes the group where there is none. It begins with the first message, because what was published before there was a
/// group must not be skipped.
pub async fn make_group(line: &mut Line, streams: &Streams) -> Result<(), RedisError> {
    let mut create = cmd("XGROUP");
    create.arg("CREATE").arg(&streams.payments).arg(Streams::GROUP).arg("0").arg("MKSTREAM");
    match line.ask::<()>(&create, Duration::ZERO).await {
        Err(error) if error.code() != Some("BUSYGROUP") => Err(error),
        _made_or_there => Ok(()),
    }
}

/// Forgets consumers that are gone and owe nothing: where replicas get new names, each would stay in Redis for ever.
pub async fn forget_gone(line: &mut Line, streams: &Streams) -> Result<(), RedisError> {
    let mut list = cmd("XINFO");
    list.arg("CONSUMERS").arg(&streams.payments).arg(Streams::GROUP);
    let consumers: Vec<HashMap<String, String>> = line.ask(&list, Duration::ZERO).await?;
    for name in consumers.iter().filter_map(gone) {
        let mut forget = cmd("XGROUP");
        forget.arg("DELCONSUMER").arg(&streams.payments).arg(Streams::GROUP).arg(name);
        line.ask::<()>(&forget, Duration::ZERO).await?;
    }
    Ok(())
}

fn gone(consumer: &HashMap<String, String>) -> Option<&String> {
    let owes: u64 = consumer.get("pending")?.parse().ok()?;
    let idle_ms: u64 = consumer.get("idle")?.parse().ok()?;
    if owes == 0 && idle_ms > GONE_AFTER_MS { consumer.get("name") } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumer(pending: &str, idle: &str) -> HashMap<String, String> {
        let pairs = [("name", "order-rpc/1"), ("pending", pending), ("idle", idle)];
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn who_owes_or_asked_lately_is_not_forgotten() {
        assert_eq!(gone(&consumer("0", "3600001")).map(String::as_str), Some("order-rpc/1"));
        assert_eq!(gone(&consumer("1", "3600001")), None);
        assert_eq!(gone(&consumer("0", "3600000")), None);
        assert_eq!(gone(&consumer("0", "later")), None);
        assert_eq!(gone(&HashMap::new()), None);
    }
}
