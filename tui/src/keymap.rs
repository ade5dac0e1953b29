//! Every key, once. The dispatcher, the footer, the `?` screen and the table in the documents come from [`KEYS`].

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

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
    /// The other panel.
    NextPanel,
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

const fn key(code: KeyCode) -> Key {
    Key { code, control: false }
}

const fn ch(character: char) -> Key {
    key(KeyCode::Char(character))
}

const fn ctrl(character: char) -> Key {
    Key { code: KeyCode::Char(character), control: true }
}

const UP: &[Key] = &[key(KeyCode::Up), ch('k')];
const DOWN: &[Key] = &[key(KeyCode::Down), ch('j')];
const LEFT: &[Key] = &[key(KeyCode::Left), ch('h')];
const RIGHT: &[Key] = &[key(KeyCode::Right), ch('l')];
const PAGE_UP: &[Key] = &[key(KeyCode::PageUp), ctrl('b')];
const PAGE_DOWN: &[Key] = &[key(KeyCode::PageDown), ctrl('f')];
const FIRST: &[Key] = &[key(KeyCode::Home), ch('g')];
const LAST: &[Key] = &[key(KeyCode::End), ch('G')];
const ENTER: &[Key] = &[key(KeyCode::Enter)];
const BACK: &[Key] = &[key(KeyCode::Esc), key(KeyCode::Backspace)];
const TAB: &[Key] = &[key(KeyCode::Tab), key(KeyCode::BackTab)];

macro_rules! keys {
    ($($context:ident { $($keys:expr => $action:expr, $help:literal, $footer:literal;)* })*) => {
        /// The table.
        pub const KEYS: &[Binding] = &[$($(Binding {
            context: Context::$context, keys: $keys, action: $action, help: $help, footer: $footer,
        },)*)*];
    };
}

use Action as A;

keys! {
    Overview {
        LEFT => A::Left, "move the cursor of the map: back and on in time", "arrows";
        RIGHT => A::Right, "", "";
        UP => A::Up, "slower and faster band, or rows of the table", "";
        DOWN => A::Down, "", "";
        ENTER => A::Enter, "traces of the cell, or instances of the service", "enter";
        TAB => A::NextPanel, "map or services", "tab";
        BACK => A::Back, "let go of the cursor", "";
    }
    Traces {
        UP => A::Up, "previous and next trace", "";
        DOWN => A::Down, "", "";
        PAGE_UP => A::PageUp, "a page up and down", "";
        PAGE_DOWN => A::PageDown, "", "";
        FIRST => A::First, "first row, and follow what arrives", "g";
        LAST => A::Last, "last row", "";
        ENTER => A::Enter, "open the trace", "enter";
        &[ch('s')] => A::ToggleOrder, "newest or slowest first", "s";
        &[ch('/')] => A::Filter, "type a trace query", "/";
        &[ch('x')] => A::ClearFilter, "remove the query and the time span", "x";
        BACK => A::Back, "follow again, then back to the overview", "";
    }
    Trace {
        UP => A::Up, "previous and next span", "";
        DOWN => A::Down, "", "";
        PAGE_UP => A::PageUp, "a page up and down", "";
        PAGE_DOWN => A::PageDown, "", "";
        FIRST => A::First, "first and last span", "";
        LAST => A::Last, "", "";
        LEFT => A::Left, "fold, or to the parent", "";
        RIGHT => A::Right, "unfold, or to the first child", "";
        &[ch('f')] => A::Fold, "fold or unfold", "f";
        ENTER => A::Enter, "attributes, events, links and logs of the span", "enter";
        &[ch('n')] => A::NextError, "next and previous failed span", "n/N";
        &[ch('N')] => A::PreviousError, "", "";
        &[ch('J'), ctrl('d')] => A::PaneDown, "scroll the details", "J/K";
        &[ch('K'), ctrl('u')] => A::PaneUp, "", "";
        BACK => A::Back, "close the details, then the trace", "esc";
    }
    Services {
        UP => A::Up, "previous and next operation", "";
        DOWN => A::Down, "", "";
        FIRST => A::First, "first and last operation", "";
        LAST => A::Last, "", "";
        ENTER => A::Enter, "a trace from the operation's slow end", "enter";
        BACK => A::Back, "back to the overview", "";
    }
    Resilience {
        UP => A::Up, "previous and next row", "";
        DOWN => A::Down, "", "";
        TAB => A::NextPanel, "breakers or balance", "tab";
        ENTER => A::Enter, "the traces that tipped the breaker, or went through the replica", "enter";
        BACK => A::Back, "back to the overview", "";
    }
    Load {
        ENTER => A::Enter, "the slowest traces of the run", "enter";
        BACK => A::Back, "back to the overview", "";
    }
    Alerts {
        UP => A::Up, "previous and next alert", "";
        DOWN => A::Down, "", "";
        BACK => A::Back, "back to the overview", "";
    }
    Typing {
        ENTER => A::Yes, "run it", "enter";
        &[key(KeyCode::Esc)] => A::No, "let it be", "esc";
    }
    Help {
        UP => A::Up, "scroll", "";
        DOWN => A::Down, "", "";
        &[key(KeyCode::Esc), ch('?'), ch('q'), key(KeyCode::Enter), ch(' ')] => A::No, "close", "esc";
    }
    Confirm {
        &[ch('y'), key(KeyCode::Enter)] => A::Yes, "do it", "y";
        &[key(KeyCode::Esc), ch('n'), ch('q')] => A::No, "let it be", "esc";
    }
    Leaving {
        &[ch('d')] => A::KeepRunning, "leave, the stack keeps running", "d";
        &[ch('s')] => A::Stop, "leave and stop the stack", "s";
        &[key(KeyCode::Esc), ch('q')] => A::No, "stay", "esc";
    }
    Global {
        &[ch('1')] => A::Open(Screen::Overview), "overview: what changed", "";
        &[ch('2')] => A::Open(Screen::Traces), "traces", "";
        &[ch('3')] => A::Open(Screen::Services), "services: operations and edges", "";
        &[ch('4')] => A::Open(Screen::Resilience), "resilience: breakers and balance", "";
        &[ch('5')] => A::Open(Screen::Load), "load: the run and its clocks", "";
        &[ch('7')] => A::Open(Screen::Alerts), "alerts: rules and states", "";
        &[ch(' ')] => A::Freeze, "freeze the view; receiving goes on", "space";
        &[ch('e')] => A::Equivalent, "the command that prints the same", "e";
        &[ch(':')] => A::Palette, "a command", ":";
        &[ch('?')] => A::Help, "these keys", "?";
        &[ctrl('l')] => A::Redraw, "draw everything again", "";
        &[ch('q')] => A::Leave, "leave", "q";
        &[ctrl('c')] => A::Interrupt, "leave; under `mallctl up` stop the stack", "";
    }
}

