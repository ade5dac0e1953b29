//! Delivers the outbox to the order service, and asks again for reports that never came.
//!
//! One replica at a time holds the lease. A delivery is repeated until it is acknowledged, so it may happen twice; the
//! receiver's inbox makes the second one nothing. Idle polling leaves no spans.

use std::future::Future;
use std::time::Duration;

use futures::StreamExt;
use mall_api::shop::apply_event_request::Event as Payload;
use mall_api::shop::order_client::OrderClient;
use mall_api::shop::{ApplyEventRequest, PaymentFailed, PaymentSucceeded};
use opentelemetry::trace::{SpanKind, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use tokio_util::sync::CancellationToken;

use super::repository::{OutboxEvent, PayRepository};
use super::{Provider, callback};
use crate::order::EventKind;
use crate::store::unix_ms;
use crate::telemetry::span;

const LEASE: &str = "outbox relay";
const LEASE_MS: i64 = 2_000;
const BATCH: usize = 64;
const IN_FLIGHT: usize = 8;
/// Between looks at the outbox. What gathers in this time is delivered together and remembered by one statement.
const LOOK: Duration = Duration::from_millis(50);
/// Between attempts to get the lease.
const WAIT_FOR_LEASE: Duration = Duration::from_millis(500);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(2);
/// After this long without a report the provider is asked.
const OVERDUE_MS: i64 = 2_000;
const OVERDUE_EVERY_MS: i64 = 500;

/// Where events go.
pub trait Deliver: Send + Sync + 'static {
    /// Delivers one event; the text says why it did not arrive.
    fn deliver(&self, event: &OutboxEvent) -> impl Future<Output = Result<(), String>> + Send;
}

/// The relay of one replica.
#[derive(Debug)]
pub struct Relay<R, D> {
    payments: R,
    delivery: D,
    provider: Provider<R>,
    holder: String,
    renew_at_ms: i64,
    overdue_at_ms: i64,
}

impl<R: PayRepository, D: Deliver> Relay<R, D> {
    /// A relay that holds the lease as `holder`.
    pub fn new(payments: R, delivery: D, provider: Provider<R>, holder: impl Into<String>) -> Self {
        Self { payments, delivery, provider, holder: holder.into(), renew_at_ms: 0, overdue_at_ms: 0 }
    }

    /// Relays until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0;
        while !stop.is_cancelled() {
            let outcome = self.turn().await;
            failures = if outcome.is_ok() { 0 } else { failures + 1 };
            let pause = match outcome {
                Ok(Turn::Delivered(BATCH)) => continue,
                Ok(Turn::Delivered(_) | Turn::Idle) => LOOK,
                Ok(Turn::NotHolder) => WAIT_FOR_LEASE,
                Err(why) => {
                    let pause = back_off(failures);
                    tracing::warn!(why, pause_ms = pause.as_millis(), "outbox is not drained: trying again");
                    pause
                }
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
            return Ok(Turn::NotHolder);
        }
        self.ask_again().await?;
        let events = self.payments.undelivered(BATCH as i64).await.map_err(|error| error.to_string())?;
        if events.is_empty() {
            return Ok(Turn::Idle);
        }
        let found = events.len();
        self.deliver(events).await?;
        Ok(Turn::Delivered(found))
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
        let overdue = self.payments.overdue(now - OVERDUE_MS, BATCH as i64).await.map_err(|error| error.to_string())?;
        for payment in overdue {
            self.provider.report(&payment).await;
        }
        Ok(())
    }

    /// What arrived is remembered even when something else of the batch did not.
    async fn deliver(&self, events: Vec<OutboxEvent>) -> Result<(), String> {
        let attempts = events.into_iter().map(|event| self.attempt(event));
        let outcomes: Vec<_> = futures::stream::iter(attempts).buffer_unordered(IN_FLIGHT).collect().await;
        let arrived: Vec<i64> = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(id, _)| *id).collect();
        if !arrived.is_empty() {
            self.payments.delivered(&arrived).await.map_err(|error| error.to_string())?;
        }
        outcomes.into_iter().map(|(_, outcome)| outcome).find(Result::is_err).unwrap_or(Ok(()))
    }

    async fn attempt(&self, event: OutboxEvent) -> (i64, Result<(), String>) {
        let parent = match callback::parse(&event.traceparent) {
            Some(writer) => Context::new().with_remote_span_context(writer),
            None => Context::new(),
        };
        let attributes = || vec![KeyValue::new("messaging.message.id", event.event_id.clone())];
        let delivery = async {
            let outcome = self.delivery.deliver(&event).await;
            if let Err(why) = &outcome {
                span::fail(why.clone());
            }
            outcome
        };
        (event.id, span::in_span_of(&parent, "outbox publish", SpanKind::Producer, attributes, delivery).await)
    }
}

/// Doubles from [`LOOK`] with each failure in a row.
fn back_off(failures: u32) -> Duration {
    LOOK.saturating_mul(1 << failures.min(16)).min(LONGEST_BACK_OFF)
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Another replica holds the lease.
    NotHolder,
    /// Nothing waits.
    Idle,
    /// So many events were delivered; more may wait when it was a full batch.
    Delivered(usize),
}

/// Delivery by `order-rpc.ApplyEvent`.
#[derive(Clone)]
pub struct RpcDelivery {
    client: crate::rpc::Client,
}

impl RpcDelivery {
    /// Over a client of `order-rpc`.
    pub fn new(client: crate::rpc::Client) -> Self {
        Self { client }
    }
}

impl Deliver for RpcDelivery {
    async fn deliver(&self, event: &OutboxEvent) -> Result<(), String> {
        let &OutboxEvent { order_id, payment_id, amount, .. } = event;
        let payload = match event.kind {
            EventKind::Succeeded => Payload::PaymentSucceeded(PaymentSucceeded { order_id, payment_id, amount }),
            EventKind::Failed => {
                let reason = "the provider refused the transfer".to_owned();
                Payload::PaymentFailed(PaymentFailed { order_id, payment_id, reason })
            }
        };
        let request = ApplyEventRequest { event_id: event.event_id.clone(), event: Some(payload) };
        let outcome = OrderClient::new(self.client.clone()).apply_event(request).await;
        outcome.map(|_applied| ()).map_err(|status| format!("{:?}: {}", status.code(), status.message()))
    }
}
