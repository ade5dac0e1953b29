//! Delivers the outbox to the order service, and asks again for reports that never came.
//!
//! One replica at a time holds the lease. A delivery is repeated until it is confirmed, so it may happen twice; the
//! receiver's inbox makes the second one nothing. Idle polling leaves no spans.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Provider;
use super::delivery::{Deliver, Delivery};
use super::repository::{OutboxEvent, PayRepository};
use crate::events::{Outage, PublisherMeters};
use crate::store::unix_ms;
use crate::telemetry::Meters;

const LEASE: &str = "outbox relay";
const LEASE_MS: i64 = 2_000;
/// Between looks at the outbox. What gathers in this time is delivered together and remembered by one statement.
const LOOK: Duration = Duration::from_millis(50);
/// Between attempts to get the lease.
const WAIT_FOR_LEASE: Duration = Duration::from_millis(500);
/// After this long without a report the provider is asked.
const OVERDUE_MS: i64 = 2_000;
const OVERDUE_EVERY_MS: i64 = 500;
/// Overdue payments that one look asks about.
const OVERDUE_BATCH: i64 = 64;
/// Waiting events are counted this often while there are more than a batch, and only so far: the count costs what it counts.
const COUNT_EVERY_MS: i64 = 1_000;
const COUNT_AT_MOST: i64 = 10_000;

/// The relay of one replica.
#[derive(Debug)]
pub struct Relay<R, D> {
    payments: R,
    delivery: D,
    provider: Provider<R>,
    holder: String,
    renew_at_ms: i64,
    overdue_at_ms: i64,
    count_at_ms: i64,
    meters: PublisherMeters,
}

impl<R: PayRepository, D: Deliver> Relay<R, D> {
    /// A relay that holds the lease as `holder`, and counts nothing.
    pub fn new(payments: R, delivery: D, provider: Provider<R>, holder: impl Into<String>) -> Self {
        let meters = PublisherMeters::new(&Meters::disabled());
        let holder = holder.into();
        Self { payments, delivery, provider, holder, renew_at_ms: 0, overdue_at_ms: 0, count_at_ms: 0, meters }
    }

    /// The same relay, counting by `meters`.
    pub fn counted_by(self, meters: PublisherMeters) -> Self {
        Self { meters, ..self }
    }

    /// Relays until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut outage = Outage::none("outbox is not drained");
        while !stop.is_cancelled() {
            let pause = match self.turn().await {
                Ok(turn) => {
                    outage.over();
                    match turn {
                        Turn::Delivered(count) if count == D::BATCH => continue,
                        Turn::Delivered(_) | Turn::Underway | Turn::Idle => LOOK,
                        Turn::NotHolder => WAIT_FOR_LEASE,
                    }
                }
                Err(why) => outage.failed(&why),
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One look: lease, overdue payments, a batch of events.
    pub async fn turn(&mut self) -> Result<Turn, String> {
        if !self.hold().await? {
            self.meters.waiting.record(0, &[]);
            return Ok(Turn::NotHolder);
        }
        self.ask_again().await?;
        let events = self.payments.undelivered(D::BATCH as i64).await.map_err(|error| error.to_string())?;
        self.count(events.len()).await?;
        if events.is_empty() {
            return Ok(Turn::Idle);
        }
        self.deliver(events).await
    }

    async fn hold(&mut self) -> Result<bool, String> {
        let now = unix_ms();
        if now < self.renew_at_ms {
            return Ok(true);
        }
        let held = self.payments.lease(LEASE, &self.holder, now + LEASE_MS).await.map_err(|error| error.to_string())?;
        self.renew_at_ms = if held { now + LEASE_MS / 3 } else { 0 };
        Ok(held)
    }

    async fn ask_again(&mut self) -> Result<(), String> {
        let now = unix_ms();
        if now < self.overdue_at_ms {
            return Ok(());
        }
        self.overdue_at_ms = now + OVERDUE_EVERY_MS;
        let overdue =
            self.payments.overdue(now - OVERDUE_MS, OVERDUE_BATCH).await.map_err(|error| error.to_string())?;
        for payment in overdue {
            self.provider.report(&payment).await;
        }
        Ok(())
    }

    /// A batch that is not full is all that waits.
    async fn count(&mut self, found: usize) -> Result<(), String> {
        if found < D::BATCH {
            self.meters.waiting.record(found as u64, &[]);
            return Ok(());
        }
        let now = unix_ms();
        if now >= self.count_at_ms {
            self.count_at_ms = now + COUNT_EVERY_MS;
            let waiting = self.payments.waiting(COUNT_AT_MOST).await.map_err(|error| error.to_string())?;
            self.meters.waiting.record(waiting, &[]);
        }
        Ok(())
    }

    /// What arrived is remembered even when something else of the batch did not.
    async fn deliver(&mut self, events: Vec<OutboxEvent>) -> Result<Turn, String> {
        let outcomes = self.delivery.deliver(&events).await;
        let arrived: Vec<i64> = events
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| **outcome == Delivery::Confirmed)
            .map(|(event, _)| event.id)
            .collect();
        if !arrived.is_empty() {
            self.payments.delivered(&arrived).await.map_err(|error| error.to_string())?;
            self.meters.published.add(arrived.len() as u64, &[]);
        }
        let failed = outcomes.into_iter().find_map(|outcome| match outcome {
            Delivery::Failed(why) => Some(why),
            Delivery::Confirmed | Delivery::Underway => None,
        });
        match failed {
            Some(why) => Err(why),
            None if arrived.is_empty() => Ok(Turn::Underway),
            None => Ok(Turn::Delivered(arrived.len())),
        }
    }
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Another replica holds the lease.
    NotHolder,
    /// Nothing waits.
    Idle,
    /// Everything that waits was sent, and nothing of it is confirmed yet.
    Underway,
    /// So many events arrived; more may wait when it was a full batch.
    Delivered(usize),
}
