//! Payments, and what providers outside report.

use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};
use http::HeaderMap;
use mall_api::shop::{GetPaymentRequest, ProviderCallbackRequest};
use serde::Deserialize;

use super::extract::{Params, Raw, integer, parse};
use super::token::Session;
use super::{Endpoint, Gateway, answer};
use crate::error::{AppError, AppResult};

/// Header with the base64url HMAC-SHA256 of a callback's body.
const SIGNATURE: &str = "x-callback-signature";

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new("GET", "/api/pay/detail", get(payment)).for_users(),
        Endpoint::new("POST", "/api/pay/callback", post(callback)).first(),
    ]
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Which {
    #[serde(deserialize_with = "integer")]
    id: i64,
    #[serde(deserialize_with = "integer")]
    order_id: i64,
}

async fn payment(
    State(gateway): State<Gateway>,
    session: Session,
    Params(which): Params<Which>,
) -> AppResult<Json<answer::Payment>> {
    let request = GetPaymentRequest { id: which.id, order_id: which.order_id, user_id: session.user_id };
    let payment = gateway.pay().get_payment(request).await?;
    Ok(Json(payment.into_inner().into()))
}

#[derive(Debug, Deserialize)]
struct Callback {
    #[serde(deserialize_with = "integer")]
    payment_id: i64,
    provider_ref: String,
    #[serde(deserialize_with = "integer")]
    amount: i64,
    success: bool,
}

async fn callback(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> AppResult<Json<answer::Payment>> {
    let missing = || AppError::unauthenticated("no signature: send X-Callback-Signature, HMAC-SHA256 of the body");
    let signature = headers.get(SIGNATURE).and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
    gateway.tokens().check_callback(&body, signature)?;
    let Callback { payment_id, provider_ref, amount, success } = parse(&body)?;
    let request = ProviderCallbackRequest { payment_id, provider_ref, amount, success };
    let payment = gateway.pay().provider_callback(request).await?;
    Ok(Json(payment.into_inner().into()))
}
