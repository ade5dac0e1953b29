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
    let name = if data.hello.stack.is_empty() { "mallctl" } else { &data.hello.stack };
    let facts = facts(model);
    let shortest: u16 = facts.iter().map(Fact::shortest).sum();
    let right_at = |right: &str| width.saturating_sub(text_width(right) + 1);
    // What is shown counts more than what is well.
    let fits = |right: &String| text_width(name) + 1 + shortest < right_at(right);
    let right = Some(right_side(model, false)).filter(fits).unwrap_or_else(|| right_side(model, true));
    let right_at = right_at(&right);
    let mut x = pen.say(1, 0, name, Role::Strong);
    let mut after = shortest;
    for fact in &facts {
        after -= fact.shortest();
        let ends = |form: &&String| x + text_width(form) + 4;
        let spares = fact.forms.iter().find(|form| ends(form) + after < right_at);
        let Some(form) = spares.or_else(|| fact.forms.iter().find(|form| ends(form) < right_at)) else { continue };
        x = pen.say(x, 0, &format!(" {} ", pen.theme.glyphs.wall), Role::Quiet);
        x = pen.say(x, 0, form, fact.role);
    }
    let lost = data.lost_spans();
    if width >= 110 {
        tabs(model, pen, x + 3, right_at);
    }
    let role = if lost > 0 { Role::Warn } else { Role::Quiet };
    pen.say(right_at, 0, &right, role);
}

/// Something that the header says, in words that give way where it is narrow.
struct Fact {
    /// Longest first.
    forms: Vec<String>,
    role: Role,
}

impl Fact {
    /// Columns that it takes at least, with the wall before it.
    fn shortest(&self) -> u16 {
        self.forms.last().map_or(0, |form| text_width(form) + 3)
    }
}

/// What the header says behind the stack's name, most important first.
fn facts(model: &Model) -> Vec<Fact> {
    let data = model.data();
    let one = |text: String, role: Role| Fact { forms: vec![text], role };
    let mut facts = Vec::new();
    facts.extend(state(model).map(|(tag, role)| one(tag, role)));
    facts.extend(
        data.processes()
            .map(|(ready, all)| one(format!("{ready}/{all} up"), if ready == all { Role::Text } else { Role::Warn })),
    );
    facts.extend(server::away(data).next().map(|event| one(server::tag(data, event), Role::Error)));
    let Some(run) = data.current_run() else { return facts };
    let rate = if run.ended_unix_ns == 0 && run.target_rate > 0.0 {
        format!(" {}", fmt::rate(run.target_rate))
    } else {
        String::new()
    };
    let (scenario, phase) = (&run.scenario, &run.phase);
    let forms = vec![format!("{scenario}: {phase}{rate}"), format!("load: {phase}{rate}"), format!("load: {phase}")];
    facts.push(Fact { forms, role: Role::Text });
    if run.generator_limited {
        facts.push(one("generator limited".to_owned(), Role::Warn));
    }
    facts
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

/// Losses, join and time; `brief` leaves out what is as it should be.
fn right_side(model: &Model, brief: bool) -> String {
    let data = model.data();
    let mut parts = Vec::new();
    if data.has_spans() && !(brief && data.lost_spans() == 0) {
        parts.push(format!("lost {}", fmt::count(data.lost_spans())));
    }
    if let Some(join) = data.current_run().and_then(|run| run.join.as_ref()).filter(|join| join.sampled > join.waiting)
    {
        let judged = join.sampled - join.waiting;
        // Rounded down: 99.99 % means that something is missing.
        let share = (join.joined as f64 / judged as f64 * 10_000.0).floor() / 100.0;
        let is_whole = join.joined == judged;
        if !(brief && share >= 99.9) {
            parts.push(if is_whole { "join 100 %".to_owned() } else { format!("join {share:.2} %") });
        }
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

/// The keys of the screens, neighbours as one: `1-5,7`.
fn screen_keys() -> String {
    let mut runs: Vec<(char, char)> = Vec::new();
    for (_, key, _) in Screen::ALL {
        match runs.last_mut() {
            Some((_, last)) if *last as u32 + 1 == key as u32 => *last = key,
            _ => runs.push((key, key)),
        }
    }
    let words =
        runs.into_iter().map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") });
    words.collect::<Vec<_>>().join(",")
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
        x = pen.say(x, 0, &screen_keys(), Role::Accent);
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
