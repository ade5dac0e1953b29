//! The life of one role: listen, open the store, register, serve, and end in peace.
//!
//! The order matters. The port is bound first, so that telemetry knows the address; a service is registered when it can
//! answer, what answers HTTP when it has reached every service that it calls. At the end a service is first withdrawn, then drained,
//! then its last spans are exported.

use crate::config::{Role, ServiceConfig};
use crate::context::ServiceContext;
use crate::discovery::{self, Announcement, DiscoveryError, Endpoint, reachable};
use crate::limit::LimitError;
use crate::rpc::admin_service;
use crate::rpc::server::{Governed, Policy};
use crate::store::{self, StoreError};
use crate::telemetry::{Page, Telemetry, TelemetryError};
use crate::{dev_server, gateway, listener, order, pay, shed, user};
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::ServiceExt;

/// How long a service that must be there first is waited for; as in go-zero.
const CALLEE_WAIT: Duration = Duration::from_secs(3);

/// How long work in the background may take to end: longer than a statement.
const LAST_WORK: Duration = Duration::from_secs(3);

/// What a role answers.
pub enum Application {
    /// gRPC methods.
    Rpc(Routes),
    /// HTTP routes.
    Http(axum::Router),
}

/// Why a role could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another port, or 0 for a free one")]
    Listen {
        /// What the configuration says.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Telemetry cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The database cannot be opened, or not be migrated.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Tokens would not be safe.
    #[error(transparent)]
    Secret(#[from] gateway::BadSecret),
    /// A rate limit cannot work.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The configuration does not say where services are.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// A service that must be there first is not.
    #[error("no replica of {service} is connected after {waited:?}; start it first, or set {client}.NonBlock to true")]
    Unreached {
        /// Its name.
        service: &'static str,
        /// Key of its client.
        client: &'static str,
        /// How long it was waited for.
        waited: Duration,
    },
}

/// Runs `role` until `stop` resolves. Needs a tokio runtime of its own, which may be a current-thread one.
pub async fn serve(role: Role, config: ServiceConfig, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
    // On the heap: the life of a service is a future of tens of kilobytes, which callers would hold by value.
    match role {
        Role::UserRpc => Box::pin(run(role, config, rpc(async |context| user::routes(context).await), stop)).await,
        Role::OrderRpc => Box::pin(run(role, config, rpc(async |context| order::routes(context).await), stop)).await,
        Role::PayRpc => Box::pin(run(role, config, rpc(async |context| pay::routes(context).await), stop)).await,
        Role::Gateway | Role::UserApi | Role::OrderApi | Role::PayApi => {
            let build = async |context: &ServiceContext| {
                Ok(Application::Http(gateway::router_of(context, gateway::Group::of(role))?))
            };
            Box::pin(run(role, config, build, stop)).await
        }
        Role::Migrate => Ok(store::migrate_and_seed(&config).await.map(|_| ())?),
    }
}

fn rpc(
    routes: impl AsyncFnOnce(&ServiceContext) -> Result<Routes, StoreError>,
) -> impl AsyncFnOnce(&ServiceContext) -> Result<Application, ServeError> {
    async |context: &ServiceContext| Ok(Application::Rpc(routes(context).await?))
}

/// [`serve`] with the application given: what `build` makes of the service's context.
pub async fn run(
    role: Role,
    config: ServiceConfig,
    build: impl AsyncFnOnce(&ServiceContext) -> Result<Application, ServeError>,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    gateway::check_secrets(role, &config.auth)?;
    let wanted = match role {
        role if role.is_http() => format!("{}:{}", config.host, config.port),
        _ => config.listen_on.clone(),
    };
    let (listener, address) = bind(&wanted).await?;
    let telemetry = Telemetry::start(&config, &reachable(address))?;
    let outcome = live(role, config, &telemetry, build, (listener, address), stop).await;
    telemetry.shutdown().await;
    outcome
}

async fn live(
    role: Role,
    config: ServiceConfig,
    telemetry: &Telemetry,
    build: impl AsyncFnOnce(&ServiceContext) -> Result<Application, ServeError>,
    (listener, address): (TcpListener, SocketAddr),
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let mut stop = std::pin::pin!(stop);
    let discovery = discovery::of(&config, telemetry.meters())?;
    let context = ServiceContext::new(config, telemetry.meters().clone(), discovery);
    let ready = tokio::select! {
        biased;
        ready = prepare(&context, build) => ready.map(Some),
        // It may be waiting for its database, or for a service that it calls.
        () = stop.as_mut() => Ok(None),
    };
    let mut life = Life { role, context: &context, closing: CancellationToken::new(), servers: Vec::new() };
    let outcome = match ready {
        Ok(Some(application)) => life.answer(application, (listener, address), telemetry.page(), stop).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    life.end().await;
    outcome
}

/// Builds the application, and waits for those services that must be there first.
async fn prepare(
    context: &ServiceContext,
    build: impl AsyncFnOnce(&ServiceContext) -> Result<Application, ServeError>,
) -> Result<Application, ServeError> {
    let application = build(context).await?;
    wait_for_callees(context).await?;
    Ok(application)
}

/// Names that the health service knows: the process as a whole, and its gRPC service.
fn served(role: Role) -> impl Iterator<Item = &'static str> {
    let service = match role {
        Role::UserRpc => Some("mall.User"),
        Role::OrderRpc => Some("mall.Order"),
        Role::PayRpc => Some("mall.Pay"),
        _ => None,
    };
    std::iter::once("").chain(service)
}

/// A process under way, with the servers that it has opened so far.
struct Life<'a> {
    role: Role,
    context: &'a ServiceContext,
    closing: CancellationToken,
    servers: Vec<tokio::task::JoinHandle<()>>,
}

