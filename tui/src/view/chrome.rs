//! The first and the last line.

use ratatui::style::Modifier;

use crate::keymap::{self, Action, Context, KEYS};
use crate::model::{Link, Model};
use crate::sentence::server;
use crate::theme::Role;
use crate::update;
use crate::widget::pen::{Pen, text_width};
use crate::{Screen, fmt};

/// Who and how much, and the time of what is shown.
pub fn header(model: &Model, pen: &mut Pen<'_>) {
    let data = model.data();
    let width = pen.width();
    let right = right_side(model);
    let right_at = width.saturating_sub(text_width(&right) + 1);
    let mut x = pen.say(1, 0, if data.hello.stack.is_empty() { "mallctl" } else { &data.hello.stack }, Role::Strong);
    let mut fact = |pen: &mut Pen<'_>, text: &str, role: Role| {
        if x + text_width(text) + 4 < right_at {
            x = pen.say(x, 0, &format!(" {} ", pen.theme.glyphs.wall), Role::Quiet);
            x = pen.say(x, 0, text, role);
        }
    };
    if let Some((tag, role)) = state(model) {
        fact(pen, &tag, role);
    }
    if let Some((ready, all)) = data.processes() {
        let role = if ready == all { Role::Text } else { Role::Warn };
        fact(pen, &format!("{ready}/{all} up"), role);
    }
    if let Some(server) = server::away(data).next() {
        fact(pen, &server::tag(data, server), Role::Error);
    }
    if let Some(run) = data.current_run() {
        let rate = if run.ended_unix_ns == 0 && run.target_rate > 0.0 {
            format!(" {}", fmt::rate(run.target_rate))
        } else {
            String::new()
        };
        fact(pen, &format!("{}: {}{rate}", run.scenario, run.phase), Role::Text);
        if run.generator_limited {
            fact(pen, "generator limited", Role::Warn);
        }
    }
    let lost = data.lost_spans();
    if width >= 110 {
        tabs(model, pen, x + 3, right_at);
    }
    let role = if lost > 0 { Role::Warn } else { Role::Quiet };
    pen.say(right_at, 0, &right, role);
}

/// Something about what is shown that must not be overlooked.
fn state(model: &Model) -> Option<(String, Role)> {
    match (&model.link, &model.frozen) {
        (Link::Lost { since_ns, .. }, _) => {
            Some((format!("DISCONNECTED {}, trying again", fmt::seconds(model.age_s(*since_ns))), Role::Error))
        }
        (_, Some(frozen)) => {
            let new = model.live.receiver.spans.saturating_sub(frozen.spans);
            let age = fmt::seconds(model.age_s(frozen.since_ns));
            Some((format!("FROZEN {age} {} {} new spans", model.theme.glyphs.dot, fmt::count(new)), Role::Accent))
        }
        _ => None,
    }
}

fn right_side(model: &Model) -> String {
    let data = model.data();
    let mut parts = Vec::new();
    if data.has_spans() {
        parts.push(format!("lost {}", fmt::count(data.lost_spans())));
    }
    if let Some(join) = data.current_run().and_then(|run| run.join.as_ref()).filter(|join| join.sampled > join.waiting)
    {
        let judged = join.sampled - join.waiting;
        // Rounded down: 99.99 % means that something is missing.
        let share = (join.joined as f64 / judged as f64 * 10_000.0).floor() / 100.0;
        parts.push(if join.joined == judged { "join 100 %".to_owned() } else { format!("join {share:.2} %") });
    }
    if data.now_ns > 0 {
        parts.push(fmt::clock(data.head_s()));
    }
    parts.join("  ")
}

fn tabs(model: &Model, pen: &mut Pen<'_>, from: u16, until: u16) {
    let length: u16 = Screen::ALL.iter().map(|(.., name)| text_width(name) + 4).sum();
    if from + length + 2 > until {
        return;
    }
    let mut x = until - length - 2;
    for (screen, key, name) in Screen::ALL {
        let role = if screen == model.screen { Role::Strong } else { Role::Quiet };
        x = pen.say(x, 0, &key.to_string(), Role::Accent);
        x = pen.say(x + 1, 0, name, role) + 2;
    }
}

/// A message, or the keys that matter here.
pub fn footer(model: &Model, pen: &mut Pen<'_>) {
    if let Some(notice) = &model.notice {
        let role = if notice.failed { Role::Error } else { Role::Good };
        let glyph = if notice.failed { pen.theme.glyphs.error } else { pen.theme.glyphs.dot };
        pen.say(1, 0, &format!("{glyph} {}", notice.text), role);
        return;
    }
    let context = update::context(model);
    let is_overlay = matches!(context, Context::Typing | Context::Help | Context::Confirm | Context::Leaving);
    let mut x = 1;
    if !is_overlay {
        x = pen.say(x, 0, "1-7", Role::Accent);
        x = pen.say(x + 1, 0, "view", Role::Quiet) + 2;
    }
    let of_context = KEYS.iter().filter(|binding| binding.context == context);
    let global = KEYS.iter().filter(|binding| binding.context == Context::Global && !is_overlay);
    // Help and the way out are always there.
    let is_kept = |action: Action| matches!(action, Action::Help | Action::Leave);
    let mut kept = if is_overlay { 0 } else { text_width("? help  q leave  ") };
    for binding in of_context.chain(global).filter(|binding| !binding.footer.is_empty()) {
        let word = keymap::footer_word(binding.action);
        let width = text_width(binding.footer) + text_width(word) + 3;
        if is_kept(binding.action) {
            kept = kept.saturating_sub(width);
        }
        if x + width + kept > pen.width() + 2 {
            continue;
        }
        x = pen.say(x, 0, binding.footer, Role::Accent);
        x = pen.say(x + 1, 0, word, Role::Quiet) + 2;
    }
    let name = model.trace.as_ref().map_or(model.screen.name(), |_| "trace");
    if x + text_width(name) + 2 < pen.width() {
        let style = pen.theme.style(Role::Quiet).add_modifier(Modifier::ITALIC);
        pen.right(pen.width() - 1, 0, name, style);
    }
}
