//! The status of the stack, as Control answers it.

use std::sync::Arc;

use mall::config::Role;
use mall_api::control::{Addresses, Places, RegisterRequest, StatusReply};
use tokio::time::Instant;

use super::configs::POLICY;
use super::presence::Mode;
use super::process::{Mark, Usage};
use super::shared::Shared;
use crate::topology::Topology;

impl Shared {
    /// The stack as it is now. What the processes use is read from `/proc` off the runtime.
    pub async fn status(self: &Arc<Self>) -> StatusReply {
        let shared = Arc::clone(self);
        let processes = tokio::task::spawn_blocking(move || shared.board.processes(shared.own, Mark::usage));
        let processes = match processes.await {
            Ok(processes) => processes,
            Err(_) => self.board.processes(self.own, |_| Usage::default()),
        };
        let (phase, ready_ms) = self.board.phase();
        let (mode, grace_left_ms) = match self.presence.mode() {
            Mode::Foreground => ("foreground", 0),
            Mode::Detached => ("detached", 0),
            Mode::Grace(left) => ("grace", left.as_millis() as u64),
        };
        let addresses = self.addresses.borrow().clone();
        StatusReply {
            stack: self.folder.stack().to_owned(),
            ready: self.is_ready(ready_ms),
            ready_ms: ready_ms.unwrap_or(0),
            addresses: Some(Addresses {
                gateway: addresses.gateway,
                otlp_grpc: addresses.otlp_grpc,
                otlp_http: addresses.otlp_http,
                console: addresses.console,
            }),
            processes,
            faults: self.faults.list(),
            policy: POLICY.to_owned(),
            seed: self.order.seed,
            mode: mode.to_owned(),
            grace_left_ms,
            started_unix_ns: self.order.started_unix_ns,
            phase: self.phase(phase),
            places: self.order.shop.as_ref().map(|shop| places(&shop.topology)),
            servers: self.outages.servers(),
        }
    }

    fn is_ready(&self, ready_ms: Option<u64>) -> bool {
        ready_ms.is_some() && self.board.all_ready() && self.edge.is_open() && !self.stop.is_cancelled()
    }

    fn phase(&self, phase: &str) -> String {
        match self.edge.address() {
            _ if self.stop.is_cancelled() => "stopping".to_owned(),
            Some(edge) if self.board.all_ready() && !self.edge.is_open() => waits_for_proxy(edge, &self.edge.said()),
            _ => phase.to_owned(),
        }
    }

    /// A process registered: it listens, so it is ready.
    pub fn registered(self: &Arc<Self>, registration: &RegisterRequest) {
        let since_spawn = |instance| {
            self.spawn_times().get(&instance).map_or(0, |spawned: &Instant| spawned.elapsed().as_millis() as u64)
        };
        let RegisterRequest { instance, pid, address, .. } = registration;
        let Some(known) = self.board.instances().into_iter().find(|known| known.to_string() == *instance) else {
            return;
        };
        if known.role == Role::Gateway {
            // Before the board says ready, for whoever waits for that asks for the address next.
            self.addresses.send_modify(|addresses| addresses.gateway.clone_from(address));
        }
        if self.board.registered(known, *pid, address, since_spawn) {
            self.deliver_to_newcomer(known);
        }
    }
}

fn waits_for_proxy(edge: &str, said: &str) -> String {
    let waits = format!("waiting for the proxy at {edge} to answer /readyz with 200");
    if said.is_empty() { waits } else { format!("{waits}; last answer: {said}") }
}

fn places(topology: &Topology) -> Places {
    let Topology { store, cache, registry, .. } = topology;
    Places { store: store.to_string(), cache: cache.to_string(), registry: registry.to_string() }
}
