//! What every part of a service shares.

use crate::config::{self, ServiceConfig};
use crate::discovery::Discovery;
use crate::fault::Faults;
use crate::gateway::Connections;
use crate::limit::{LimitError, Limits};
use crate::redis::Redis;
use crate::rpc::{Balancer, Client, Guard, Guards, Place};
use crate::shed::Shedders;
use crate::telemetry::{Meters, Reporter};
use governance::{Clock, Environment, Observer, Random};
use mall_api::control::LimiterState;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Timeout of a call to another service, unless its client's configuration has one or the caller's own deadline is nearer.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// What every part of a service shares: configuration, clock, chance, breakers, shedders, meters, faults, discovery. Cheap
/// to clone.
#[derive(Clone)]
pub struct ServiceContext {
    inner: Arc<Inner>,
}

struct Inner {
    config: ServiceConfig,
    environment: Environment,
    reporter: Arc<Reporter>,
    guards: Guards,
    shedders: Shedders,
    meters: Meters,
    faults: Faults,
    discovery: Arc<dyn Discovery>,
    clients: Mutex<HashMap<String, Client>>,
    redis: Mutex<Vec<(config::Redis, Redis)>>,
    connections: OnceLock<Connections>,
    limits: OnceLock<Limits>,
    balancers: Arc<Mutex<Vec<Arc<Balancer>>>>,
    stop: CancellationToken,
    answered: CancellationToken,
    background: TaskTracker,
}

impl ServiceContext {
    /// A context over the machine's clock and a generator seeded by `Mall.Seed`.
    pub fn new(config: ServiceConfig, meters: Meters, discovery: Arc<dyn Discovery>) -> Self {
        let reporter = Arc::new(Reporter::new(meters.clone()));
        // Replicas of one service must not draw the same numbers.
        let seed = config
            .instance()
            .bytes()
            .fold(config.mall.seed, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let environment = Environment::new(seed, Arc::clone(&reporter) as Arc<dyn Observer>);
        let guards = Guards::new(environment.clone(), Arc::clone(&reporter));
        guards.observe(meters.meter());
        let shedders = Shedders::new(&config, environment.clone(), Arc::clone(&reporter));
        shedders.observe(meters.meter());
        let faults = Faults::new(config.instance(), Arc::clone(&environment.clock), Arc::clone(&environment.random));
        let inner = Inner {
            config,
            environment,
            reporter,
            guards,
            shedders,
            meters,
            faults,
            discovery,
            clients: Mutex::default(),
            redis: Mutex::default(),
            connections: OnceLock::new(),
            limits: OnceLock::new(),
            balancers: Arc::default(),
            stop: CancellationToken::new(),
            answered: CancellationToken::new(),
            background: TaskTracker::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The process's configuration.
    pub fn config(&self) -> &ServiceConfig {
        &self.inner.config
    }

    /// Monotonic time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.environment.clock
    }

    /// Seeded chance.
    pub fn random(&self) -> &Arc<dyn Random> {
        &self.inner.environment.random
    }

    /// Where requests are counted.
    pub fn meters(&self) -> &Meters {
        &self.inner.meters
    }

    /// Faults in force.
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// Breakers of the process.
    pub fn guards(&self) -> &Guards {
        &self.inner.guards
    }

    /// The breaker called `name` at `place`.
    pub fn guard(&self, place: Place, name: &str) -> Arc<Guard> {
        self.inner.guards.get(place, name)
    }

    /// What refuses requests while the processor is busy.
    pub fn shedders(&self) -> &Shedders {
        &self.inner.shedders
    }

    /// The limit of requests in flight, in a process that answers HTTP.
    pub(crate) fn connections(&self) -> &Connections {
        let (config, meters) = (self.config(), self.meters());
        self.inner.connections.get_or_init(|| Connections::new(config.max_conns, meters))
    }

    /// What every limit of the process counted.
    pub(crate) fn limiters(&self) -> Vec<LimiterState> {
        let connections = self.inner.connections.get().map(Connections::state);
        connections.into_iter().chain(self.inner.limits.get().into_iter().flat_map(Limits::states)).collect()
    }

    /// The rate limits of the process. Must be called within a tokio runtime.
    pub(crate) fn limits(&self) -> Result<Limits, LimitError> {
        if let Some(limits) = self.inner.limits.get() {
            return Ok(limits.clone());
        }
        let redis = self.config().redis.as_ref().map(|at| self.redis(at));
        let limits = Limits::of(self.config(), redis.as_ref(), self.meters(), self.clock())?;
        Ok(self.inner.limits.get_or_init(|| limits).clone())
    }

    /// Where the other services are.
    pub fn discovery(&self) -> &Arc<dyn Discovery> {
        &self.inner.discovery
    }

    /// Cancelled when the service is told to stop: background work ends by it.
    pub fn stop(&self) -> &CancellationToken {
        &self.inner.stop
    }

    /// Cancelled when the last request is answered: work that requests leave behind is finished then.
    pub fn answered(&self) -> &CancellationToken {
        &self.inner.answered
    }

    /// Work that ends by [`stop`](Self::stop) or [`answered`](Self::answered), and that the process waits for, a short while, before it ends.
    pub fn background(&self) -> &TaskTracker {
        &self.inner.background
    }

    /// The client of another service: one per service and process. Must be called within a tokio runtime.
    pub fn client(&self, service: &str) -> Client {
        let mut clients = self.inner.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(service) {
            return client.clone();
        }
        let timeout = match self.inner.config.rpc_client(service) {
            Some(conf) => (conf.timeout > 0).then(|| Duration::from_millis(conf.timeout)),
            None => Some(CALL_TIMEOUT),
        };
        let client = Client::new(
            service,
            self.inner.discovery.as_ref(),
            timeout,
            self.inner.environment.clone(),
            self.inner.guards.clone(),
            Arc::clone(&self.inner.reporter),
            self.inner.meters.clone(),
        );
        clients.insert(service.to_owned(), client.clone());
        let mut balancers = self.inner.balancers.lock().unwrap_or_else(PoisonError::into_inner);
        balancers.push(Arc::clone(client.balancer()));
        client
    }

    /// The connection to a Redis server: one per server and process. Must be called within a tokio runtime.
    pub fn redis(&self, at: &config::Redis) -> Redis {
        let mut opened = self.inner.redis.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, redis)) = opened.iter().find(|(known, _)| known == at) {
            return redis.clone();
        }
        let redis = Redis::open(at, &self.inner.meters);
        opened.push((at.clone(), redis.clone()));
        redis
    }

    /// Every balancer of the process, as far as clients were asked for.
    pub(crate) fn balancers(&self) -> Arc<Mutex<Vec<Arc<Balancer>>>> {
        Arc::clone(&self.inner.balancers)
    }
}
