//! The one place where the state changes: `update(&mut model, msg)` returns what the shell shall do. Nothing here waits.

mod answers;
mod overlays;
mod overview;
pub mod resilience;
mod trace;
mod traces;

use collector_api::console as wire;
use crossterm::event::{KeyEvent, KeyEventKind};

use crate::keymap::{self, Action, Context};
use crate::model::data::Data;
use crate::model::moment::Moment;
use crate::model::polls::{self, Poll};
use crate::model::ui::{ListUi, Overlay, Prompt};
use crate::model::{Frozen, Link, Model, Notice, intake};
use crate::msg::{Ask, Effect, Msg};
use crate::{Launch, Leave, Screen};

/// What the shell shall do.
pub type Effects = Vec<Effect>;

/// Takes in what happened.
pub fn update(model: &mut Model, msg: Msg) -> Effects {
    match msg {
        Msg::Key(event) => key(model, event),
        Msg::Paste(text) => {
            overlays::paste(model, &text);
            Effects::new()
        }
        Msg::Resize(columns, rows) => {
            model.size = (columns, rows);
            Effects::new()
        }
        Msg::Clock(unix_ns) => {
            model.local_ns = model.local_ns.max(unix_ns);
            Effects::new()
        }
        Msg::Connected(hello) => {
            let was = model.live.hello.started_unix_ns;
            if was != 0 && was != hello.started_unix_ns {
                // Another life of the collector: its versions and identities mean other things.
                model.live = Data::default();
            }
            model.live.hello = intake::hello(*hello);
            model.live.resentence();
            model.link = Link::Live;
            polls(model)
        }
        Msg::Lost(why) => {
            lose(model, why);
            Effects::new()
        }
        Msg::Delta(delta) => {
            model.link = Link::Live;
            model.live.apply(*delta);
            polls(model)
        }
        Msg::Status(status) => {
            model.live.status = Some(intake::status(*status));
            model.live.resentence();
            Effects::new()
        }
        Msg::Answer(answer) => answers::take(model, *answer),
        Msg::Refused(ask, why) => {
            answers::refuse(model, &ask, why);
            Effects::new()
        }
        Msg::Changed(text) => notify(model, text, false),
        Msg::Unchanged(text) => notify(model, text, true),
    }
}

fn lose(model: &mut Model, mut why: String) {
    intake::tidy(&mut why);
    model.link = match (&model.link, model.live.version) {
        (Link::Lost { since_ns, .. }, _) => Link::Lost { since_ns: *since_ns, why },
        (_, 0) => Link::Connecting { why },
        _ => Link::Lost { since_ns: model.local_ns, why },
    };
}

fn notify(model: &mut Model, mut text: String, failed: bool) -> Effects {
    intake::tidy(&mut text);
    model.notice = Some(Notice { text, failed });
    Effects::new()
}

/// The questions that the screen asks now. A frozen view asks none but about a moment in the past.
fn polls(model: &mut Model) -> Effects {
    if model.link != Link::Live {
        return Effects::new();
    }
    let mut wanted = if model.frozen.is_some() { Vec::new() } else { polls::of_screen(model.screen).to_vec() };
    wanted.extend(unknown_past(model).map(|_| Poll::Past));
    let due = model.polls.take_due(&wanted, model.live.now_ns);
    due.into_iter().map(|poll| Effect::Ask(ask(model, poll))).collect()
}

/// Seconds after which no trace of a second is thought to be on its way.
const SETTLED_S: u64 = 15;

/// The moment in the past that the overview shows and of which it does not know everything. What it knows it keeps: a
/// collector attributes the last two minutes only.
fn unknown_past(model: &Model) -> Option<u64> {
    let end_s = Moment::of(model).past().filter(|_| model.screen == Screen::Overview)?;
    let held = model.overview.past.as_ref().filter(|past| past.end_s == end_s && past.cohort.count > 0);
    let is_settled = end_s + SETTLED_S < model.live.head_s();
    (held.is_none() || !is_settled).then_some(end_s)
}

