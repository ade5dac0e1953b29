//! Keys in the list of traces.

use collector_api::console::TraceOrder;

use super::{Effects, open, polls, step, trace};
use crate::Screen;
use crate::keymap::Action;
use crate::model::Model;
use crate::model::polls::Poll;
use crate::model::ui::{Overlay, Prompt};

/// Opens the list with a query and a span of time.
pub(super) fn show(model: &mut Model, query: String, period: Option<(u64, u64)>) -> Effects {
    model.traces.query = query;
    model.traces.period = period;
    model.traces.selected = None;
    model.frozen = None;
    again(model);
    open(model, Screen::Traces)
}

/// The question has changed: old rows and old errors go.
fn again(model: &mut Model) {
    model.traces.error = None;
    model.traces.list.clear();
    model.traces.answered = false;
    model.polls.hasten(Poll::Traces);
}

pub(super) fn act(model: &mut Model, action: Action) -> Option<Effects> {
    let ids: Vec<Vec<u8>> = model.traces.list.iter().map(|row| row.trace_id.clone()).collect();
    let page = usize::from(model.size.1.saturating_sub(8)).max(1);
    if let Some(moved) = step(&ids, model.traces.selected.as_ref(), action, page) {
        model.traces.selected = moved.to;
        return Some(Effects::new());
    }
    Some(match action {
        Action::Enter => {
            let id = model.traces.selected.clone().filter(|id| ids.contains(id)).or_else(|| ids.first().cloned());
            id.map_or_else(Effects::new, |id| trace::open(model, id))
        }
        Action::ToggleOrder => {
            model.traces.order = match model.traces.order {
                TraceOrder::Newest => TraceOrder::Slowest,
                TraceOrder::Slowest => TraceOrder::Newest,
            };
            again(model);
            polls(model)
        }
        Action::Filter => {
            let input = tui_input::Input::new(model.traces.query.clone());
            model.overlay = Some(Overlay::Filter(Prompt { input, is_whole: true, error: None }));
            Effects::new()
        }
        Action::ClearFilter => show(model, String::new(), None),
        Action::Back if model.traces.selected.is_some() => {
            model.traces.selected = None;
            Effects::new()
        }
        Action::Back => open(model, Screen::Overview),
        _ => return None,
    })
}
