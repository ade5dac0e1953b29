//! Adding, ending and delivering faults.

use std::sync::Arc;
use std::time::Duration;

use collector::NewEvent;
use futures::future::join_all;
use mall_api::control::admin_client::AdminClient;
use mall_api::control::{Fault, FaultSet};
use nix::sys::signal::Signal;
use tonic::transport::Endpoint;
use tonic::{Request, Status};

use super::faults::{Entry, LONGEST_MS, describe, missed};
use super::instance::Instance;
use super::shared::{Shared, unix_ns};
use crate::hint;

/// How long a replica may take to accept its faults.
const DELIVERY_LIMIT: Duration = Duration::from_secs(1);

/// Replica number that means one of them, whichever.
const ANY: &str = "/any";

impl Shared {
    /// Checks a fault, puts it in force and delivers it.
    pub async fn add_fault(self: &Arc<Self>, asked: Fault) -> Result<Fault, Status> {
        mall::fault::parse(&asked.kind, &asked.target, &asked.params)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let mut fault = asked;
        if !(1..=LONGEST_MS).contains(&fault.for_ms) {
            return Err(Status::invalid_argument("a fault lasts from 1 ms to 1 h: give --for a time such as 30s"));
        }
        let targets = self.fault_targets(&mut fault)?;
        if fault.kind == "kill" {
            return Ok(self.kill(fault, &targets));
        }
        let fault = self.faults.add(fault, unix_ns(), |fault| self.hub.open_event(event(fault))).map_err(|_| {
            let clear = hint::command(self.folder.stack(), "fault clear");
            Status::resource_exhausted(format!("64 faults are in force: end some with {clear}"))
        })?;
        self.board.changed();
        self.deliver(&targets).await;
        Ok(fault)
    }

    /// Ends faults; answers those that were in force. Where an identity is not in force, the others end all the same.
    pub async fn clear_faults(self: &Arc<Self>, ids: &[String]) -> Result<FaultSet, Status> {
        let ended = self.faults.clear(ids);
        self.end_faults(&ended).await;
        let cleared: Vec<Fault> = ended.into_iter().map(|entry| entry.fault).collect();
        match missed(ids, &cleared, &self.faults.list()) {
            Some(missed) => Err(Status::not_found(missed)),
            None => Ok(FaultSet { faults: cleared }),
        }
    }

    /// Ends faults as their time runs out, for ever.
    pub async fn keep_faults(self: Arc<Self>) {
        loop {
            self.faults.next_change(unix_ns).await;
            let ended = self.faults.expire(unix_ns());
            if !ended.is_empty() {
                self.end_faults(&ended).await;
            }
        }
    }

    /// Sends a replica that just registered what concerns it.
    pub fn deliver_to_newcomer(self: &Arc<Self>, instance: Instance) {
        if !self.faults.of(instance).faults.is_empty() {
            let shared = Arc::clone(self);
            tokio::spawn(async move { shared.deliver(&[instance]).await });
        }
    }

    async fn end_faults(self: &Arc<Self>, ended: &[Entry]) {
        let now = unix_ns();
        for entry in ended {
            self.hub.close_event(entry.event, now.min(entry.fault.ends_unix_ns));
        }
        self.board.changed();
        let targets: Vec<Instance> = self
            .board
            .instances()
            .into_iter()
            .filter(|instance| ended.iter().any(|entry| instance.is_meant_by(&entry.fault.target)))
            .collect();
        self.deliver(&targets).await;
    }

    fn fault_targets(&self, fault: &mut Fault) -> Result<Vec<Instance>, Status> {
        if let Some(service) = fault.target.strip_suffix(ANY) {
            let replicas = self.board.meant_by(service);
            if let Some(chosen) = replicas.get(rand::random_range(0..replicas.len().max(1))) {
                fault.target = chosen.to_string();
                return Ok(vec![*chosen]);
            }
        }
        let targets = self.board.meant_by(&fault.target);
        if targets.is_empty() {
            let known: Vec<String> = self.board.instances().iter().map(ToString::to_string).collect();
            return Err(Status::not_found(format!(
                "nothing is called '{}' here; there are {}",
                fault.target,
                known.join(", ")
            )));
        }
        Ok(targets)
    }

    fn kill(&self, mut fault: Fault, targets: &[Instance]) -> Fault {
        let now = unix_ns();
        fault.begins_unix_ns = now;
        fault.ends_unix_ns = now;
        self.hub.point_event(event(&fault));
        for instance in targets {
            if let Some(mark) = self.board.row(*instance).and_then(|row| row.mark) {
                mark.signal(Signal::SIGKILL);
            }
        }
        fault
    }

    async fn deliver(&self, targets: &[Instance]) {
        let admins = self.registry.admins();
        let deliveries = targets.iter().filter_map(|instance| {
            let name = instance.to_string();
            let (_, address) = admins.iter().find(|(known, _)| *known == name)?;
            Some(self.deliver_to(*instance, address))
        });
        join_all(deliveries).await;
    }

    async fn deliver_to(&self, instance: Instance, address: &str) {
        let delivery = tokio::time::timeout(DELIVERY_LIMIT, self.apply(address, self.faults.of(instance))).await;
        if let Err(error) = delivery.unwrap_or_else(|_| Err(format!("no answer within {DELIVERY_LIMIT:?}"))) {
            tracing::warn!(%instance, %error, "cannot deliver faults: they reach the replica when it registers again");
        }
    }

    async fn apply(&self, address: &str, set: FaultSet) -> Result<(), String> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| error.to_string())?;
        let channel = endpoint.connect().await.map_err(|error| error.to_string())?;
        let mut request = Request::new(set);
        super::auth::attach(&mut request, self.token.expose());
        AdminClient::new(channel).apply_faults(request).await.map_err(|status| status.message().to_owned())?;
        Ok(())
    }
}

fn event(fault: &Fault) -> NewEvent {
    let service = fault.target.split('/').next().unwrap_or_default();
    let mut fields: std::collections::BTreeMap<String, String> =
        fault.params.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    fields.insert("id".to_owned(), fault.id.clone());
    fields.insert("kind".to_owned(), fault.kind.clone());
    NewEvent {
        kind: "fault".to_owned(),
        begins_unix_ns: fault.begins_unix_ns,
        ends_unix_ns: fault.ends_unix_ns,
        service: service.to_owned(),
        target: fault.target.clone(),
        detail: describe(fault),
        run_id: fault.run_id.clone(),
        fields,
    }
}
