//! The order flow: verify the user, create the order, start its payment.
//!
//! The three steps are sibling spans. Once the second has committed, nothing takes the order back: a payment that fails
//! leaves it PENDING and the answer names it, and the same key later resumes at the payment.

use std::future::Future;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use collector_api::vocabulary as word;
use http::HeaderValue;
use mall_api::shop::{
    CreateOrderReply, CreateOrderRequest, GetUserRequest, InitiatePaymentReply, InitiatePaymentRequest, OrderInfo,
    OrderItem, PaymentInfo,
};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use serde::Deserialize;

use super::extract::{IdempotencyKey, Payload, integer};
use super::token::Session;
use super::{Gateway, answer};
use crate::error::{AppError, AppResult};
use crate::order::check_items;
use crate::telemetry::span;

#[derive(Debug, Deserialize)]
pub(super) struct CreateOrder {
    items: Vec<Line>,
}

#[derive(Debug, Deserialize)]
struct Line {
    #[serde(deserialize_with = "integer")]
    product_id: i64,
    #[serde(deserialize_with = "integer")]
    quantity: i64,
}

pub(super) async fn create(
    State(gateway): State<Gateway>,
    session: Session,
    IdempotencyKey(key): IdempotencyKey,
    Payload(body): Payload<CreateOrder>,
) -> AppResult<Response> {
    let item = |line: Line| OrderItem { product_id: line.product_id, quantity: line.quantity, price: 0 };
    let items: Vec<OrderItem> = body.items.into_iter().map(item).collect();
    check_items(&items)?;
    let attributes = || {
        vec![
            KeyValue::new(word::ORDER_USER_ID, session.user_id),
            KeyValue::new(word::ORDER_ITEMS_COUNT, items.len() as i64),
        ]
    };
    let request = CreateOrderRequest { user_id: session.user_id, idempotency_key: key.clone(), items: items.clone() };
    let flow = step(word::CREATE_ORDER_SPAN, attributes, flow(&gateway, request));
    let (placed, is_replayed) = flow.await?;
    let mut response = Json(placed).into_response();
    if is_replayed {
        response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    if let Ok(key) = HeaderValue::try_from(key) {
        response.headers_mut().insert("idempotency-key", key);
    }
    Ok(response)
}

async fn flow(gateway: &Gateway, request: CreateOrderRequest) -> AppResult<(answer::Placed, bool)> {
    let user_id = request.user_id;
    step(word::VERIFY_USER_SPAN, Vec::new, verify_user(gateway, user_id)).await?;
    let (order, is_old_order) = step(word::CREATE_ORDER_STEP_SPAN, Vec::new, create_order(gateway, request)).await?;
    let payment = step(word::INITIATE_PAYMENT_SPAN, Vec::new, initiate_payment(gateway, &order)).await;
    let (payment, is_old_payment) = payment.map_err(|error| error.with_order(order.id))?;
    let status = answer::order_status(order.status());
    tracing::info!(order.id = order.id, payment.id = payment.id, total = order.total, status, "order placed");
    let placed = answer::Placed {
        order_id: order.id,
        payment_id: payment.id,
        total: order.total,
        status,
        payment_status: answer::payment_status(payment.status()),
    };
    Ok((placed, is_old_order && is_old_payment))
}

async fn verify_user(gateway: &Gateway, id: i64) -> AppResult<()> {
    let user = gateway.user().get_user(GetUserRequest { id }).await?.into_inner();
    span::set(KeyValue::new(word::USER_NAME, user.name));
    if user.vip {
        span::set(KeyValue::new(word::USER_VIP, true));
    }
    Ok(())
}

async fn create_order(gateway: &Gateway, request: CreateOrderRequest) -> AppResult<(OrderInfo, bool)> {
    let CreateOrderReply { order, replayed } = gateway.order().create_order(request).await?.into_inner();
    let order = order.ok_or_else(AppError::internal)?;
    span::set(KeyValue::new(word::ORDER_ID, order.id));
    span::set(KeyValue::new(word::ORDER_TOTAL, order.total));
    Ok((order, replayed))
}

async fn initiate_payment(gateway: &Gateway, order: &OrderInfo) -> AppResult<(PaymentInfo, bool)> {
    let request = InitiatePaymentRequest {
        order_id: order.id,
        user_id: order.user_id,
        amount: order.total,
        // Of the order, not of the request: whoever asks again for this order asks for this payment.
        idempotency_key: format!("order-{}", order.id),
    };
    let InitiatePaymentReply { payment, replayed } = gateway.pay().initiate_payment(request).await?.into_inner();
    let payment = payment.ok_or_else(AppError::internal)?;
    span::set(KeyValue::new(word::PAYMENT_ID, payment.id));
    span::set(KeyValue::new(word::PAYMENT_STATUS, answer::payment_status(payment.status())));
    Ok((payment, replayed))
}

/// A span of the flow; it fails when the shop does, not when the client asked for something impossible.
async fn step<T>(
    name: &'static str,
    attributes: impl FnOnce() -> Vec<KeyValue>,
    work: impl Future<Output = AppResult<T>>,
) -> AppResult<T> {
    let work = async {
        let outcome = work.await;
        if let Err(error) = &outcome {
            span::set(KeyValue::new("error.type", error.reason().as_str()));
            if error.http_status().is_server_error() {
                span::fail(error.message.clone());
            }
        }
        outcome
    };
    // On the heap: nested by value, the futures of the steps would make one of 80 KiB, copied with each request.
    span::in_span(name, SpanKind::Internal, attributes, Box::pin(work)).await
}
