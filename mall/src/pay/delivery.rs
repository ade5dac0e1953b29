//! Where events go, and the way over RPC.

use std::future::Future;

use futures::StreamExt;
use mall_api::shop::apply_event_request::Event as Payload;
use mall_api::shop::order_client::OrderClient;
use mall_api::shop::{ApplyEventRequest, PaymentFailed, PaymentSucceeded};
use opentelemetry::trace::{SpanKind, TraceContextExt};
use opentelemetry::{Context, KeyValue};

use super::callback;
use super::repository::OutboxEvent;
use crate::order::EventKind;
use crate::telemetry::span;

/// Calls at once.
const IN_FLIGHT: usize = 8;

/// How far an event came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The order service has it.
    Confirmed,
    /// It was sent; whether it arrived is not known yet.
    Underway,
    /// It did not arrive; the text says why.
    Failed(String),
}

/// Where events go.
pub trait Deliver: Send + 'static {
    /// Events that one call takes at most.
    const BATCH: usize = 64;

    /// Delivers events and says how far each came, in their order. What is not confirmed comes again.
    fn deliver(&mut self, events: &[OutboxEvent]) -> impl Future<Output = Vec<Delivery>> + Send;
}

/// The context of the span that wrote an event: who delivers it continues that trace.
pub(super) fn writer(event: &OutboxEvent) -> Context {
    match callback::parse(&event.traceparent) {
        Some(writer) => Context::new().with_remote_span_context(writer),
        None => Context::new(),
    }
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

    async fn attempt(&self, event: &OutboxEvent) -> Delivery {
        let attributes = || vec![KeyValue::new("messaging.message.id", event.event_id.clone())];
        let delivery = async {
            let outcome = self.call(event).await;
            if let Delivery::Failed(why) = &outcome {
                span::fail(why.clone());
            }
            outcome
        };
        span::in_span_of(&writer(event), "outbox publish", SpanKind::Producer, attributes, delivery).await
    }

    async fn call(&self, event: &OutboxEvent) -> Delivery {
        let &OutboxEvent { order_id, payment_id, amount, .. } = event;
        let payload = match event.kind {
            EventKind::Succeeded => Payload::PaymentSucceeded(PaymentSucceeded { order_id, payment_id, amount }),
            EventKind::Failed => {
                let reason = "the provider refused the transfer".to_owned();
                Payload::PaymentFailed(PaymentFailed { order_id, payment_id, reason })
            }
        };
        let request = ApplyEventRequest { event_id: event.event_id.clone(), event: Some(payload) };
        match OrderClient::new(self.client.clone()).apply_event(request).await {
            Ok(_applied) => Delivery::Confirmed,
            Err(status) => Delivery::Failed(format!("{:?}: {}", status.code(), status.message())),
        }
    }
}

impl Deliver for RpcDelivery {
    async fn deliver(&mut self, events: &[OutboxEvent]) -> Vec<Delivery> {
        let attempts: Vec<_> = events.iter().map(|event| self.attempt(event)).collect();
        futures::stream::iter(attempts).buffered(IN_FLIGHT).collect().await
    }
}
