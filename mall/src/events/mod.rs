//! Order events over Redis Streams: what lies on the wire, and the connection that it goes over.
//!
//! Pay publishes to `<namespace>:payments`; the replicas of the order service read it as one consumer group and answer on
//! `<namespace>:payments:applied` once an event is committed. What nobody can read goes to `<namespace>:payments:dead`.
//!
//! The truth is elsewhere: an event stays in pay's outbox until the order service confirmed it, and the order service's
//! inbox makes a second delivery nothing. So Redis may lose everything at any moment, and all that it costs is time. A
//! message is deleted when it is confirmed; the stream holds only what is under way.
//!
//! The module refuses to decide when to publish (pay's relay) and what an event does (the order service's repository).

mod group;
mod line;
mod message;
mod meters;
mod outage;
mod reply;

pub use self::group::{forget_gone, make_group};
pub use self::line::Line;
pub use self::message::{Message, Poison, confirmed};
pub use self::meters::{ConsumerMeters, PublisherMeters};
pub use self::outage::Outage;
pub use self::reply::{Claimed, Entry, Fields, Read};

use opentelemetry::KeyValue;

use crate::config::ServiceConfig;
use crate::store::{Database, StoreError};

/// Messages that the stream holds at most. Far more than can be under way; reached only when nobody reads and publishers
/// come and go. What is cut off is still in the outbox and is published again.
pub const LONGEST_STREAM: usize = 65_536;
/// Confirmations that are kept: a publisher reads them at once, or publishes again.
pub const LONGEST_REPLIES: usize = 4_096;
/// Unreadable messages that are kept for people.
pub const LONGEST_DEAD: usize = 1_024;

/// The keys of one shop, and the data that its events are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streams {
    /// Events on their way.
    pub payments: String,
    /// Confirmations.
    pub applied: String,
    /// Unreadable messages.
    pub dead: String,
    /// Identity of the data. Ids of events begin anew with new data: a message that was left of the old must not be applied.
    pub data: String,
}

impl Streams {
    /// The consumer group: every replica of the order service.
    pub const GROUP: &str = "order-rpc";

    /// The keys under `Mall.Namespace`, for the data of this identity.
    pub fn of(namespace: &str, data: impl Into<String>) -> Self {
        let payments = format!("{namespace}:payments");
        Self { applied: format!("{payments}:applied"), dead: format!("{payments}:dead"), payments, data: data.into() }
    }

    /// What spans about a message say.
    pub fn attributes(&self, operation: &'static str, event_id: &str) -> Vec<KeyValue> {
        vec![
            KeyValue::new("messaging.system", "redis"),
            KeyValue::new("messaging.destination.name", self.payments.clone()),
            KeyValue::new("messaging.operation.name", operation),
            KeyValue::new("messaging.operation.type", operation),
            KeyValue::new("messaging.message.id", event_id.to_owned()),
        ]
    }
}

/// The streams of a service and a connection to them, where its configuration names a Redis. Asks the service's database
/// whose data it holds.
pub async fn open(config: &ServiceConfig, db: &Database) -> Result<Option<(Line, Streams)>, StoreError> {
    let Some(server) = config.redis.as_ref().filter(|server| !server.host.is_empty()) else { return Ok(None) };
    let streams = Streams::of(&config.mall.namespace, db.data_id().await?);
    Ok(Some((Line::new(server.clone()), streams)))
}
