//! Keys on the resilience screen.

use collector_api::console::Breaker;

use super::{Effects, open, step, trace, traces};
use crate::Screen;
use crate::keymap::Action;
use crate::model::Model;
use crate::model::ui::ResiliencePanel;

/// Breakers as the screen lists them: what drops first, then by place and name.
pub fn breakers(model: &Model) -> Vec<&Breaker> {
    let mut breakers: Vec<&Breaker> = model.data().breakers.iter().collect();
    let heat = |breaker: &Breaker| (breaker.ratio > 0.0 || breaker.rejected > 0, breaker.trips > 0);
    breakers.sort_by(|a, b| {
        heat(b).cmp(&heat(a)).then_with(|| (&a.place, &a.name, &a.caller).cmp(&(&b.place, &b.name, &b.caller)))
    });
    breakers
}

/// Identity of a breaker.
pub fn key(breaker: &Breaker) -> (String, String, String) {
    (breaker.place.clone(), breaker.caller.clone(), breaker.name.clone())
}

pub(super) fn act(model: &mut Model, action: Action) -> Option<Effects> {
    let panel = model.resilience.panel;
    match panel {
        ResiliencePanel::Breakers => {
            let keys: Vec<_> = breakers(model).into_iter().map(key).collect();
            if let Some(moved) = step(&keys, model.resilience.breaker.as_ref(), action, 1) {
                model.resilience.breaker = moved.to;
                return Some(Effects::new());
            }
        }
        ResiliencePanel::Balance => {
            let keys: Vec<String> = model
                .data()
                .balance
                .iter()
                .flat_map(|service| service.replicas.iter().map(|replica| replica.instance.clone()))
                .collect();
            if let Some(moved) = step(&keys, model.resilience.replica.as_ref(), action, 1) {
                model.resilience.replica = moved.to;
                return Some(Effects::new());
            }
        }
    }
    Some(match action {
        Action::NextPanel => {
            model.resilience.panel = match panel {
                ResiliencePanel::Breakers => ResiliencePanel::Balance,
                ResiliencePanel::Balance => ResiliencePanel::Breakers,
            };
            Effects::new()
        }
        Action::Back => open(model, Screen::Overview),
        Action::Enter => enter(model),
        _ => return None,
    })
}

fn enter(model: &mut Model) -> Effects {
    match model.resilience.panel {
        ResiliencePanel::Breakers => {
            let all = breakers(model);
            let wanted = model.resilience.breaker.as_ref();
            let breaker = wanted.and_then(|wanted| all.iter().find(|held| key(held) == *wanted)).or(all.first());
            let exemplar = breaker.and_then(|breaker| breaker.exemplars.last()).cloned();
            exemplar.map_or_else(Effects::new, |id| trace::open(model, id))
        }
        ResiliencePanel::Balance => {
            let Some(replica) = model.resilience.replica.clone() else { return Effects::new() };
            traces::show(model, format!("instance=\"{replica}\""), None)
        }
    }
}
