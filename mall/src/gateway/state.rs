//! What handlers share, and whether the gateway is well.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use mall_api::shop::order_client::OrderClient;
use mall_api::shop::pay_client::PayClient;
use mall_api::shop::user_client::UserClient;
use serde_json::json;

use super::Tokens;
use crate::config::Role;
use crate::context::ServiceContext;
use crate::rpc::Client;

/// Routes that stand on one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Registration, login, who one is.
    User,
    /// Products and orders.
    Order,
    /// Payments.
    Pay,
}

impl Group {
    /// Every group.
    pub const ALL: [Self; 3] = [Self::User, Self::Order, Self::Pay];

    /// The groups that a role mounts.
    pub const fn of(role: Role) -> &'static [Self] {
        match role {
            Role::Gateway => &Self::ALL,
            Role::UserApi => &[Self::User],
            Role::OrderApi => &[Self::Order],
            Role::PayApi => &[Self::Pay],
            Role::UserRpc | Role::OrderRpc | Role::PayRpc | Role::Migrate => &[],
        }
    }
}

/// What handlers share. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    user: Client,
    order: Client,
    pay: Client,
    tokens: Tokens,
    max_bytes: usize,
}

impl Gateway {
    /// Over the context's clients, secret and limits.
    pub fn new(context: &ServiceContext) -> Self {
        let config = context.config();
        let inner = Inner {
            user: context.client("user-rpc"),
            order: context.client("order-rpc"),
            pay: context.client("pay-rpc"),
            tokens: Tokens::new(&config.auth),
            max_bytes: usize::try_from(config.max_bytes).unwrap_or(usize::MAX),
        };
        Self { inner: Arc::new(inner) }
    }

    pub(super) fn user(&self) -> UserClient<Client> {
        UserClient::new(self.inner.user.clone())
    }

    pub(super) fn order(&self) -> OrderClient<Client> {
        OrderClient::new(self.inner.order.clone())
    }

    pub(super) fn pay(&self) -> PayClient<Client> {
        PayClient::new(self.inner.pay.clone())
    }

    pub(super) fn tokens(&self) -> &Tokens {
        &self.inner.tokens
    }

    pub(super) fn max_bytes(&self) -> usize {
        self.inner.max_bytes
    }
}

/// The process runs.
pub(super) async fn alive() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// Each service behind has a connected replica.
pub(super) async fn ready(State(gateway): State<Gateway>) -> Response {
    let inner = &gateway.inner;
    let services = [("user-rpc", &inner.user), ("order-rpc", &inner.order), ("pay-rpc", &inner.pay)];
    let replicas = services.map(|(name, client)| (name, *client.connected_replicas().borrow()));
    let is_ready = replicas.iter().all(|(_, connected)| *connected > 0);
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let connected: serde_json::Map<_, _> =
        replicas.into_iter().map(|(name, connected)| (name.to_owned(), connected.into())).collect();
    (status, Json(json!({ "status": if is_ready { "ready" } else { "waiting" }, "connected": connected })))
        .into_response()
}
