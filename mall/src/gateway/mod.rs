//! HTTP in front of the RPC services.
//!
//! Each route passes, outermost first and in go-zero's order: trace, log, metrics, connection limit, breaker, shedding,
//! deadline, recovery, faults, size limit, decompression, token, rate limits, handler. Around all of them lies CORS, whose
//! preflights, like health checks, are in no count, trace or limit. What refuses a request while its body is still coming
//! reads on before it answers. The module owns tokens and the shapes of requests and answers; it keeps no data.
//!
//! Routes come in groups that can be mounted alone: user-api, order-api and pay-api are three processes behind a proxy.

mod access;
mod answer;
mod connections;
mod cors;
mod drain;
mod extract;
mod gone;
mod govern;
mod gunzip;
mod observed;
mod orders;
mod payments;
mod place_order;
mod rotation;
mod state;
mod token;
mod unrouted;
mod users;

pub(crate) use self::connections::Connections;
pub use self::state::{Gateway, Group};
pub use self::token::{BadSecret, Claims, Tokens, check_secrets};

use axum::Router;
use axum::routing::MethodRouter;

use self::cors::Origins;
use self::govern::Governance;
use crate::context::ServiceContext;
use crate::limit::LimitError;

/// A route: its method and pattern, what stands in front of it, and what answers it.
struct Endpoint {
    method: &'static str,
    path: &'static str,
    handler: MethodRouter<Gateway>,
    is_for_users: bool,
    is_first: bool,
}

impl Endpoint {
    fn new(method: &'static str, path: &'static str, handler: MethodRouter<Gateway>) -> Self {
        Self { method, path, handler, is_for_users: false, is_first: false }
    }

    /// Only with a valid access token.
    fn for_users(self) -> Self {
        Self { is_for_users: true, ..self }
    }

    /// Refused last when the process is overloaded: routes that bring money in, an order and a provider's callback. Who
    /// only looks around is refused before.
    fn first(self) -> Self {
        Self { is_first: true, ..self }
    }
}

/// Every route of the gateway.
pub fn router(context: &ServiceContext) -> Result<Router, LimitError> {
    router_of(context, &Group::ALL)
}

/// The routes of some groups, with health checks.
///
/// Fails where a rate limit of the configuration cannot work. Must be called within a tokio runtime.
pub fn router_of(context: &ServiceContext, groups: &[Group]) -> Result<Router, LimitError> {
    let gateway = Gateway::new(context, groups);
    let governance = Governance::new(context, &gateway)?;
    let endpoints: Vec<Endpoint> = groups.iter().flat_map(|group| endpoints(*group)).collect();
    let names: Vec<_> = endpoints.iter().map(|endpoint| (endpoint.method, endpoint.path)).collect();
    context.meters().register_routes(&names);
    let mut router = Router::new();
    for endpoint in endpoints {
        let layer = governance.layer(&endpoint);
        router = router.route(endpoint.path, endpoint.handler.route_layer(layer));
    }
    let origins = Origins::new(&context.config().mall.cors.origins);
    let router = router
        .route("/healthz", axum::routing::get(state::alive))
        .route("/readyz", axum::routing::get(state::ready))
        .fallback(unrouted::no_route)
        .method_not_allowed_fallback(unrouted::no_method)
        .layer(axum::middleware::from_fn_with_state(origins, cors::share))
        .with_state(gateway);
    Ok(router)
}

fn endpoints(group: Group) -> Vec<Endpoint> {
    match group {
        Group::User => users::endpoints(),
        Group::Order => orders::endpoints(),
        Group::Pay => payments::endpoints(),
    }
}
