//! Applies events that come over Redis Streams, as one of the consumers of the order service's group.
//!
//! A message is acknowledged when its event is committed, together with the confirmation that pay waits for. A consumer
//! that dies leaves its messages pending: another takes them over, or the same one finds them when it is back. Applied twice,
//! an event changes nothing.

use std::time::Duration;

use ::redis::{Pipeline, cmd, pipe};
use futures::StreamExt;
use opentelemetry::trace::{SpanKind, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::repository::{Event, OrderRepository};
use crate::events::{
    Claimed, ConsumerMeters, Entry, LONGEST_DEAD, LONGEST_REPLIES, Line, Message, Outage, Poison, Read, Streams,
    forget_gone, make_group,
};
use crate::redis::RedisError;
use crate::telemetry::span;

/// Messages that one read takes at most.
const BATCH: usize = 64;
/// Events that are applied at once.
const AT_ONCE: usize = 8;
/// Between looks for messages that others left.
const LOOK_FOR_LEFT: Duration = Duration::from_secs(2);
/// After this long without an acknowledgement a message counts as left.
const LEFT_AFTER: Duration = Duration::from_secs(5);
/// What a consumer has not acknowledged yet, instead of what nobody has read.
const OWN: &str = "0-0";
const NEW: &str = ">";

/// One replica's reading of the stream.
pub struct Consumer<R> {
    orders: R,
    line: Line,
    streams: Streams,
    name: String,
    meters: ConsumerMeters,
    /// The group is known to exist.
    grouped: bool,
    /// Messages of its own may be unacknowledged: of an earlier life, or because applying failed.
    owes: bool,
    look_at: Instant,
    look_from: String,
}

/// What became of one message.
enum Outcome {
    Applied(Message),
    /// Deleted from the stream before it could be read.
    Gone,
    Unreadable(Entry, Poison),
    /// Left pending.
    Failed(String),
}

impl<R: OrderRepository> Consumer<R> {
    /// The consumer called `name`, which must be the same after a restart and no other replica's.
    pub fn new(orders: R, line: Line, streams: Streams, name: impl Into<String>, meters: ConsumerMeters) -> Self {
        let (name, look_from) = (name.into(), OWN.to_owned());
        Self { orders, line, streams, name, meters, grouped: false, owes: true, look_at: Instant::now(), look_from }
    }

    /// Applies events until it is told to stop; what is being applied then is finished and confirmed.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut outage = Outage::none("order events are not applied");
        loop {
            let read = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                read = self.next() => read.map_err(|error| error.to_string()),
            };
            let outcome = match read {
                Ok(entries) => self.process(entries).await,
                Err(why) => Err(why),
            };
            let Err(why) = outcome else {
                outage.over();
                continue;
            };
            self.owes = true;
            let pause = outage.failed(&why);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// The next messages: what others left, what it owes itself, then what is new. None when nothing came for a while.
    async fn next(&mut self) -> Result<Vec<Entry>, RedisError> {
        match self.read().await {
            Err(error) if error.code() == Some("NOGROUP") => {
                // Redis came back empty. What was in it is still in the outbox of pay.
                tracing::info!(stream = self.streams.payments, "consumer group is gone: making it again");
                self.grouped = false;
                Ok(Vec::new())
            }
            outcome => outcome,
        }
    }

    async fn read(&mut self) -> Result<Vec<Entry>, RedisError> {
        if !self.grouped {
            make_group(&mut self.line, &self.streams).await?;
            forget_gone(&mut self.line, &self.streams).await?;
            self.grouped = true;
        }
        if Instant::now() >= self.look_at {
            let left = self.claim().await?;
            if !left.is_empty() {
                return Ok(left);
            }
        }
        if self.owes {
            let own = self.read_from(OWN, None).await?;
            if !own.is_empty() {
                return Ok(own);
            }
            self.owes = false;
        }
        let wait = self.look_at.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.read_from(NEW, Some(wait)).await
    }

    async fn claim(&mut self) -> Result<Vec<Entry>, RedisError> {
        self.look_at = Instant::now() + LOOK_FOR_LEFT;
        let mut claim = cmd("XAUTOCLAIM");
        claim.arg(&self.streams.payments).arg(Streams::GROUP).arg(&self.name);
        claim.arg(LEFT_AFTER.as_millis() as u64).arg(&self.look_from).arg("COUNT").arg(BATCH);
        let (from, entries, _gone): Claimed = self.line.ask(&claim, Duration::ZERO).await?;
        self.look_from = from;
        self.meters.claimed.add(entries.len() as u64, &[]);
        Ok(entries)
    }

    async fn read_from(&mut self, from: &'static str, wait: Option<Duration>) -> Result<Vec<Entry>, RedisError> {
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(Streams::GROUP).arg(&self.name).arg("COUNT").arg(BATCH);
        if let Some(wait) = wait {
            read.arg("BLOCK").arg(wait.as_millis() as u64);
        }
        read.arg("STREAMS").arg(&self.streams.payments).arg(from);
        let streams: Read = self.line.ask(&read, wait.unwrap_or_default()).await?;
        Ok(streams.into_iter().flat_map(|(_, entries)| entries).collect())
    }

    /// Applies messages, then acknowledges and confirms all that were applied.
    async fn process(&mut self, entries: Vec<Entry>) -> Result<(), String> {
        if entries.is_empty() {
            return Ok(());
        }
        let outcomes: Vec<(String, Outcome)> =
            futures::stream::iter(entries).map(|entry| self.handle(entry)).buffer_unordered(AT_ONCE).collect().await;
        let mut failed = None;
        let mut answers = pipe();
        answers.atomic();
        for (id, outcome) in outcomes {
            match outcome {
                Outcome::Failed(why) => failed = Some(why),
                done => self.answer(&mut answers, &id, &done),
            }
        }
        if !answers.is_empty() {
            self.line.ask_all::<()>(&answers).await.map_err(|error| error.to_string())?;
        }
        failed.map_or(Ok(()), Err)
    }

    async fn handle(&self, entry: Entry) -> (String, Outcome) {
        let (id, fields) = entry;
        if fields.is_empty() {
            return (id, Outcome::Gone);
        }
        let outcome = match Message::read(&fields, &self.streams.data) {
            Ok(message) => self.apply(message).await,
            Err(poison) => Outcome::Unreadable((id.clone(), fields), poison),
        };
        (id, outcome)
    }

    /// In a trace of its own, linked to the span that published the message.
    async fn apply(&self, message: Message) -> Outcome {
        let attributes = || {
            let mut attributes = self.streams.attributes("process", &message.event_id);
            attributes.push(KeyValue::new("messaging.consumer.group.name", Streams::GROUP));
            attributes.push(KeyValue::new("messaging.client.id", self.name.clone()));
            attributes.push(KeyValue::new(collector_api::vocabulary::ORDER_ID, message.order_id));
            attributes
        };
        let root = span::start(&Context::new(), "payments process", SpanKind::Consumer, attributes);
        if let Some(producer) = &message.producer {
            root.span().add_link(producer.clone(), vec![]);
        }
        let event = Event { id: message.event_id.clone(), kind: message.kind, order_id: message.order_id };
        let applying = async {
            let outcome = self.orders.apply(event).await.map_err(|error| error.to_string());
            if let Err(why) = &outcome {
                span::fail(why.clone());
            }
            outcome
        };
        let outcome = opentelemetry::context::FutureExt::with_context(applying, root.clone()).await;
        span::end(&root);
        match outcome {
            Ok(new) => {
                self.meters.count(new);
                Outcome::Applied(message)
            }
            Err(why) => Outcome::Failed(why),
        }
    }

    /// Adds what Redis must do about a message that is done with: in one transaction, so that a message is never gone without
    /// its confirmation.
    fn answer(&self, answers: &mut Pipeline, id: &str, outcome: &Outcome) {
        match outcome {
            Outcome::Applied(message) => {
                answers.cmd("XADD").arg(&self.streams.applied).arg("MAXLEN").arg("~").arg(LONGEST_REPLIES).arg("*");
                answers.arg(&message.confirmation()).ignore();
            }
            Outcome::Unreadable(entry, poison) => self.set_aside(answers, entry, poison),
            Outcome::Gone | Outcome::Failed(_) => {}
        }
        answers.cmd("XACK").arg(&self.streams.payments).arg(Streams::GROUP).arg(id).ignore();
        answers.cmd("XDEL").arg(&self.streams.payments).arg(id).ignore();
    }

    /// Keeps a message for people, so that it does not come again for ever.
    fn set_aside(&self, answers: &mut Pipeline, (id, fields): &Entry, poison: &Poison) {
        tracing::warn!(message = id, %poison, stream = self.streams.dead, "message cannot be read: set aside");
        self.meters.dead.add(1, &[]);
        answers.cmd("XADD").arg(&self.streams.dead).arg("MAXLEN").arg("~").arg(LONGEST_DEAD).arg("*");
        answers.arg(&[("dead.message", id.clone()), ("dead.reason", poison.to_string())]);
        answers.arg(fields).ignore();
    }
}
