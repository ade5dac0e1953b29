//! The table of services.

use super::layout::service_rows;
use crate::fmt;
use crate::model::Model;
use crate::model::moment::Moment;
use crate::model::seconds::ratio;
use crate::model::ui::OverviewPanel;
use crate::theme::Role;
use crate::widget::pen::{Pen, text_width};
use crate::widget::table::first_row;

/// Draws the table with its heading.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    let data = model.data();
    let width = pen.width();
    // Columns from the right edge: a flag, p99, p50, errors, rate.
    let ends = [25, 18, 10, 2].map(|back| width.saturating_sub(back));
    let moment = Moment::of(model);
    let title = title(moment, ends[0].saturating_sub(7));
    pen.rule(0, &title);
    if model.overview.panel == OverviewPanel::Services {
        pen.say(1, 0, pen.theme.glyphs.cursor, Role::Accent);
    }
    let style = pen.theme.style(Role::Heading);
    for (end, title) in ends.iter().zip([" /s", " err %", " p50", " p99 ms"]) {
        pen.right(*end, 0, title, style);
    }
    let seconds = data.known_of(&moment.window(data));
    let rows = service_rows(model);
    let height = pen.height().saturating_sub(1);
    let selected = model.overview.service.as_ref().and_then(|name| rows.iter().position(|row| row.name == *name));
    let first = first_row(selected, rows.len(), height);
    for (at, row) in rows.iter().enumerate().skip(first).take(usize::from(height)) {
        let y = (at - first) as u16 + 1;
        let is_selected = selected == Some(at);
        if is_selected {
            let role = if model.overview.panel == OverviewPanel::Services { Role::Selected } else { Role::Strong };
            pen.shade(0, y, width, pen.theme.style(role));
            pen.say(0, y, pen.theme.glyphs.cursor, Role::Accent);
        }
        let name_x = if row.is_instance { 3 } else { 1 };
        let name_style = if row.is_instance { pen.theme.style(Role::Quiet) } else { pen.theme.service(&row.name) };
        pen.column(name_x, y, ends[0].saturating_sub(name_x + 6), &row.name, name_style);
        if let Some(coverage) = data.coverage.iter().find(|coverage| coverage.service == row.name) {
            let share = format!(" {} of spans", collector_api::kept::percent(coverage.ratio));
            let x = name_x + text_width(&row.name);
            if x + text_width(&share) + 7 < ends[0] {
                pen.say(x, y, &share, Role::Warn);
            }
        }
        let errors = ratio(row.red.errors, row.red.requests);
        let rate = row.red.requests as f64 / seconds as f64;
        let p99 = row.red.latency.quantile_us(0.99);
        let is_slow = matches!((p99, row.before_p99), (Some(now), Some(before)) if now > before + before / 2 && now > before + 5_000);
        pen.figure(ends[0], y, &rate_text(rate), Role::Text);
        let error_role = if row.red.errors > 0 { Role::Error } else { Role::Quiet };
        pen.figure(ends[1], y, &format!("{:.1}", errors * 100.0), error_role);
        pen.figure(
            ends[2],
            y,
            &row.red.latency.quantile_us(0.5).map_or_else(|| "-".to_owned(), fmt::millis),
            Role::Text,
        );
        pen.figure(
            ends[3],
            y,
            &p99.map_or_else(|| "-".to_owned(), fmt::millis),
            if is_slow { Role::Warn } else { Role::Text },
        );
        if is_slow {
            pen.say(ends[3], y, pen.theme.glyphs.above, Role::Warn);
        }
    }
    if rows.len() > usize::from(height) && height > 0 {
        let hidden = rows.len() - usize::from(height);
        let from = text_width(&title) + 4;
        let forms = [format!(" {hidden} more below "), format!("+{hidden} ")];
        if let Some(form) = forms.iter().find(|form| from + text_width(form) + 3 <= ends[0]) {
            pen.say(from, 0, form, Role::Heading);
        }
    }
}

/// Names the panel and the seconds that it describes, when they are not the last.
fn title(moment: Moment, room: u16) -> String {
    let forms = match moment {
        Moment::Now => return "services".to_owned(),
        Moment::Cursor(end) => ["services, 10 s to ", "10 s to "].map(|words| format!("{words}{}", fmt::clock(end))),
        Moment::LastTraffic(end) => {
            ["services, last traffic, 10 s to ", "last to "].map(|words| format!("{words}{}", fmt::clock(end)))
        }
    };
    let [long, short] = forms;
    if text_width(&long) <= room { long } else { short }
}

fn rate_text(rate: f64) -> String {
    if rate > 0.0 && rate < 9.95 { format!("{rate:.1}") } else { fmt::count(rate.round() as u64) }
}
