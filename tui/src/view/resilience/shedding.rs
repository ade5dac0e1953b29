//! Shedders: how near each process is to refusing requests, and how many it refused.

use collector_api::console::Shedder;

use super::columns::{Column, columns, rest, series};
use super::mark;
use crate::fmt;
use crate::model::Model;
use crate::model::data::WINDOW_S;
use crate::model::ui::ResiliencePanel;
use crate::theme::Role;
use crate::update::resilience::{focus, rows};
use crate::widget::bar;
use crate::widget::pen::Pen;
use crate::widget::table::first_row;

/// Columns after the name, in the order in which they stand.
const COLUMNS: [Column; 6] = [
    Column { title: "", width: 14, rank: 5 },
    Column { title: "cpu / from", width: 13, rank: 0 },
    Column { title: "flying / limit", width: 16, rank: 1 },
    Column { title: "passes", width: 9, rank: 3 },
    Column { title: "drops", width: 9, rank: 2 },
    Column { title: "60 s", width: 13, rank: 4 },
];

/// Columns of a process and its place, at least.
const NAME: u16 = 17;

/// A process has one shedder, but for a gateway that refuses some routes last.
fn special_place(shedder: &Shedder) -> Option<&str> {
    shedder.place.strip_prefix("http-").filter(|place| !place.is_empty())
}

/// Where the first column that is shown begins.
fn name_room(width: u16, ends: &[u16; 6]) -> u16 {
    let first = ends.iter().zip(&COLUMNS).find(|(end, _)| **end > 0);
    first.map_or(width, |(end, column)| end.saturating_sub(column.width - 1))
}

/// Draws the panel.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    pen.rule(0, "shedding");
    let ends = columns(pen.width(), NAME, &COLUMNS);
    for (end, column) in ends.iter().zip(&COLUMNS).filter(|(end, _)| **end > 0) {
        pen.figure(*end, 0, &format!(" {}", column.title), Role::Heading);
    }
    let shedders = rows::shedders(model);
    let room = pen.height().saturating_sub(1);
    let at = rows::selected_at(model, ResiliencePanel::Shedding);
    let is_focused = focus(model) == ResiliencePanel::Shedding;
    let first = first_row(at, shedders.len(), room);
    let shown = shedders.iter().enumerate().skip(first).take(usize::from(room));
    for (y, (number, shedder)) in (1..).zip(shown) {
        if is_focused && at == Some(number) {
            mark(pen, y);
        }
        row(shedder, &ends, pen, y);
    }
    rest(pen, "shedding", shedders.len(), usize::from(room));
}

fn row(shedder: &Shedder, ends: &[u16; 6], pen: &mut Pen<'_>, y: u16) {
    let hue = pen.theme.service(&shedder.service);
    let x = pen.put(2, y, &shedder.instance, hue);
    if let Some(place) = special_place(shedder) {
        let style = pen.theme.style(Role::Quiet);
        pen.column(x + 1, y, name_room(pen.width(), ends).saturating_sub(x + 1), place, style);
    }
    let is_dropping = shedder.drops > 0;
    let is_hot = rows::heat_of(shedder) >= 1.0;
    let heat = if is_hot || is_dropping { Role::Warn } else { Role::Text };
    let [bar_end, cpu, flying, passes, drops, sixty] = *ends;
    if bar_end > 0 {
        let style = pen.theme.style(heat);
        bar::grow(pen, bar_end - 12, y, 12, rows::heat_of(shedder), style);
    }
    let off = shedder.cpu_threshold <= 0.0;
    let share = |thousandths: f64| format!("{:.0}", thousandths / 10.0);
    let used =
        if off { "off".to_owned() } else { format!("{} / {} %", share(shedder.cpu), share(shedder.cpu_threshold)) };
    let in_flight = format!("{:.0} / {}", shedder.flying.max(0.0), fmt::count(shedder.limit.max(0.0).round() as u64));
    let per_second = |count: u64| fmt::rate(count as f64 / WINDOW_S as f64);
    let figures = [
        (cpu, used, if off { Role::Quiet } else { heat }),
        (flying, in_flight, if shedder.flying > shedder.limit && is_hot { Role::Warn } else { Role::Text }),
        (passes, per_second(shedder.passes), Role::Text),
        (drops, per_second(shedder.drops), if is_dropping { Role::Error } else { Role::Quiet }),
    ];
    for (end, text, role) in figures.iter().filter(|(end, ..)| *end > 0) {
        pen.figure(*end, y, text, *role);
    }
    if sixty > 0 {
        series(pen, sixty, y, &shedder.series, if is_dropping { Role::Error } else { Role::Quiet });
    }
}