impl Life<'_> {
    /// Answers until `stop`; known to others from when it can do its work until then.
    async fn answer(
        &mut self,
        application: Application,
        (listener, address): (TcpListener, SocketAddr),
        page: Option<&Page>,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), ServeError> {
        let (role, context) = (self.role, self.context);
        let readiness = watch::Sender::new(false);
        let sources = dev_server::Sources { page: page.cloned(), is_ready: readiness.subscribe() };
        let beside = dev_server::open(context.config(), &sources, &self.closing)
            .await
            .map_err(|(address, source)| ServeError::Listen { address, source })?;
        self.servers.extend(beside);
        let (health, admin) = self.open(application, listener, address).await?;
        let measuring = {
            let (context, shedders, closing) = (context.clone(), context.shedders().clone(), self.closing.clone());
            async move { shed::watch(context.config(), shedders, closing).await }
        };
        // Detached on purpose: it ends with `closing`, and has nothing to finish.
        tokio::spawn(measuring);

        tokio::select! {
            announced = announce(role, context, address, admin) => {
                tracing::info!(%address, "ready");
                readiness.send_replace(true);
                stop.await;
                readiness.send_replace(false);
                context.stop().cancel();
                for service in served(role) {
                    health.set_service_status(service, ServingStatus::NotServing).await;
                }
                announced.withdraw().await;
            }
            () = stop.as_mut() => {}
        }
        Ok(())
    }

    /// Starts the servers: an RPC role serves everything on one port, the gateway has a second one for Admin and health.
    async fn open(
        &mut self,
        application: Application,
        listener: TcpListener,
        address: SocketAddr,
    ) -> Result<(HealthReporter, SocketAddr), ServeError> {
        let (role, context, closing) = (self.role, self.context, &self.closing);
        let (health, health_service) = tonic_health::server::health_reporter();
        for service in served(role) {
            health.set_service_status(service, ServingStatus::Serving).await;
        }
        let with_control =
            |routes: Routes| routes.add_service(health_service).add_service(admin_service(context)).prepare();
        match application {
            Application::Rpc(routes) => {
                let policy = Policy::of(context, context.config().request_timeout(role));
                let service = Governed::new(with_control(routes), policy)
                    .map_request(|request: http::Request<Incoming>| request.map(tonic::body::Body::new));
                self.servers.push(tokio::spawn(listener::serve(listener, service, closing.clone())));
                Ok((health, address))
            }
            Application::Http(router) => {
                let (admin_listener, admin) = bind("127.0.0.1:0").await?;
                let control = with_control(Routes::default())
                    .map_request(|request: http::Request<Incoming>| request.map(tonic::body::Body::new));
                let control = tokio::spawn(listener::serve(admin_listener, control, closing.clone()));
                let service = router.map_request(|request: http::Request<Incoming>| request.map(axum::body::Body::new));
                let server = tokio::spawn(listener::serve(listener, service, closing.clone()));
                self.servers.extend([server, control]);
                Ok((health, admin))
            }
        }
    }

    /// Tells all that runs to end, and gives it its time: also a process that could not start has begun something.
    async fn end(self) {
        self.context.stop().cancel();
        self.closing.cancel();
        for server in self.servers {
            // A server that panicked has logged it, and there is nothing left to stop.
            let _ = server.await;
        }
        self.context.answered().cancel();
        let background = self.context.background();
        background.close();
        if tokio::time::timeout(LAST_WORK, background.wait()).await.is_err() {
            tracing::warn!(
                "work in the background did not end in time: what it left undone is done by another replica"
            );
        }
    }
}

/// Waits for each service whose client says `NonBlock: false`, as go-zero does, and no longer than that.
async fn wait_for_callees(context: &ServiceContext) -> Result<(), ServeError> {
    let config = context.config();
    let clients = [
        ("user-rpc", "UserRpc", &config.user_rpc),
        ("order-rpc", "OrderRpc", &config.order_rpc),
        ("pay-rpc", "PayRpc", &config.pay_rpc),
    ];
    for (service, client, conf) in clients {
        if conf.as_ref().is_some_and(|conf| !conf.non_block) {
            let connected = tokio::time::timeout(CALLEE_WAIT, context.client(service).ready()).await;
            connected.map_err(|_| ServeError::Unreached { service, client, waited: CALLEE_WAIT })?;
        }
    }
    Ok(())
}

/// Makes the process known once it can do its work: what answers HTTP when each service that it calls has a connected
/// replica.
async fn announce(
    role: Role,
    context: &ServiceContext,
    address: SocketAddr,
    admin: SocketAddr,
) -> crate::discovery::Announced {
    for service in gateway::Group::services_of(gateway::Group::of(role)) {
        context.client(service.name()).ready().await;
    }
    let config = context.config();
    let announcement = Announcement {
        service: config.name.clone(),
        endpoint: Endpoint::new(config.instance(), reachable(address)),
        admin: admin.to_string(),
    };
    context.discovery().announce(announcement).await
}

async fn bind(address: &str) -> Result<(TcpListener, SocketAddr), ServeError> {
    let refused = |source| ServeError::Listen { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok((listener, bound))
}
