//! Every key, once. The dispatcher, the footer, the `?` screen and the table in the documents come from [`KEYS`].

mod table;
mod words;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

pub use table::KEYS;
pub use words::{footer_word, help_rows, markdown};

use crate::Screen;

/// Where a key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Context {
    /// On every screen, unless the screen binds the key itself.
    Global,
    /// On the overview.
    Overview,
    /// In the list of traces.
    Traces,
    /// In an open trace.
    Trace,
    /// On the services screen.
    Services,
    /// On the resilience screen.
    Resilience,
    /// On the load screen.
    Load,
    /// On the alerts screen.
    Alerts,
    /// While text is typed.
    Typing,
    /// While the keys are shown.
    Help,
    /// Before a command changes the system.
    Confirm,
    /// While the console asks how to leave.
    Leaving,
}

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Opens a screen.
    Open(Screen),
    /// Shows the keys.
    Help,
    /// Freezes and unfreezes the view.
    Freeze,
    /// Opens the command line.
    Palette,
    /// Shows the commands that print the same.
    Equivalent,
    /// Leaves, or asks how.
    Leave,
    /// Leaves and stops what `up` started.
    Interrupt,
    /// Draws everything again.
    Redraw,
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// One second back, one fold in.
    Left,
    /// One second on, one fold out.
    Right,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// The first row.
    First,
    /// The last row.
    Last,
    /// Opens what is selected.
    Enter,
    /// One level up.
    Back,
    /// The next panel.
    NextPanel,
    /// The panel before.
    PreviousPanel,
    /// Types a trace query.
    Filter,
    /// Removes the query.
    ClearFilter,
    /// Newest or slowest first.
    ToggleOrder,
    /// Folds and unfolds a span.
    Fold,
    /// The next span that failed.
    NextError,
    /// The span before that failed.
    PreviousError,
    /// Scrolls the pane of the span down.
    PaneDown,
    /// Scrolls the pane of the span up.
    PaneUp,
    /// Says yes.
    Yes,
    /// Goes on.
    No,
    /// Leaves and keeps the stack running.
    KeepRunning,
    /// Leaves and stops the stack.
    Stop,
}

/// A key as a terminal sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// The key.
    pub code: KeyCode,
    /// Whether control is held.
    pub control: bool,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// Where it counts.
    pub context: Context,
    /// The keys that do it.
    pub keys: &'static [Key],
    /// What they do.
    pub action: Action,
    /// In a few words; empty for the second half of a pair.
    pub help: &'static str,
    /// How the footer writes the keys; empty keeps the row out of the footer.
    pub footer: &'static str,
}

/// The action of a key in a context; overlays do not fall through to the global keys, but for Ctrl-C.
pub fn lookup(context: Context, event: KeyEvent) -> Option<Action> {
    let control = event.modifiers.contains(KeyModifiers::CONTROL);
    let pressed = Key { code: event.code, control };
    let find = |context: Context| {
        KEYS.iter()
            .find(|binding| binding.context == context && binding.keys.contains(&pressed))
            .map(|binding| binding.action)
    };
    let is_overlay = matches!(context, Context::Typing | Context::Help | Context::Confirm | Context::Leaving);
    find(context).or_else(|| find(Context::Global).filter(|action| !is_overlay || *action == Action::Interrupt))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::words::name;
    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_context() {
        let mut seen = HashSet::new();
        for binding in KEYS {
            for key in binding.keys {
                assert!(seen.insert((binding.context, *key)), "{} twice in {:?}", name(key), binding.context);
            }
        }
    }

    #[test]
    fn overlays_keep_the_global_keys_out_but_for_the_interrupt() {
        let press = |character, modifiers| KeyEvent::new(KeyCode::Char(character), modifiers);
        assert_eq!(lookup(Context::Confirm, press('1', KeyModifiers::NONE)), None);
        assert_eq!(lookup(Context::Confirm, press('c', KeyModifiers::CONTROL)), Some(Action::Interrupt));
        assert_eq!(lookup(Context::Traces, press('1', KeyModifiers::NONE)), Some(Action::Open(Screen::Overview)));
    }
}
