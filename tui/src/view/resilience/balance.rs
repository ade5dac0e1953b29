//! P2C: who gets how many of the calls, and what the callers think of each replica.

use collector_api::console::{BalancedService, Replica};

use super::nothing;
use crate::fmt;
use crate::model::Model;
use crate::model::seconds::ratio;
use crate::model::ui::ResiliencePanel;
use crate::theme::Role;
use crate::widget::bar;
use crate::widget::pen::Pen;
use crate::widget::spark;

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
    let services = &model.data().balance;
    if services.is_empty() {
        nothing(pen, 1, "no picks yet: replicas appear with the first balanced call");
        return;
    }
    let mut y = 1;
    for service in services {
        y = group(model, service, &columns, pen, y);
    }
}

fn group(model: &Model, service: &BalancedService, columns: &Columns, pen: &mut Pen<'_>, mut y: u16) -> u16 {
    let hue = pen.theme.service(&service.service);
    let x = pen.put(2, y, &service.service, hue);
    let count = service.replicas.len().max(1);
    pen.say(x + 2, y, &format!("fair {}", fmt::percent(1.0 / count as f64)), Role::Quiet);
    y += 1;
    let picks: Vec<u64> = service.replicas.iter().map(|replica| replica.picks).collect();
    let shares = fmt::shares(&picks);
    let total: u64 = picks.iter().sum();
    let busiest = service.replicas.iter().flat_map(|replica| &replica.series).copied().max().unwrap_or(0);
    let is_focused = model.resilience.panel == ResiliencePanel::Balance;
    for (replica, share) in service.replicas.iter().zip(shares) {
        if is_focused && model.resilience.replica.as_ref() == Some(&replica.instance) {
            pen.shade(0, y, pen.width(), pen.theme.style(Role::Selected));
            pen.say(0, y, pen.theme.glyphs.cursor, Role::Accent);
        }
        let relative = ratio(replica.picks, total) * count as f64;
        let is_off = total >= 30 && !(0.5..=1.3).contains(&relative);
        let role = if is_off { Role::Accent } else { Role::Text };
        row(replica, share, role, columns, pen, y, busiest);
        y += 1;
    }
    y
}

fn row(replica: &Replica, share: u32, role: Role, columns: &Columns, pen: &mut Pen<'_>, y: u16, busiest: u64) {
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
