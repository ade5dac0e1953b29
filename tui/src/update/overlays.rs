//! Keys while something lies over the screen.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use super::{Effects, leave, open, traces};
use crate::Leave;
use crate::keymap::Action;
use crate::model::ui::{Overlay, Prompt};
use crate::model::{Model, Notice};
use crate::msg::Effect;
use crate::palette::{self, Typed};
use crate::view::help_end;

/// Longest line that can be typed, characters.
const MAX_LINE: usize = 1_000;

/// A key that is bound to nothing belongs to the text that is typed.
pub(super) fn typed(model: &mut Model, event: KeyEvent) {
    if let Some(Overlay::Palette(prompt) | Overlay::Filter(prompt)) = &mut model.overlay {
        prompt.error = None;
        if std::mem::take(&mut prompt.is_whole) && replaces(event) {
            prompt.input.reset();
        }
        prompt.input.handle_event(&Event::Key(event));
        bound(&mut prompt.input);
    }
}

/// Whether a key takes the place of text that is selected, rather than moving in it.
fn replaces(event: KeyEvent) -> bool {
    let is_letter = matches!(event.code, KeyCode::Char(_))
        && !event.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    is_letter || matches!(event.code, KeyCode::Backspace | KeyCode::Delete)
}

pub(super) fn paste(model: &mut Model, text: &str) {
    if let Some(Overlay::Palette(prompt) | Overlay::Filter(prompt)) = &mut model.overlay {
        prompt.error = None;
        if std::mem::take(&mut prompt.is_whole) {
            prompt.input.reset();
        }
        let pasted: String = text.chars().filter(|c| !collector_api::text::is_unsafe(*c)).take(MAX_LINE).collect();
        prompt.input = Input::new(format!("{}{pasted}", prompt.input.value()));
        bound(&mut prompt.input);
    }
}

fn bound(input: &mut Input) {
    if input.value().chars().count() > MAX_LINE {
        *input = Input::new(input.value().chars().take(MAX_LINE).collect());
    }
}

pub(super) fn act(model: &mut Model, action: Action) -> Option<Effects> {
    let overlay = model.overlay.take()?;
    Some(match (action, overlay) {
        (Action::No, _) => Effects::new(),
        (Action::Yes, Overlay::Filter(prompt)) => {
            let period = model.traces.period;
            traces::show(model, prompt.input.value().trim().to_owned(), period)
        }
        (Action::Yes, Overlay::Palette(prompt)) => command(model, prompt),
        (Action::Yes, Overlay::Confirm(command)) => vec![Effect::Change(command.change)],
        (Action::KeepRunning, Overlay::Leave) => vec![Effect::Leave(Leave::KeepRunning)],
        (Action::Stop, Overlay::Leave) => vec![Effect::Leave(Leave::Stop)],
        (Action::Down, Overlay::Help(from)) => {
            model.overlay = Some(Overlay::Help((from + 1).min(help_end(model))));
            Effects::new()
        }
        (Action::Up, Overlay::Help(from)) => {
            model.overlay = Some(Overlay::Help(from.saturating_sub(1)));
            Effects::new()
        }
        (Action::Up | Action::Down, held) => {
            model.overlay = Some(held);
            Effects::new()
        }
        (_, held) => {
            model.overlay = Some(held);
            return None;
        }
    })
}

fn command(model: &mut Model, prompt: Prompt) -> Effects {
    match palette::parse(prompt.input.value(), &model.live) {
        Ok(Typed::Open(screen)) => open(model, screen),
        Ok(Typed::Leave) => leave(model),
        Ok(Typed::Change(_)) if !model.has_token => {
            let text = "read only: a console without the stack's token changes nothing; open it with `mallctl watch` on the stack's machine";
            model.notice = Some(Notice { text: text.to_owned(), failed: true });
            Effects::new()
        }
        Ok(Typed::Change(command)) if command.change.is_harmful() => {
            model.overlay = Some(Overlay::Confirm(command));
            Effects::new()
        }
        Ok(Typed::Change(command)) => vec![Effect::Change(command.change)],
        Err(text) => {
            model.overlay = Some(Overlay::Palette(Prompt { error: Some(text), ..prompt }));
            Effects::new()
        }
    }
}
