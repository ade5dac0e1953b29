//! How the table reads: in the footer, on the help screen and in the documents.

use crossterm::event::KeyCode;

use super::{Action, Context, KEYS, Key};

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
    use super::*;

    #[test]
    fn the_document_lists_the_same_keys() {
        let document = include_str!("../../../docs/keys.md");
        let mend = "docs/keys.md differs: put what `cargo run -p tui --example keys` prints below its head";
        assert!(document.ends_with(&markdown()), "{mend}");
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
}
