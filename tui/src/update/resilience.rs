//! Keys on the resilience screen.

mod question;
pub mod rows;

use super::{Effects, open, step, trace, traces};
use crate::Screen;
use crate::keymap::Action;
use crate::model::Model;
use crate::model::ui::ResiliencePanel;

/// The panel that the arrows move in: the one that was chosen, or the first with rows while that one has none.
pub fn focus(model: &Model) -> ResiliencePanel {
    let chosen = model.resilience.panel;
    let panels = panels(model);
    if panels.contains(&chosen) { chosen } else { panels.first().copied().unwrap_or(chosen) }
}

/// Panels that have rows, in the order of Tab.
fn panels(model: &Model) -> Vec<ResiliencePanel> {
    ResiliencePanel::ALL.into_iter().filter(|panel| rows::has_any(model, *panel)).collect()
}

pub(super) fn act(model: &mut Model, action: Action) -> Option<Effects> {
    // What the arrows moved in stays chosen when rows arrive elsewhere.
    let panel = focus(model);
    model.resilience.panel = panel;
    let keys = rows::keys(model, panel);
    if let Some(moved) = step(&keys, model.resilience.selected.get(&panel), action, 1) {
        select(model, panel, moved.to);
        return Some(Effects::new());
    }
    Some(match action {
        Action::NextPanel => turn(model, 1),
        Action::PreviousPanel => turn(model, -1),
        Action::Back => open(model, Screen::Overview),
        Action::Enter => enter(model, panel),
        _ => return None,
    })
}

fn select(model: &mut Model, panel: ResiliencePanel, to: Option<String>) {
    match to {
        Some(key) => model.resilience.selected.insert(panel, key),
        None => model.resilience.selected.remove(&panel),
    };
}

/// The panel so many on, in a circle. A selected row that is still there stays selected; else the first row is, so that
/// the eye finds the panel.
fn turn(model: &mut Model, by: isize) -> Effects {
    let panels = panels(model);
    let at = panels.iter().position(|panel| *panel == model.resilience.panel).unwrap_or(0);
    let to = (at as isize + by).rem_euclid(panels.len().max(1) as isize) as usize;
    let Some(&panel) = panels.get(to) else { return Effects::new() };
    model.resilience.panel = panel;
    if rows::selected_at(model, panel).is_none() {
        let first = rows::keys(model, panel).into_iter().next();
        select(model, panel, first);
    }
    Effects::new()
}

/// Opens what the selected row stands for, if there is any; nothing selected counts as the first row.
fn enter(model: &mut Model, panel: ResiliencePanel) -> Effects {
    let at = rows::selected_at(model, panel).unwrap_or(0);
    let query = match panel {
        ResiliencePanel::Breakers => {
            let exemplar = rows::breakers(model).get(at).and_then(|breaker| breaker.exemplars.last()).cloned();
            return exemplar.map_or_else(Effects::new, |id| trace::open(model, id));
        }
        ResiliencePanel::Balance => rows::replicas(model).nth(at).map(|(_, replica)| question::of_replica(replica)),
        ResiliencePanel::Shedding => rows::shedders(model).get(at).and_then(|shedder| question::of_shedder(shedder)),
        ResiliencePanel::Limits => rows::limits(model).get(at).and_then(|limit| question::of_limit(limit)),
    };
    query.map_or_else(Effects::new, |query| traces::show(model, query, None))
}
