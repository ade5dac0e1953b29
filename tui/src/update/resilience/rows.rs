//! Rows of the resilience screen, in the order in which its panels list them, and what tells them apart.
//!
//! The order follows the figures, so rows change places under the reader: a selection is an identity, never a number.

use collector_api::console::{Breaker, Limit, Replica, Shedder};

use crate::model::Model;
use crate::model::ui::ResiliencePanel;

/// Breakers: what drops first, then by place and name.
pub fn breakers(model: &Model) -> Vec<&Breaker> {
    let mut breakers: Vec<&Breaker> = model.data().breakers.iter().collect();
    let heat = |breaker: &Breaker| (breaker.ratio > 0.0 || breaker.rejected > 0, breaker.trips > 0);
    breakers.sort_by(|a, b| {
        heat(b).cmp(&heat(a)).then_with(|| (&a.place, &a.name, &a.caller).cmp(&(&b.place, &b.name, &b.caller)))
    });
    breakers
}

/// Replicas with the service that they serve, as the collector tells them.
pub fn replicas(model: &Model) -> impl Iterator<Item = (&str, &Replica)> {
    let services = model.data().balance.iter();
    services.flat_map(|service| service.replicas.iter().map(|replica| (service.service.as_str(), replica)))
}

/// Shedders: who drops first, then who is nearest to it.
pub fn shedders(model: &Model) -> Vec<&Shedder> {
    let mut shedders: Vec<&Shedder> = model.data().refusals.shedders.iter().collect();
    shedders.sort_by(|a, b| {
        let heat = |shedder: &Shedder| (shedder.drops, (heat_of(shedder) * 100.0) as u64);
        heat(b).cmp(&heat(a)).then_with(|| (&a.instance, &a.place).cmp(&(&b.instance, &b.place)))
    });
    shedders
}

/// Processor share in use over the share from which requests may be shed; 0 for a shedder that is off.
pub fn heat_of(shedder: &Shedder) -> f64 {
    if shedder.cpu_threshold > 0.0 { shedder.cpu / shedder.cpu_threshold } else { 0.0 }
}

/// Limits: what refuses first, then by process and name.
pub fn limits(model: &Model) -> Vec<&Limit> {
    let mut limits: Vec<&Limit> = model.data().refusals.limits.iter().collect();
    limits.sort_by(|a, b| {
        let heat = |limit: &Limit| (limit.rejections, limit.rescues, limit.rejections_total > 0);
        heat(b).cmp(&heat(a)).then_with(|| (&a.instance, &a.name).cmp(&(&b.instance, &b.name)))
    });
    limits
}

/// Identity of a breaker.
pub fn breaker_key(breaker: &Breaker) -> String {
    key([&breaker.place, &breaker.caller, &breaker.name])
}

/// Identity of a replica among all services.
pub fn replica_key(service: &str, replica: &Replica) -> String {
    key([service, &replica.instance])
}

/// Identity of a shedder: a process may have several.
pub fn shedder_key(shedder: &Shedder) -> String {
    key([&shedder.service, &shedder.instance, &shedder.place])
}

/// Identity of a limit of a process.
pub fn limit_key(limit: &Limit) -> String {
    key([&limit.service, &limit.instance, &limit.name])
}

fn key<const N: usize>(parts: [&str; N]) -> String {
    parts.join("\n")
}

/// Identities of the rows of a panel, from its top.
pub fn keys(model: &Model, panel: ResiliencePanel) -> Vec<String> {
    match panel {
        ResiliencePanel::Breakers => breakers(model).into_iter().map(breaker_key).collect(),
        ResiliencePanel::Balance => replicas(model).map(|(service, replica)| replica_key(service, replica)).collect(),
        ResiliencePanel::Shedding => shedders(model).into_iter().map(shedder_key).collect(),
        ResiliencePanel::Limits => limits(model).into_iter().map(limit_key).collect(),
    }
}

/// Whether a panel has rows at all.
pub fn has_any(model: &Model, panel: ResiliencePanel) -> bool {
    let data = model.data();
    match panel {
        ResiliencePanel::Breakers => !data.breakers.is_empty(),
        ResiliencePanel::Balance => replicas(model).next().is_some(),
        ResiliencePanel::Shedding => !data.refusals.shedders.is_empty(),
        ResiliencePanel::Limits => !data.refusals.limits.is_empty(),
    }
}

/// Where the panel's selected row stands now; `None` when nothing is selected or the row is gone.
pub fn selected_at(model: &Model, panel: ResiliencePanel) -> Option<usize> {
    let wanted = model.resilience.selected.get(&panel)?;
    keys(model, panel).iter().position(|key| key == wanted)
}