fn ask(model: &mut Model, poll: Poll) -> Ask {
    match poll {
        Poll::Attribution => Ask::Attribution { end_s: None },
        Poll::Past => Ask::Attribution { end_s: Moment::of(model).past() },
        Poll::Traces => {
            model.traces.generation += 1;
            let (from_unix_ns, to_unix_ns) = model.traces.period.unwrap_or_default();
            let request = wire::ListTracesRequest {
                at_ns: 0,
                query: model.traces.query.clone(),
                limit: 500,
                order: model.traces.order.into(),
                from_unix_ns,
                to_unix_ns,
            };
            Ask::Traces { generation: model.traces.generation, request }
        }
        Poll::Services => Ask::Services,
        Poll::Balance => Ask::Balance,
        Poll::Breakers => Ask::Breakers,
        Poll::Refusals => Ask::Refusals,
        Poll::Alerts => Ask::Alerts,
    }
}

/// Where keys go now.
pub fn context(model: &Model) -> Context {
    match (&model.overlay, &model.trace, model.screen) {
        (Some(Overlay::Palette(_) | Overlay::Filter(_)), ..) => Context::Typing,
        (Some(Overlay::Help(_) | Overlay::Equivalent), ..) => Context::Help,
        (Some(Overlay::Confirm(_)), ..) => Context::Confirm,
        (Some(Overlay::Leave), ..) => Context::Leaving,
        (None, Some(_), _) => Context::Trace,
        (None, None, Screen::Overview) => Context::Overview,
        (None, None, Screen::Traces) => Context::Traces,
        (None, None, Screen::Services) => Context::Services,
        (None, None, Screen::Resilience) => Context::Resilience,
        (None, None, Screen::Load) => Context::Load,
        (None, None, Screen::Alerts) => Context::Alerts,
    }
}

fn key(model: &mut Model, event: KeyEvent) -> Effects {
    if event.kind == KeyEventKind::Release {
        return Effects::new();
    }
    let context = context(model);
    let Some(action) = keymap::lookup(context, event) else {
        overlays::typed(model, event);
        return Effects::new();
    };
    model.notice = None;
    act(model, context, action).unwrap_or_default()
}

/// Does what a key is bound to; `None` when nobody handles the action there, which a test forbids.
fn act(model: &mut Model, context: Context, action: Action) -> Option<Effects> {
    if let Some(effects) = global(model, action) {
        return Some(effects);
    }
    match context {
        Context::Overview => overview::act(model, action),
        Context::Traces => traces::act(model, action),
        Context::Trace => trace::act(model, action),
        Context::Services => list(model, action, Screen::Services),
        Context::Resilience => resilience::act(model, action),
        Context::Load => load(model, action),
        Context::Alerts => list(model, action, Screen::Alerts),
        Context::Typing | Context::Help | Context::Confirm | Context::Leaving => overlays::act(model, action),
        Context::Global => None,
    }
}

/// Whether an action is handled in a context.
#[cfg(test)]
pub fn handles(model: &mut Model, context: Context, action: Action) -> bool {
    act(model, context, action).is_some()
}

fn global(model: &mut Model, action: Action) -> Option<Effects> {
    Some(match action {
        Action::Open(screen) => open(model, screen),
        Action::Help => {
            model.overlay = Some(Overlay::Help(0));
            Effects::new()
        }
        Action::Equivalent => {
            model.overlay = Some(Overlay::Equivalent);
            Effects::new()
        }
        Action::Palette => {
            model.overlay = Some(Overlay::Palette(Prompt::default()));
            Effects::new()
        }
        Action::Freeze => freeze(model),
        Action::Leave => leave(model),
        Action::Interrupt => vec![Effect::Leave(interrupted(model.launch))],
        Action::Redraw => vec![Effect::Redraw],
        _ => return None,
    })
}

/// Opens a screen from its top level.
fn open(model: &mut Model, screen: Screen) -> Effects {
    model.trace = None;
    model.screen = screen;
    polls(model)
}

fn freeze(model: &mut Model) -> Effects {
    if model.frozen.take().is_some() {
        return polls(model);
    }
    model.frozen =
        Some(Frozen { data: Box::new(model.live.clone()), since_ns: model.local_ns, spans: model.live.receiver.spans });
    Effects::new()
}

