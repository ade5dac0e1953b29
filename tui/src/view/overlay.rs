//! What lies over a screen: keys, typed lines, questions.

use ratatui::layout::Rect;
use tui_input::Input;

use crate::fmt;
use crate::keymap::{self, Context};
use crate::model::Model;
use crate::model::ui::{Overlay, Prompt};
use crate::palette;
use crate::theme::Role;
use crate::update;
use crate::view::body;
use crate::widget::pen::{Pen, text_width};
use crate::{Launch, Screen};

/// Draws what lies over the screen.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    match &model.overlay {
        Some(Overlay::Help(from)) => help(model, *from, pen),
        Some(Overlay::Palette(prompt)) => typed(pen, ":", prompt, &palette_hint(model, &prompt.input)),
        Some(Overlay::Filter(prompt)) => {
            typed(
                pen,
                "/",
                prompt,
                "service=pay-rpc && duration>50ms && status=error    words search names and attributes",
            );
        }
        Some(Overlay::Confirm(command)) => {
            let lines = vec![
                ("this changes the system:".to_owned(), Role::Quiet),
                (command.line.clone(), Role::Strong),
                (String::new(), Role::Quiet),
                ("y does it, esc lets it be".to_owned(), Role::Accent),
            ];
            panel(pen, "confirm", &lines, "");
        }
        Some(Overlay::Leave) => leave(model, pen),
        Some(Overlay::Equivalent) => equivalent(model, pen),
        None => {}
    }
}

/// A panel in the middle, as large as its lines; header and footer stay free. `foot` stands in its lower edge.
fn panel(pen: &mut Pen<'_>, title: &str, lines: &[(String, Role)], foot: &str) {
    let pen = &mut pen.part(body((pen.width(), pen.height())));
    let widest = lines.iter().map(|(line, _)| text_width(line)).max().unwrap_or(0).max(text_width(title) + 6);
    let width = (widest + 6).min(pen.width());
    let height = (lines.len() as u16 + 4).min(pen.height());
    let area = Rect { x: (pen.width() - width) / 2, y: (pen.height() - height) / 2, width, height };
    let mut panel = pen.part(area);
    panel.clear();
    panel.rule(0, title);
    for (at, (line, role)) in lines.iter().take(usize::from(height.saturating_sub(3))).enumerate() {
        panel.say(3, at as u16 + 2, line, *role);
    }
    let (wall, glyph) = (panel.theme.glyphs.wall, panel.theme.glyphs.rule);
    for y in 1..height.saturating_sub(1) {
        panel.say(0, y, wall, Role::Quiet);
        panel.say(width - 1, y, wall, Role::Quiet);
    }
    let style = panel.theme.style(Role::Quiet);
    panel.fill(0, height.saturating_sub(1), width, glyph, style);
    if !foot.is_empty() {
        panel.figure(width.saturating_sub(2), height.saturating_sub(1), &format!(" {foot} "), Role::Heading);
    }
}

/// Rows of a panel that are not its edges or the gap below its title.
fn room(height: u16) -> usize {
    usize::from(body((0, height)).height.saturating_sub(3)).max(1)
}

/// How far the keys can be scrolled.
pub fn help_end(model: &Model) -> u16 {
    help_lines(model).len().saturating_sub(room(model.size.1)) as u16
}

fn help(model: &Model, from: u16, pen: &mut Pen<'_>) {
    let lines = help_lines(model);
    let room = room(pen.height());
    let from = usize::from(from).min(lines.len().saturating_sub(room));
    let to = (from + room).min(lines.len());
    let foot = if lines.len() > room {
        format!("{}-{to} of {}, up and down scroll", from + 1, lines.len())
    } else {
        String::new()
    };
    panel(pen, "keys", &lines[from..to], &foot);
}

fn help_lines(model: &Model) -> Vec<(String, Role)> {
    let under = Model { overlay: None, ..model.clone() };
    let context = update::context(&under);
    let here = model.trace.as_ref().map_or(model.screen.name(), |_| "a trace");
    let parts = [(here, context), ("everywhere", Context::Global)];
    let parts = parts.map(|(title, context)| (title, keymap::help_rows(context)));
    let widest = parts.iter().flat_map(|(_, rows)| rows).map(|(keys, _)| keys.len()).fold(22, usize::max);
    let mut lines = Vec::new();
    for (title, rows) in parts {
        lines.push((title.to_owned(), Role::Heading));
        lines.extend(rows.into_iter().map(|(keys, help)| (format!("{keys:<widest$} {help}"), Role::Text)));
        lines.push((String::new(), Role::Quiet));
    }
    lines.push(("commands after `:`".to_owned(), Role::Heading));
    lines.extend(palette::SHAPES.iter().take(10).map(|shape| (format!("  {shape}"), Role::Text)));
    lines
}

