//! HTTP in front of the RPC services.
//!
//! Each route passes, outermost first: trace, log, metrics, connection limit, breaker, deadline, recovery, faults, size
//! limit, token, handler. The module owns tokens and the shapes of requests and answers; it keeps no data.
//!
//! Routes come in groups, one per service behind, that can be mounted alone.

mod answer;
mod drain;
mod extract;
mod govern;
mod orders;
mod payments;
mod place_order;
mod state;
mod token;
mod unrouted;
mod users;

pub use self::state::{Gateway, Group};
pub use self::token::{Claims, Tokens};

use axum::Router;
use axum::routing::MethodRouter;

use self::govern::Governance;
use crate::context::ServiceContext;

/// A route: its method and pattern, whether it is the gateway's own business, and what answers it.
struct Endpoint {
    method: &'static str,
    path: &'static str,
    handler: MethodRouter<Gateway>,
}

impl Endpoint {
    fn new(method: &'static str, path: &'static str, handler: MethodRouter<Gateway>) -> Self {
        Self { method, path, handler }
    }
}

/// Every route of the gateway.
pub fn router(context: &ServiceContext) -> Router {
    router_of(context, &Group::ALL)
}

/// The routes of some groups, with health checks.
pub fn router_of(context: &ServiceContext, groups: &[Group]) -> Router {
    let gateway = Gateway::new(context);
    let governance = Governance::new(context);
    let endpoints: Vec<Endpoint> = groups.iter().flat_map(|group| endpoints(*group)).collect();
    let names: Vec<_> = endpoints.iter().map(|endpoint| (endpoint.method, endpoint.path)).collect();
    context.meters().register_routes(&names);
    let mut router = Router::new();
    for Endpoint { method, path, handler } in endpoints {
        router = router.route(path, handler.route_layer(governance.layer(method, path)));
    }
    router
        .route("/healthz", axum::routing::get(state::alive))
        .route("/readyz", axum::routing::get(state::ready))
        .fallback(unrouted::no_route)
        .method_not_allowed_fallback(unrouted::no_method)
        .with_state(gateway)
}

fn endpoints(group: Group) -> Vec<Endpoint> {
    match group {
        Group::User => users::endpoints(),
        Group::Order => orders::endpoints(),
        Group::Pay => payments::endpoints(),
    }
}
