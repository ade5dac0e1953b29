//! The keys of every context, as data.

use crossterm::event::KeyCode;

use super::{Action as A, Binding, Context, Key};
use crate::Screen;

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
        &[key(KeyCode::Tab)] => A::NextPanel, "on and back: breakers, balance, shedding, limits", "tab";
        &[key(KeyCode::BackTab)] => A::PreviousPanel, "", "";
        ENTER => A::Enter, "traces that tipped it, passed it or were refused", "enter";
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
        &[ch('4')] => A::Open(Screen::Resilience), "resilience: breakers, balance, shedding, limits", "";
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
