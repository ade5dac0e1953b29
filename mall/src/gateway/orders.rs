//! Products and orders.

use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};
use mall_api::shop::{GetOrderRequest, GetProductRequest, ListOrdersRequest, ListProductsRequest};
use serde::Deserialize;

use super::extract::{Params, integer};
use super::token::Session;
use super::{Endpoint, Gateway, answer, place_order};
use crate::error::AppResult;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new("GET", "/api/product/list", get(products)),
        Endpoint::new("GET", "/api/product/detail", get(product)),
        Endpoint::new("POST", "/api/order/create", post(place_order::create)).for_users().first(),
        Endpoint::new("GET", "/api/order/detail", get(order)).for_users(),
        Endpoint::new("GET", "/api/order/list", get(orders)).for_users(),
    ]
}

#[derive(Debug, Deserialize)]
struct ById {
    #[serde(deserialize_with = "integer")]
    id: i64,
}

#[derive(Debug, Deserialize)]
struct AfterId {
    #[serde(default)]
    after_id: i64,
    #[serde(default)]
    limit: i32,
}

#[derive(Debug, Deserialize)]
struct BeforeId {
    #[serde(default)]
    before_id: i64,
    #[serde(default)]
    limit: i32,
}

async fn products(State(gateway): State<Gateway>, Params(page): Params<AfterId>) -> AppResult<Json<answer::Products>> {
    let AfterId { after_id, limit } = page;
    let reply = gateway.order().list_products(ListProductsRequest { after_id, limit }).await?.into_inner();
    Ok(Json(answer::Products { products: reply.products.into_iter().map(Into::into).collect() }))
}

async fn product(State(gateway): State<Gateway>, Params(by): Params<ById>) -> AppResult<Json<answer::ProductAnswer>> {
    let product = gateway.order().get_product(GetProductRequest { id: by.id }).await?;
    Ok(Json(product.into_inner().into()))
}

async fn order(
    State(gateway): State<Gateway>,
    session: Session,
    Params(by): Params<ById>,
) -> AppResult<Json<answer::Order>> {
    let order = gateway.order().get_order(GetOrderRequest { id: by.id, user_id: session.user_id }).await?;
    Ok(Json(order.into_inner().into()))
}

async fn orders(
    State(gateway): State<Gateway>,
    session: Session,
    Params(page): Params<BeforeId>,
) -> AppResult<Json<answer::Orders>> {
    let BeforeId { before_id, limit } = page;
    let request = ListOrdersRequest { user_id: session.user_id, before_id, limit };
    let reply = gateway.order().list_orders(request).await?.into_inner();
    Ok(Json(answer::Orders { orders: reply.orders.into_iter().map(Into::into).collect() }))
}
