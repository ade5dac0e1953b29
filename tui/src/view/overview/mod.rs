//! The overview: what changed, and why.

mod cause;
mod lanes;
pub mod layout;
mod map;
mod readout;
mod services;

#[cfg(test)]
pub use cause::parts as cause_parts;
use collector_api::console::{Event, EventPhase};
pub use lanes::state as alert_state;
use ratatui::layout::Rect;

use self::layout::Layout;
use crate::fmt;
use crate::model::Model;
use crate::model::ui::OverviewPanel;
use crate::sentence::Tone;
use crate::theme::Role;
use crate::widget::pen::{Pen, text_width};

/// Draws the overview.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    let layout = layout::arrange(model, pen.width(), pen.height());
    let width = pen.width();
    sentence(model, &mut pen.part(layout.sentence));
    ruler(model, &layout, &mut pen.part(layout.ruler));
    for (lane, y) in &layout.lanes {
        lanes::draw(model.data(), &layout, *lane, &mut pen.rows(*y, 1));
    }
    map::draw(model, &layout, &mut pen.part(Rect { x: 0, width, ..layout.map }));
    services::draw(model, &mut pen.part(layout.services));
    cause::draw(model, &mut pen.part(layout.cause));
    events(model, &mut pen.part(layout.events));
    readout::draw(model, &layout, &mut pen.part(layout.readout));
}

/// The sentence, broken between words.
fn sentence(model: &Model, pen: &mut Pen<'_>) {
    let sentence = &model.data().sentence;
    let (glyph, role) = match sentence.tone {
        Tone::Calm => (pen.theme.glyphs.dot, Role::Text),
        Tone::Good => (pen.theme.glyphs.dot, Role::Good),
        Tone::Warn => (pen.theme.glyphs.alarm, Role::Warn),
        Tone::Error => (pen.theme.glyphs.error, Role::Error),
    };
    pen.say(1, 0, glyph, role);
    let text_role = if sentence.tone == Tone::Calm { Role::Text } else { Role::Strong };
    let room = pen.width().saturating_sub(4);
    let rows = usize::from(pen.height());
    // Whole clauses or none: half a fact is no fact.
    let lines = (1..=sentence.clauses.len()).rev().map(|count| wrap(&sentence.clauses[..count].join("; "), room, rows));
    let fits = |lines: &Vec<String>| lines.iter().all(|line| text_width(line) <= room);
    let shortest = || wrap(sentence.clauses.first().map_or("", String::as_str), room, rows);
    for (y, line) in lines.into_iter().find(fits).unwrap_or_else(shortest).iter().enumerate() {
        pen.say(3, y as u16, line, text_role);
    }
}

/// Breaks a text between words into at most `rows` lines; the last takes the rest.
pub fn wrap(text: &str, width: u16, rows: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let is_last = lines.len() >= rows;
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if is_last || text_width(line) + 1 + text_width(word) <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// The title of the map and the time axis in words; with a cursor its second, for which other words give way.
fn ruler(model: &Model, layout: &Layout, pen: &mut Pen<'_>) {
    pen.rule(0, "");
    let axis = layout.axis;
    let begin = layout::LABEL;
    let end = begin + axis.columns;
    let cursor = model.overview.cursor.and_then(|cursor| axis.column_of(cursor.unix_s)).map(|column| {
        let x = (begin + column).saturating_sub(4).clamp(begin, end.saturating_sub(8).max(begin));
        (x, fmt::clock(axis.second_at(column)))
    });
    let mut word = |x: u16, text: &str| {
        let is_free = |(at, clock): &(u16, String)| x + text_width(text) <= *at || at + text_width(clock) <= x;
        if cursor.as_ref().is_none_or(is_free) {
            pen.say(x, 0, text, Role::Heading);
        }
    };
    word(2, " map ");
    if axis.columns > 34 {
        word(begin - 1, &format!(" {} ", fmt::clock(axis.first_s())));
        let middle = " 1 column = 1 s ";
        word(begin + axis.columns / 2 - text_width(middle) / 2, middle);
    }
    word(end + 2, " last 10 s ");
    let head = format!(" {}", fmt::clock(axis.head_s));
    word(end.saturating_sub(text_width(&head)), &head);
    if let Some((x, clock)) = &cursor {
        pen.say(*x, 0, clock, Role::Accent);
    }
    if model.overview.panel == OverviewPanel::Map {
        pen.say(1, 0, pen.theme.glyphs.cursor, Role::Accent);
    }
}

/// How long an event lasted that is over; an alert says so in its own words.
fn lasted(event: &Event) -> String {
    match (event.phase(), event.ends_unix_ns) {
        (EventPhase::Closed, ends) if ends > event.begins_unix_ns && event.kind != "alert" => {
            format!("  lasted {}", fmt::nanos(ends - event.begins_unix_ns))
        }
        _ => String::new(),
    }
}

/// What happened, newest first, where the terminal is tall.
fn events(model: &Model, pen: &mut Pen<'_>) {
    if pen.height() < 3 {
        return;
    }
    pen.rule(0, "events");
    let data = model.data();
    let rows = usize::from(pen.height() - 1);
    for (at, event) in data.events.values().rev().take(rows).enumerate() {
        let y = at as u16 + 1;
        pen.say(1, y, &fmt::clock(event.begins_unix_ns / crate::model::data::SECOND_NS), Role::Quiet);
        let role = match event.kind.as_str() {
            "fault" => Role::Fault,
            "load" => Role::Accent,
            _ => Role::Warn,
        };
        pen.say(11, y, &event.kind, role);
        pen.say(20, y, &format!("{}{}", event.detail, lasted(event)), Role::Text);
    }
    if data.events.is_empty() {
        pen.say(
            1,
            1,
            "nothing happened yet: faults, breaker episodes, restarts, alerts and stages of load appear here",
            Role::Quiet,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_says_how_long_it_lasted_unless_it_does_so_itself() {
        let event = |kind: &str, phase: EventPhase| Event {
            kind: kind.to_owned(),
            phase: phase.into(),
            begins_unix_ns: 1_000_000_000,
            ends_unix_ns: 3_500_000_000,
            ..Default::default()
        };
        assert_eq!(lasted(&event("breaker", EventPhase::Closed)), "  lasted 2.50 s");
        assert_eq!(lasted(&event("breaker", EventPhase::Open)), "");
        assert_eq!(lasted(&event("alert", EventPhase::Closed)), "");
    }
}
