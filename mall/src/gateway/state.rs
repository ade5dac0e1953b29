//! What handlers share, and whether the gateway is well.

use std::sync::{Arc, OnceLock};

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

    /// The services that the group's routes call.
    pub const fn services(self) -> &'static [Role] {
        match self {
            Self::User => &[Role::UserRpc],
            Self::Order => &Role::RPC,
            Self::Pay => &[Role::PayRpc],
        }
    }

    /// The services that some groups call, each once.
    pub fn services_of(groups: &[Self]) -> Vec<Role> {
        let is_called = |service: &Role| groups.iter().any(|group| group.services().contains(service));
        Role::RPC.into_iter().filter(is_called).collect()
    }

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
    context: ServiceContext,
    /// What the mounted routes call.
    services: Vec<Role>,
    user: OnceLock<Client>,
    order: OnceLock<Client>,
    pay: OnceLock<Client>,
    tokens: Tokens,
    max_bytes: usize,
}

impl Gateway {
    /// Over the context's secrets and limits, and clients of the services that `groups` call.
    pub fn new(context: &ServiceContext, groups: &[Group]) -> Self {
        let config = context.config();
        let inner = Inner {
            context: context.clone(),
            services: Group::services_of(groups),
            user: OnceLock::new(),
            order: OnceLock::new(),
            pay: OnceLock::new(),
            tokens: Tokens::new(&config.auth),
            max_bytes: usize::try_from(config.max_bytes).unwrap_or(usize::MAX),
        };
        let gateway = Self { inner: Arc::new(inner) };
        for service in &gateway.inner.services {
            // Connects before the first request comes.
            let _client = gateway.inner.context.client(service.name());
        }
        gateway
    }

    pub(super) fn user(&self) -> UserClient<Client> {
        UserClient::new(self.client(&self.inner.user, Role::UserRpc))
    }

    pub(super) fn order(&self) -> OrderClient<Client> {
        OrderClient::new(self.client(&self.inner.order, Role::OrderRpc))
    }

    pub(super) fn pay(&self) -> PayClient<Client> {
        PayClient::new(self.client(&self.inner.pay, Role::PayRpc))
    }

    fn client(&self, made: &OnceLock<Client>, service: Role) -> Client {
        made.get_or_init(|| self.inner.context.client(service.name())).clone()
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

/// Each service that the mounted routes call has a connected replica, and the process is not about to end.
pub(super) async fn ready(State(gateway): State<Gateway>) -> Response {
    let inner = &gateway.inner;
    let replicas: Vec<(Role, usize)> = inner
        .services
        .iter()
        .map(|service| (*service, *inner.context.client(service.name()).connected_replicas().borrow()))
        .collect();
    let state = match replicas.iter().all(|(_, connected)| *connected > 0) {
        _ if inner.context.stop().is_cancelled() => "stopping",
        true => "ready",
        false => "waiting",
    };
    let status = if state == "ready" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let connected: serde_json::Map<_, _> =
        replicas.into_iter().map(|(service, connected)| (service.name().to_owned(), connected.into())).collect();
    (status, Json(json!({ "status": state, "connected": connected }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_needs_only_what_its_groups_call() {
        let needs = |role| Group::services_of(Group::of(role));
        assert_eq!(needs(Role::Gateway), Role::RPC);
        assert_eq!(needs(Role::UserApi), [Role::UserRpc]);
        assert_eq!(needs(Role::OrderApi), Role::RPC);
        assert_eq!(needs(Role::PayApi), [Role::PayRpc]);
        assert_eq!(needs(Role::UserRpc), []);
    }
}
