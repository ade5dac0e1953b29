//! Delivery over Redis Streams: published to the order service's consumers, confirmed by them.

use std::time::Duration;

use ::redis::{Pipeline, cmd, pipe};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt};
use tokio::time::Instant;

use super::delivery::{Deliver, Delivery, writer};
use super::outstanding::Outstanding;
use super::repository::OutboxEvent;
use crate::events::{Entry, LONGEST_STREAM, Line, Message, PublisherMeters, Read, Streams, confirmed};
use crate::redis::RedisError;
use crate::telemetry::span;

/// How long one call waits for confirmations; what comes later is read by the next.
const PATIENCE: Duration = Duration::from_millis(100);
/// Confirmations that are read together.
const CONFIRMATIONS: usize = 512;
/// Where the reading of a stream begins.
const BEGINNING: &str = "0-0";

/// Publishes events, and takes one for delivered when its confirmation came.
pub struct StreamDelivery {
    line: Line,
    streams: Streams,
    /// Names this life of this publisher: confirmations of an earlier one, over other data perhaps, must not count.
    publisher: String,
    outstanding: Outstanding,
    /// The last confirmation that was read.
    cursor: String,
    meters: PublisherMeters,
}

impl StreamDelivery {
    /// Over a connection of its own.
    pub fn new(line: Line, streams: Streams, meters: PublisherMeters) -> Self {
        let publisher = uuid::Uuid::new_v4().to_string();
        let cursor = BEGINNING.to_owned();
        Self { line, streams, publisher, outstanding: Outstanding::default(), cursor, meters }
    }

    async fn exchange(&mut self, events: &[OutboxEvent]) -> Result<(), RedisError> {
        // First of all: while Redis is away there is nothing to make spans about.
        if self.line.connect().await? {
            // It may be another Redis now, whose clock is behind.
            BEGINNING.clone_into(&mut self.cursor);
        }
        self.look_for_lost().await?;
        let outstanding = &self.outstanding;
        let fresh: Vec<&OutboxEvent> = events.iter().filter(|event| outstanding.lacks(&event.event_id)).collect();
        if !fresh.is_empty() {
            self.publish(&fresh).await?;
        }
        self.gather().await
    }

    /// Messages that should be confirmed by now: gone from the stream without it, they were lost.
    async fn look_for_lost(&mut self) -> Result<(), RedisError> {
        let doubtful = self.outstanding.doubtful(Instant::now());
        if doubtful.is_empty() {
            return Ok(());
        }
        let mut looks = pipe();
        for (_, entry) in &doubtful {
            looks.cmd("XRANGE").arg(&self.streams.payments).arg(entry).arg(entry);
        }
        let found: Vec<Vec<Entry>> = self.line.ask_all(&looks).await?;
        // A message is deleted together with its confirmation: what is gone and was not lost can be read now.
        while self.read_confirmations(None).await? == CONFIRMATIONS {}
        let now = Instant::now();
        for ((event, _), entries) in doubtful.iter().zip(&found) {
            if self.outstanding.found(event, !entries.is_empty(), now) {
                self.meters.republished.add(1, &[]);
            }
        }
        Ok(())
    }

    async fn publish(&mut self, events: &[&OutboxEvent]) -> Result<(), RedisError> {
        let mut contexts = Vec::with_capacity(events.len());
        let mut adds = Pipeline::with_capacity(events.len());
        for event in events {
            let attributes = || self.streams.attributes("send", &event.event_id);
            let context = span::start(&writer(event), "payments publish", SpanKind::Producer, attributes);
            let fields = self.message(event).fields(&context);
            let stream = &self.streams.payments;
            adds.cmd("XADD").arg(stream).arg("MAXLEN").arg("~").arg(LONGEST_STREAM).arg("*").arg(fields);
            contexts.push(context);
        }
        let outcome: Result<Vec<String>, RedisError> = self.line.ask_all(&adds).await;
        for context in contexts {
            if let Err(error) = &outcome {
                context.span().set_status(Status::error(error.to_string()));
            }
            span::end(&context);
        }
        let now = Instant::now();
        for (event, entry) in events.iter().zip(outcome?) {
            self.outstanding.sent(&event.event_id, entry, now);
        }
        Ok(())
    }

    fn message(&self, event: &OutboxEvent) -> Message {
        Message {
            event_id: event.event_id.clone(),
            kind: event.kind,
            order_id: event.order_id,
            payment_id: event.payment_id,
            amount: event.amount,
            data: self.streams.data.clone(),
            publisher: self.publisher.clone(),
            producer: None,
        }
    }

    /// Reads confirmations until everything is confirmed or patience ends.
    async fn gather(&mut self) -> Result<(), RedisError> {
        let until = Instant::now() + PATIENCE;
        while self.outstanding.waits() {
            let left = until.saturating_duration_since(Instant::now());
            // A wait of zero would be one without end.
            if left < Duration::from_millis(1) {
                break;
            }
            self.read_confirmations(Some(left)).await?;
        }
        Ok(())
    }

    /// Reads what is there, or waits for the first to come; answers how many were read.
    async fn read_confirmations(&mut self, wait: Option<Duration>) -> Result<usize, RedisError> {
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(CONFIRMATIONS);
        if let Some(wait) = wait {
            read.arg("BLOCK").arg(wait.as_millis() as u64);
        }
        read.arg("STREAMS").arg(&self.streams.applied).arg(&self.cursor);
        let streams: Read = self.line.ask(&read, wait.unwrap_or_default()).await?;
        let entries: Vec<Entry> = streams.into_iter().flat_map(|(_, entries)| entries).collect();
        for (_, fields) in &entries {
            if let Some(event) = confirmed(fields, &self.publisher) {
                self.outstanding.confirm(&event);
            }
        }
        let count = entries.len();
        if let Some((last, _)) = entries.into_iter().next_back() {
            self.cursor = last;
        }
        Ok(count)
    }
}

impl Deliver for StreamDelivery {
    /// More than consumers that died can hold together, so that the newest are never held up by the oldest.
    const BATCH: usize = 256;

    async fn deliver(&mut self, events: &[OutboxEvent]) -> Vec<Delivery> {
        self.outstanding.keep(events.iter().map(|event| event.event_id.as_str()));
        let why = self.exchange(events).await.err().map(|error| error.to_string());
        let how_far = |event: &OutboxEvent| match &why {
            _ if self.outstanding.is_confirmed(&event.event_id) => Delivery::Confirmed,
            None => Delivery::Underway,
            Some(why) => Delivery::Failed(why.clone()),
        };
        events.iter().map(how_far).collect()
    }
}
