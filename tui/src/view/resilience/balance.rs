//! P2C: who gets how many of the calls, and what the callers think of each replica.

use collector_api::console::{BalancedService, Replica};

use super::columns::rest;
use super::{hint, mark, nothing};
use crate::fmt;
use crate::model::Model;
use crate::model::data::WINDOW_S;
use crate::model::seconds::ratio;
use crate::model::ui::ResiliencePanel;
use crate::theme::Role;
use crate::update::resilience::{focus, rows};
use crate::widget::bar;
use crate::widget::pen::Pen;
use crate::widget::spark;
use crate::widget::table::first_row;

/// Where the columns end, by the width of the terminal; a column that does not fit is 0.
struct Columns {
    bar: (u16, u16),
    share: u16,
    figures: [u16; 7],
    series: (u16, u16),
}

const TITLES: [&str; 7] = ["picks 10 s", "in flight", "ewma", "success", "load", "forced", "regret"];
const SHORT: [&str; 7] = ["picks", "busy", "ewma", "succ", "load", "forced", "regret"];

fn columns(width: u16) -> Columns {
    let bar = (9, (width / 6).clamp(8, 30));
    let share = bar.0 + bar.1 + 6;
    let widths = if width < 100 { [7, 5, 8, 6, 10, 7, 9] } else { [11, 10, 8, 8, 9, 7, 9] };
    let series_width = if width >= 160 { 60 } else { 10 };
    let mut end = share;
    let mut figures = [0; 7];
    for (slot, column) in figures.iter_mut().zip(widths) {
        // The last columns give way to the sparkline.
        if end + column + series_width + 3 > width {
            break;
        }
        end += column;
        *slot = end;
    }
    Columns { bar, share, figures, series: (end + 2, series_width) }
}

/// A line below the heading.
enum Line<'a> {
    Service(&'a BalancedService),
    Replica(Row<'a>),
    /// Of the selected replica.
    Details(&'a Replica),
}

/// A replica beside the others of its service.
struct Row<'a> {
    replica: &'a Replica,
    /// Whole percent of the picks.
    share: u32,
    /// Whether that is far from a fair share.
    is_off: bool,
    /// Most picks of any replica of the service in one second.
    busiest: u64,
}

/// Lines of the panel, with its heading.
pub fn height(model: &Model) -> u16 {
    u16::try_from(lines(model).0.len() + 1).unwrap_or(u16::MAX)
}

/// Every line, and where the selected replica's stands.
fn lines(model: &Model) -> (Vec<Line<'_>>, Option<usize>) {
    let selected = rows::selected_at(model, ResiliencePanel::Balance);
    let is_focused = focus(model) == ResiliencePanel::Balance;
    let (mut lines, mut at, mut number) = (Vec::new(), None, 0);
    for service in &model.data().balance {
        lines.push(Line::Service(service));
        for row in group(service) {
            let replica = row.replica;
            lines.push(Line::Replica(row));
            if selected == Some(number) {
                at = Some(lines.len() - 1);
                lines.extend(is_focused.then_some(Line::Details(replica)));
            }
            number += 1;
        }
    }
    (lines, at)
}

fn group(service: &BalancedService) -> impl Iterator<Item = Row<'_>> {
    let picks: Vec<u64> = service.replicas.iter().map(|replica| replica.picks).collect();
    let total = picks.iter().fold(0_u64, |sum, picks| sum.saturating_add(*picks));
    let count = picks.len() as f64;
    let busiest = service.replicas.iter().flat_map(|replica| &replica.series).copied().max().unwrap_or(0);
    service.replicas.iter().zip(fmt::shares(&picks)).map(move |(replica, share)| {
        let relative = ratio(replica.picks, total) * count;
        Row { replica, share, is_off: total >= 30 && !(0.5..=1.3).contains(&relative), busiest }
    })
}