fn palette_hint(model: &Model, input: &Input) -> String {
    if !model.has_token {
        return "read only: commands that change the system need the stack's token".to_owned();
    }
    let typed = input.value();
    let near: Vec<&str> = palette::SHAPES.iter().filter(|shape| shape.starts_with(typed)).take(4).copied().collect();
    near.join("    ")
}

/// A line at the bottom; below it a hint, or why it was refused.
fn typed(pen: &mut Pen<'_>, sign: &str, prompt: &Prompt, hint: &str) {
    let input = &prompt.input;
    let (width, height) = (pen.width(), pen.height());
    let y = height.saturating_sub(2);
    let mut lines = pen.part(Rect { x: 0, y, width, height: 2 });
    lines.clear();
    match &prompt.error {
        Some(error) => lines.say(1, 1, &format!("{} {error}", lines.theme.glyphs.error), Role::Error),
        None => lines.say(1, 1, hint, Role::Quiet),
    };
    let x = lines.say(1, 0, sign, Role::Accent) + 1;
    let room = usize::from(width.saturating_sub(x + 2)).max(1);
    let skipped = input.visual_cursor().saturating_sub(room);
    let value: String = input.value().chars().skip(skipped).collect();
    let end = lines.say(x, 0, &value, Role::Text);
    if prompt.is_whole {
        let style = lines.theme.style(Role::Selected);
        lines.shade(x, 0, end - x, style);
    }
    let cursor = x + (input.visual_cursor() - skipped.min(input.visual_cursor())) as u16;
    lines.shade(cursor, 0, 1, ratatui::style::Style::new().add_modifier(ratatui::style::Modifier::REVERSED));
}

fn leave(model: &Model, pen: &mut Pen<'_>) {
    let (ready, all) = model.live.processes().unwrap_or_default();
    let mut lines = vec![(format!("{ready} of {all} processes run"), Role::Quiet)];
    if let Some(run) = model.live.active_run() {
        lines.push((
            format!("load {} is {}: {} requests sent", run.scenario, run.phase, fmt::count(run.sent)),
            Role::Warn,
        ));
    }
    lines.extend([
        (String::new(), Role::Quiet),
        ("d    keep running, `mallctl watch` comes back".to_owned(), Role::Text),
        ("s    stop everything".to_owned(), Role::Text),
        ("esc  stay".to_owned(), Role::Text),
    ]);
    panel(pen, "leave", &lines, "");
}

/// The commands that print what the screen shows.
fn equivalent(model: &Model, pen: &mut Pen<'_>) {
    let stack = &model.data().hello.stack;
    let suffix = if stack.is_empty() || stack == "default" { String::new() } else { format!(" --stack {stack}") };
    let commands: Vec<String> = match (&model.trace, model.screen) {
        (Some(open), _) => vec![format!("mallctl trace show {}", fmt::hex(&open.id))],
        (None, Screen::Traces) => vec![format!("mallctl trace list '{}'", model.traces.query.replace('\'', "'\\''"))],
        (None, Screen::Resilience) => {
            vec!["mallctl breaker".to_owned(), "mallctl p2c".to_owned(), "mallctl shed".to_owned()]
        }
        (None, Screen::Load) => vec!["mallctl report latest".to_owned()],
        (None, Screen::Alerts) => vec!["mallctl alerts list".to_owned()],
        (None, Screen::Overview | Screen::Services) if model.launch == Launch::Collect => {
            vec!["mallctl trace list ''".to_owned()]
        }
        (None, Screen::Overview | Screen::Services) => {
            vec!["mallctl status".to_owned(), "mallctl trace list ''".to_owned()]
        }
    };
    let mut lines = vec![("these print what the screen shows; --json for machines".to_owned(), Role::Quiet)];
    lines.extend(commands.into_iter().map(|command| (format!("{command}{suffix}"), Role::Strong)));
    panel(pen, "command", &lines, "");
}
