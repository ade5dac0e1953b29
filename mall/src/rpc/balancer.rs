//! The replicas of one service, and the picker over those that are connected.

use super::connection;
use crate::discovery::Endpoint;
use crate::telemetry::{Reporter, replica_key};
use collector_api::vocabulary as word;
use governance::Environment;
use governance::p2c::{Pick, Picker, Replica, Statistics};
use http::uri::Authority;
use hyper::client::conn::http2::SendRequest;
use mall_api::control::{BalancerState, ConnectionState};
use opentelemetry::KeyValue;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tonic::body::Body;

/// Balances over the connected replicas of a service. Any change of that set makes a new picker without memory, as go-zero
/// does.
pub struct Balancer {
    service: Arc<str>,
    environment: Environment,
    reporter: Arc<Reporter>,
    state: Mutex<State>,
    connected: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    members: BTreeMap<Endpoint, Member>,
    ring: Option<Arc<Ring>>,
}

struct Member {
    keeper: AbortHandle,
    sender: Option<SendRequest<Body>>,
}

/// A picker with the connections that its indices mean.
struct Ring {
    picker: Picker,
    targets: Vec<Target>,
}

/// A connected replica, with what every call to it says of it.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) sender: SendRequest<Body>,
    pub(super) authority: Authority,
    /// `loadbalancer.algorithm`, `loadbalancer.target`, `server.address`, `server.port`.
    pub(super) attributes: [KeyValue; 4],
}

impl Target {
    /// `None` when the address is no host:port, which no connected replica's is.
    fn new(address: &Arc<str>, sender: SendRequest<Body>) -> Option<Self> {
        let authority = Authority::try_from(&**address).ok()?;
        let attributes = [
            KeyValue::new(word::LB_ALGORITHM, word::ALGORITHM_P2C),
            KeyValue::new(word::LB_TARGET, Arc::clone(address)),
            KeyValue::new("server.address", Arc::<str>::from(authority.host())),
            KeyValue::new("server.port", i64::from(authority.port_u16()?)),
        ];
        Some(Self { sender, authority, attributes })
    }
}

impl Balancer {
    /// A balancer over `endpoints`, whose changes it follows as long as it lives. Must be called within a tokio runtime.
    pub fn follow(
        service: &str,
        mut endpoints: watch::Receiver<Vec<Endpoint>>,
        environment: Environment,
        reporter: Arc<Reporter>,
    ) -> Arc<Self> {
        let balancer = Arc::new(Self {
            service: service.into(),
            environment,
            reporter,
            state: Mutex::default(),
            connected: watch::Sender::new(0),
        });
        balancer.set(&endpoints.borrow_and_update());
        let weak = Arc::downgrade(&balancer);
        tokio::spawn(async move {
            while endpoints.changed().await.is_ok() {
                let Some(balancer) = weak.upgrade() else { return };
                balancer.set(&endpoints.borrow_and_update());
            }
        });
        balancer
    }

    /// The service's name.
    pub fn service(&self) -> &Arc<str> {
        &self.service
    }

    /// Replicas that are connected, now and after every change.
    pub fn connected_replicas(&self) -> watch::Receiver<usize> {
        self.connected.subscribe()
    }

    /// Picks a connected replica; the choice is reported. `None` when there is none.
    pub(super) fn pick(&self) -> Option<(Pick, Target)> {
        let ring = self.lock().ring.clone()?;
        let pick = ring.picker.pick()?;
        let target = ring.targets.get(pick.index())?.clone();
        Some((pick, target))
    }

    /// What is known of every replica.
    pub fn state(&self) -> BalancerState {
        let state = self.lock();
        let known = state.ring.as_deref().map(Ring::statistics).unwrap_or_default();
        let connections = state.members.iter().map(|(endpoint, member)| {
            let seen = known.iter().find(|(replica, _)| replica.address == endpoint.address);
            let seen = seen.map(|(_, statistics)| statistics.clone()).unwrap_or_default();
            ConnectionState {
                instance: endpoint.instance.to_string(),
                address: endpoint.address.to_string(),
                connected: member.sender.is_some(),
                lag_ns: seen.lag_ns,
                inflight: seen.inflight as i64,
                success: seen.success,
                load: seen.load(),
                picks: seen.picks,
                forced: seen.forced,
            }
        });
        BalancerState { service: self.service.to_string(), connections: connections.collect() }
    }

    pub(super) fn connected(&self, endpoint: &Endpoint, sender: SendRequest<Body>) {
        self.replace(endpoint, Some(sender));
    }

    pub(super) fn disconnected(&self, endpoint: &Endpoint) {
        self.replace(endpoint, None);
    }

    fn replace(&self, endpoint: &Endpoint, sender: Option<SendRequest<Body>>) {
        let mut state = self.lock();
        // A replica that left the list meanwhile stays out.
        if let Some(member) = state.members.get_mut(endpoint) {
            member.sender = sender;
            self.rebuild(&mut state);
        }
    }

    fn set(self: &Arc<Self>, endpoints: &[Endpoint]) {
        let mut state = self.lock();
        let before = state.members.len();
        state.members.retain(|endpoint, member| {
            let stays = endpoints.contains(endpoint);
            if !stays {
                member.keeper.abort();
            }
            stays
        });
        let has_left = state.members.len() < before;
        for endpoint in endpoints {
            if !state.members.contains_key(endpoint) {
                self.reporter.replica_joined(&self.service, &endpoint.instance);
                let keeper = tokio::spawn(connection::keep(endpoint.clone(), Arc::downgrade(self))).abort_handle();
                state.members.insert(endpoint.clone(), Member { keeper, sender: None });
            }
        }
        if has_left {
            self.rebuild(&mut state);
        }
    }

    fn rebuild(&self, state: &mut State) {
        let (replicas, targets): (Vec<_>, Vec<_>) = state
            .members
            .iter()
            .filter_map(|(endpoint, member)| {
                let replica =
                    Replica { instance: Arc::clone(&endpoint.instance), address: Arc::clone(&endpoint.address) };
                Some((replica, Target::new(&endpoint.address, member.sender.clone()?)?))
            })
            .unzip();
        let count = replicas.len();
        let picker = Picker::new(Arc::clone(&self.service), replicas, self.environment.clone());
        state.ring = (count > 0).then(|| Arc::new(Ring { picker, targets }));
        self.connected.send_replace(count);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.members.values().for_each(|member| member.keeper.abort());
    }
}

impl Ring {
    fn statistics(&self) -> Vec<(Replica, Statistics)> {
        self.picker.replicas().iter().cloned().zip(self.picker.statistics()).collect()
    }
}

/// Exports the statistics of the connected replicas as gauges, as long as the balancer lives.
pub(super) fn observe(balancer: &Arc<Balancer>, meter: &opentelemetry::metrics::Meter) {
    let gauge = |name: &'static str, read: fn(&Statistics) -> u64| {
        let balancer: Weak<Balancer> = Arc::downgrade(balancer);
        meter
            .u64_observable_gauge(name)
            .with_callback(move |observer| {
                let Some(balancer) = balancer.upgrade() else { return };
                let ring = balancer.lock().ring.clone();
                for (replica, known) in ring.as_deref().map(Ring::statistics).unwrap_or_default() {
                    observer.observe(read(&known), &replica_key(&balancer.service, &replica.instance));
                }
            })
            .build();
    };
    gauge(word::P2C_EWMA, |known| known.lag_ns);
    gauge(word::P2C_INFLIGHT, |known| known.inflight);
    gauge(word::P2C_SUCCESS, |known| known.success);
    gauge(word::P2C_LOAD, Statistics::load);
}