fn leave(model: &mut Model) -> Effects {
    match model.launch {
        Launch::Up { can_stop: true } => {
            model.overlay = Some(Overlay::Leave);
            Effects::new()
        }
        _ => vec![Effect::Leave(Leave::KeepRunning)],
    }
}

/// What Ctrl-C and SIGTERM mean.
pub fn interrupted(launch: Launch) -> Leave {
    match launch {
        Launch::Up { can_stop: true } | Launch::Collect => Leave::Stop,
        Launch::Up { can_stop: false } | Launch::Watch => Leave::KeepRunning,
    }
}

/// Screens that are one list.
fn list(model: &mut Model, action: Action, screen: Screen) -> Option<Effects> {
    let keys: Vec<String> = match screen {
        Screen::Services => operations(model).iter().map(|operation| operation_key(operation)).collect(),
        _ => model.data().alerts.iter().map(alert_key).collect(),
    };
    let ui: &mut ListUi = if screen == Screen::Services { &mut model.services } else { &mut model.alerts };
    if let Some(moved) = step(&keys, ui.selected.as_ref(), action, 1) {
        ui.selected = moved.to;
        return Some(Effects::new());
    }
    match action {
        Action::Back => Some(open(model, Screen::Overview)),
        Action::Enter if screen == Screen::Services => {
            let exemplar = operations(model)
                .into_iter()
                .find(|operation| model.services.selected.as_ref() == Some(&operation_key(operation)))
                .map(|operation| operation.exemplar.clone())
                .filter(|id| !id.is_empty());
            Some(exemplar.map_or_else(Effects::new, |id| trace::open(model, id)))
        }
        _ => None,
    }
}

/// Operations as the services screen lists them: busiest first within a service.
pub fn operations(model: &Model) -> Vec<&wire::OperationRed> {
    let mut operations: Vec<&wire::OperationRed> = model.data().services.operations.iter().collect();
    operations.sort_by(|a, b| {
        (&a.service, std::cmp::Reverse(a.requests), &a.operation).cmp(&(
            &b.service,
            std::cmp::Reverse(b.requests),
            &b.operation,
        ))
    });
    operations
}

/// Identity of a row of the services screen.
pub fn operation_key(operation: &wire::OperationRed) -> String {
    format!("{}\n{}\n{}", operation.service, operation.operation, operation.kind)
}

/// Identity of an alert: its name and labels.
pub fn alert_key(alert: &wire::Alert) -> String {
    let mut labels: Vec<String> = alert.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    labels.sort();
    format!("{}\n{}", alert.name, labels.join("\n"))
}

fn load(model: &mut Model, action: Action) -> Option<Effects> {
    match action {
        Action::Back => Some(open(model, Screen::Overview)),
        Action::Enter => {
            let run = model.data().current_run()?.clone();
            let until = if run.ended_unix_ns == 0 { 0 } else { run.ended_unix_ns };
            model.traces.order = wire::TraceOrder::Slowest;
            Some(traces::show(model, String::new(), Some((run.started_unix_ns, until))))
        }
        _ => None,
    }
}

/// Where a selection went.
struct Moved<T> {
    /// The selected key; `None` follows what arrives.
    to: Option<T>,
}

/// The selection after a move in a list of keys, when the action is a move. Nothing selected counts as the first row;
/// `First` lets go, which follows what arrives.
fn step<T: PartialEq + Clone>(keys: &[T], selected: Option<&T>, action: Action, page: usize) -> Option<Moved<T>> {
    let at = selected.and_then(|key| keys.iter().position(|held| held == key));
    let last = keys.len().saturating_sub(1);
    let to = match (action, at) {
        (Action::First, _) => return Some(Moved { to: None }),
        (Action::Last, _) => last,
        (Action::Down, None) if selected.is_none() => 1.min(last),
        (Action::Down, at) => (at.unwrap_or(0) + 1).min(last),
        (Action::Up, at) => at.unwrap_or(0).saturating_sub(1),
        (Action::PageDown, at) => (at.unwrap_or(0) + page).min(last),
        (Action::PageUp, at) => at.unwrap_or(0).saturating_sub(page),
        _ => return None,
    };
    Some(Moved { to: keys.get(to).cloned() })
}
