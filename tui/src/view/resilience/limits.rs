//! Rate and connection limits: what each let pass, refused, and decided without Redis.

use collector_api::console::Limit;

use super::columns::{Column, columns, rest, series};
use super::mark;
use crate::fmt;
use crate::model::Model;
use crate::model::data::WINDOW_S;
use crate::model::ui::ResiliencePanel;
use crate::theme::Role;
use crate::update::resilience::{focus, rows};
use crate::widget::pen::Pen;
use crate::widget::table::first_row;

/// Columns after the name, in the order in which they stand.
const COLUMNS: [Column; 5] = [
    Column { title: "per", width: 12, rank: 3 },
    Column { title: "passes", width: 9, rank: 1 },
    Column { title: "refused", width: 9, rank: 0 },
    Column { title: "rescued", width: 9, rank: 2 },
    Column { title: "60 s", width: 13, rank: 4 },
];

/// Columns of the process and the limit's name, at least.
const NAME: u16 = 20;

/// Draws the panel.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    pen.rule(0, "limits");
    let ends = columns(pen.width(), NAME, &COLUMNS);
    for (end, column) in ends.iter().zip(&COLUMNS).filter(|(end, _)| **end > 0) {
        pen.figure(*end, 0, &format!(" {}", column.title), Role::Heading);
    }
    let limits = rows::limits(model);
    let room = pen.height().saturating_sub(1);
    let at = rows::selected_at(model, ResiliencePanel::Limits);
    let is_focused = focus(model) == ResiliencePanel::Limits;
    let first = first_row(at, limits.len(), room);
    let shown = limits.iter().enumerate().skip(first).take(usize::from(room));
    for (y, (number, limit)) in (1..).zip(shown) {
        if is_focused && at == Some(number) {
            mark(pen, y);
        }
        row(limit, &ends, pen, y);
    }
    rest(pen, "limits", limits.len(), usize::from(room));
}

fn row(limit: &Limit, ends: &[u16; 5], pen: &mut Pen<'_>, y: u16) {
    let [per, passes, refused, rescued, sixty] = *ends;
    let first = ends.iter().zip(&COLUMNS).find(|(end, _)| **end > 0);
    let room = first.map_or(pen.width(), |(end, column)| end.saturating_sub(column.width - 1));
    let hue = pen.theme.service(&limit.service);
    let x = pen.put(2, y, &limit.instance, hue);
    let style = pen.theme.style(Role::Strong);
    pen.column(x + 1, y, room.saturating_sub(x + 1), &limit.name, style);
    let per_second = |count: u64| fmt::rate(count as f64 / WINDOW_S as f64);
    let is_refusing = limit.rejections > 0;
    let figures = [
        (per, limit.per.clone(), Role::Quiet),
        (passes, per_second(limit.passes), Role::Text),
        (refused, per_second(limit.rejections), if is_refusing { Role::Warn } else { Role::Quiet }),
        (rescued, per_second(limit.rescues), if limit.rescues > 0 { Role::Warn } else { Role::Quiet }),
    ];
    for (end, text, role) in figures.iter().filter(|(end, ..)| *end > 0) {
        pen.figure(*end, y, text, *role);
    }
    if sixty > 0 {
        series(pen, sixty, y, &limit.series, if is_refusing { Role::Warn } else { Role::Quiet });
    }
}