/// Draws the panel.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    let columns = columns(pen.width());
    pen.rule(0, "balance");
    let titles = if pen.width() < 100 { SHORT } else { TITLES };
    for (end, title) in columns.figures.iter().zip(titles) {
        if *end > 0 {
            pen.figure(*end, 0, &format!(" {title}"), Role::Heading);
        }
    }
    pen.say(columns.series.0, 0, if columns.series.1 >= 60 { " picks, 60 s " } else { " 60 s " }, Role::Heading);
    let (lines, at) = lines(model);
    if lines.is_empty() {
        nothing(pen, 1, "no picks yet: replicas appear with the first balanced call");
        return;
    }
    let is_focused = focus(model) == ResiliencePanel::Balance;
    let room = pen.height().saturating_sub(1);
    let first = first_row(at, lines.len(), room);
    let is_shown = |number: usize| (first..first + usize::from(room)).contains(&number);
    let (mut all, mut shown) = (0, 0);
    for (number, line) in lines.iter().enumerate() {
        all += usize::from(matches!(line, Line::Replica(_)));
        if !is_shown(number) {
            continue;
        }
        let y = (number - first) as u16 + 1;
        if is_focused && at == Some(number) {
            mark(pen, y);
        }
        match line {
            Line::Service(service) => heading(service, pen, y),
            Line::Replica(line) => {
                shown += 1;
                row(line, &columns, pen, y);
            }
            Line::Details(replica) => details(replica, pen, y),
        }
    }
    rest(pen, "balance", all, shown);
}

fn heading(service: &BalancedService, pen: &mut Pen<'_>, y: u16) {
    let hue = pen.theme.service(&service.service);
    let x = pen.put(2, y, &service.service, hue);
    let count = service.replicas.len().max(1);
    pen.say(x + 2, y, &format!("fair {}", fmt::percent(1.0 / count as f64)), Role::Quiet);
}

/// What a row has no column for, whatever the width.
fn details(replica: &Replica, pen: &mut Pen<'_>, y: u16) {
    let picks = format!("{} picks in {WINDOW_S} s, {} forced", fmt::count(replica.picks), fmt::count(replica.forced));
    let x = pen.say(6, y, &picks, Role::Text);
    let role = if replica.errors > 0 { Role::Error } else { Role::Text };
    let x = pen.say(x + 2, y, &format!("{} failed", fmt::count(replica.errors)), role);
    let x = pen.say(x + 2, y, &format!("regret {}", fmt::nanos(replica.regret_ns)), Role::Text);
    let x =
        if replica.address.is_empty() { x } else { pen.say(x + 2, y, &format!("at {}", replica.address), Role::Quiet) };
    hint(pen, x, y, "enter: its traces");
}

fn row(line: &Row<'_>, columns: &Columns, pen: &mut Pen<'_>, y: u16) {
    let Row { replica, share, is_off, busiest } = *line;
    let role = if is_off { Role::Accent } else { Role::Text };
    let number = replica.instance.rsplit_once('/').map_or(replica.instance.as_str(), |(_, number)| number);
    pen.say(4, y, &format!("/{number}"), role);
    let style = pen.theme.style(role);
    bar::grow(pen, columns.bar.0, y, columns.bar.1, f64::from(share) / 100.0, style);
    pen.figure(columns.share, y, &format!("{share} %"), role);
    let ewma = fmt::nanos(replica.ewma_ns.max(0.0) as u64);
    let figures = [
        (fmt::count(replica.picks), Role::Text),
        (fmt::count(replica.inflight.max(0.0).round() as u64), Role::Text),
        (ewma, Role::Text),
        (
            fmt::count(replica.success.max(0.0).round() as u64),
            if replica.success <= 500.0 { Role::Error } else { Role::Text },
        ),
        (fmt::compact(replica.load.max(0.0).round() as u64), Role::Text),
        (fmt::count(replica.forced), Role::Quiet),
        (fmt::nanos(replica.regret_ns), Role::Quiet),
    ];
    for (end, (text, role)) in columns.figures.iter().zip(figures) {
        if *end > 0 {
            pen.figure(*end, y, &text, role);
        }
    }
    let series: Vec<f64> = replica.series.iter().map(|picks| *picks as f64).collect();
    let style = pen.theme.style(role);
    let (x, width) = columns.series;
    if width >= 60 {
        spark::row(pen, x, y, width, &series, busiest as f64, style);
    } else {
        // Six seconds a column where there is no room for sixty.
        let folded: Vec<f64> = series.chunks(6).map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect();
        spark::row(pen, x, y, width, &folded, busiest as f64, style);
    }
}
