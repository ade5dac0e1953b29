//! HTTP in front of the RPC services.

use axum::Router;

use crate::context::ServiceContext;

/// The routes of the gateway.
pub fn router(_context: &ServiceContext) -> Router {
    Router::new()
}