/// What the footer says a key does there, where the help is too long for one line.
pub fn footer_word(action: Action) -> &'static str {
    match action {
        Action::Left | Action::Right => "cell",
        Action::Enter => "open",
        Action::NextPanel => "panel",
        Action::Back => "back",
        Action::First => "follow",
        Action::ToggleOrder => "order",
        Action::Filter => "query",
        Action::ClearFilter => "clear",
        Action::Fold => "fold",
        Action::NextError => "error",
        Action::PaneDown => "details",
        Action::Freeze => "freeze",
        Action::Equivalent => "command",
        Action::Palette => "do",
        Action::Help => "help",
        Action::Leave => "leave",
        Action::Yes => "yes",
        Action::No => "cancel",
        Action::KeepRunning => "keep running",
        Action::Stop => "stop",
        _ => "",
    }
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

/// A key as people write it.
pub fn name(key: &Key) -> String {
    let plain = match key.code {
        KeyCode::Char(' ') => "space".to_owned(),
        KeyCode::Char(character) => character.to_string(),
        KeyCode::Up => "up".to_owned(),
        KeyCode::Down => "down".to_owned(),
        KeyCode::Left => "left".to_owned(),
        KeyCode::Right => "right".to_owned(),
        KeyCode::Enter => "enter".to_owned(),
        KeyCode::Esc => "esc".to_owned(),
        KeyCode::Tab => "tab".to_owned(),
        KeyCode::BackTab => "shift-tab".to_owned(),
        KeyCode::Backspace => "backspace".to_owned(),
        KeyCode::PageUp => "pgup".to_owned(),
        KeyCode::PageDown => "pgdn".to_owned(),
        KeyCode::Home => "home".to_owned(),
        KeyCode::End => "end".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    };
    if key.control { format!("ctrl-{plain}") } else { plain }
}

/// Rows of the help of a context: keys and words; pairs share a row.
pub fn help_rows(context: Context) -> Vec<(String, &'static str)> {
    let mut rows: Vec<(String, &'static str)> = Vec::new();
    for binding in KEYS.iter().filter(|binding| binding.context == context) {
        let names = binding.keys.iter().map(name).collect::<Vec<_>>().join(" ");
        match rows.last_mut() {
            Some((keys, _)) if binding.help.is_empty() => {
                keys.push_str(" / ");
                keys.push_str(&names);
            }
            _ => rows.push((names, binding.help)),
        }
    }
    rows
}

/// The table as Markdown, for documents.
pub fn markdown() -> String {
    let mut document = String::from("| where | keys | what |\n|---|---|---|\n");
    for (context, title) in TITLES {
        for (keys, help) in help_rows(*context) {
            let keys = keys
                .split(" / ")
                .map(|pair| pair.split(' ').map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" "));
            let row = ["| ", title, " | ", &keys.collect::<Vec<_>>().join(" / "), " | ", help, " |\n"];
            document.push_str(&row.concat());
        }
    }
    document
}

/// Contexts in the order of documents, with their titles.
pub const TITLES: &[(Context, &str)] = &[
    (Context::Global, "everywhere"),
    (Context::Overview, "overview"),
    (Context::Traces, "traces"),
    (Context::Trace, "a trace"),
    (Context::Services, "services"),
    (Context::Resilience, "resilience"),
    (Context::Load, "load"),
    (Context::Alerts, "alerts"),
    (Context::Typing, "typing"),
    (Context::Help, "help"),
    (Context::Confirm, "confirming"),
    (Context::Leaving, "leaving"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_document_lists_the_same_keys() {
        let document = include_str!("../../docs/keys.md");
        let mend = "docs/keys.md differs: put what `cargo run -p tui --example keys` prints below its head";
        assert!(document.ends_with(&markdown()), "{mend}");
    }

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
    fn every_row_of_the_footer_has_a_word() {
        for binding in KEYS.iter().filter(|binding| !binding.footer.is_empty()) {
            assert!(!footer_word(binding.action).is_empty(), "{:?}", binding.action);
        }
    }

    #[test]
    fn every_context_has_a_title() {
        for binding in KEYS {
            assert!(TITLES.iter().any(|(context, _)| *context == binding.context));
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
