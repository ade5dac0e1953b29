//! One row a signal, all on one time axis.

use collector_api::console::{Alert, AlertState, Event, EventPhase};

use super::layout::{LABEL, Lane, Layout, is_unfair, skew_of};
use crate::axis::TimeAxis;
use crate::fmt;
use crate::model::data::{Data, SECOND_NS};
use crate::model::seconds::ratio;
use crate::sentence;
use crate::theme::Role;
use crate::widget::pen::{Pen, fit, text_width};
use crate::widget::spark;

/// Draws a lane and its figures.
pub fn draw(data: &Data, layout: &Layout, lane: Lane, pen: &mut Pen<'_>) {
    let style = pen.theme.style(Role::Quiet);
    pen.right(LABEL - 1, 0, lane.name(), style);
    let axis = layout.axis;
    match lane {
        Lane::Load => load(data, axis, pen),
        Lane::Rate => rate(data, axis, pen),
        Lane::Errors => errors(data, axis, pen),
        Lane::Fault => spans(data, axis, pen, &["fault", "server", "restart", "scale"], Role::Fault),
        Lane::Breaker => breaker(data, axis, pen),
        Lane::Sheds => spans(data, axis, pen, &["shed"], Role::Error),
        Lane::Limits => spans(data, axis, pen, &["limiter"], Role::Warn),
        Lane::Share => share(data, axis, pen),
        Lane::Alert => alert(data, axis, pen),
    }
}

/// Figures right of the axis: the value ends at the right edge, a word before it.
fn side(pen: &mut Pen<'_>, axis: TimeAxis, value: &str, role: Role) {
    let at = LABEL + axis.columns + 1;
    let room = pen.width().saturating_sub(at + 1);
    let cut = fit(value, room, pen.theme.glyphs.cut).into_owned();
    pen.say(at, 0, &cut, role);
}

fn load(data: &Data, axis: TimeAxis, pen: &mut Pen<'_>) {
    for event in data.events_of(&["load"]) {
        if let Some(column) = axis.column_of(event.begins_unix_ns / SECOND_NS) {
            pen.say(LABEL + column, 0, pen.theme.glyphs.wall, Role::Accent);
        }
    }
    if let Some(run) = data.current_run() {
        side(pen, axis, if run.detail.is_empty() { &run.phase } else { &run.detail }, Role::Text);
    }
}

fn rate(data: &Data, axis: TimeAxis, pen: &mut Pen<'_>) {
    let count = |column: u16| {
        let second = data.seconds.get(axis.second_at(column))?;
        Some((second.entry_ok.count() + second.entry_failed.count()) as f64)
    };
    let largest = (0..axis.columns).filter_map(count).fold(1.0, f64::max);
    // A second without requests is a low line, a second nobody knows of is empty.
    for (column, value) in (0..axis.columns).filter_map(|column| Some((column, count(column)?))) {
        let glyph = spark::glyph(pen.theme.glyphs.heights, value, largest, true);
        pen.say(LABEL + column, 0, glyph, Role::Text);
    }
    let entry = data.seconds.entry(data.window());
    let now = entry.count() as f64 / data.window_len() as f64;
    let run = data.seconds.run(data.window(), None);
    let sent = if run.counts.offered > 0 {
        format!("  sent {}", fmt::percent(ratio(run.counts.started, run.counts.offered).min(1.0)))
    } else {
        String::new()
    };
    let limited = data.active_run().is_some_and(|run| run.generator_limited);
    side(pen, axis, &format!("{:>7}{sent}", fmt::rate(now)), if limited { Role::Warn } else { Role::Text });
}

fn errors(data: &Data, axis: TimeAxis, pen: &mut Pen<'_>) {
    for column in 0..axis.columns {
        let Some(second) = data.seconds.get(axis.second_at(column)) else { continue };
        let (ok, failed) = (second.entry_ok.count(), second.entry_failed.count());
        if failed > 0 {
            // A square root keeps one failure in four hundred visible beside sixty in a hundred.
            let height = ratio(failed, ok + failed).sqrt().max(0.13);
            let glyph = spark::glyph(pen.theme.glyphs.heights, height, 1.0, true);
            pen.say(LABEL + column, 0, glyph, Role::Error);
        } else if ok > 0 {
            pen.say(LABEL + column, 0, pen.theme.glyphs.quiet, Role::Quiet);
        }
    }
    let entry = data.seconds.entry(data.window());
    let role = if entry.failed.count() > 0 { Role::Error } else { Role::Text };
    let words = format!(
        "{:>7}  {} of {}",
        fmt::percent1(entry.error_ratio()),
        fmt::count(entry.failed.count()),
        fmt::count(entry.count())
    );
    side(pen, axis, &words, role);
}

/// Events with a length as `╞══╡`, with their label inside when it fits; points as a mark.
fn spans(data: &Data, axis: TimeAxis, pen: &mut Pen<'_>, kinds: &[&str], role: Role) {
    let glyphs = pen.theme.glyphs;
    let mut open: Option<&Event> = None;
    let mut last: Option<&Event> = None;
    for event in data.events_of(kinds) {
        let from = event.begins_unix_ns / SECOND_NS;
        let lasts = event.phase() == EventPhase::Open && (event.ends_unix_ns == 0 || event.ends_unix_ns > data.now_ns);
        let to = if lasts { axis.head_s } else { (event.ends_unix_ns / SECOND_NS).max(from) };
        if lasts {
            open = Some(event);
        }
        let Some((begin, end)) = axis.columns_of(from, to) else { continue };
        last = Some(event);
        if event.phase() == EventPhase::Point {
            pen.say(LABEL + begin, 0, glyphs.alarm, role);
            continue;
        }
        for column in begin..=end {
            let glyph = if column == begin && axis.column_of(from).is_some() {
                glyphs.begin
            } else if column == end && !lasts {
                glyphs.end
            } else {
                glyphs.last
            };
            pen.say(LABEL + column, 0, glyph, role);
        }
        let label = label(event);
        let room = (end + 1).saturating_sub(begin + 2);
        if room >= 6 {
            let cut = fit(&label, room, glyphs.cut).into_owned();
            pen.say(LABEL + begin + 1, 0, &cut, role);
        }
    }
    if let Some(event) = open {
        let left = event.ends_unix_ns.saturating_sub(data.now_ns) / SECOND_NS;
        let words = if event.ends_unix_ns > 0 { format!("{} {left} s", label(event)) } else { label(event) };
        side(pen, axis, &words, role);
    } else if let Some(event) = last {
        let what = label(event);
        side(pen, axis, &format!("{what} {}", fmt::clock(event.begins_unix_ns / SECOND_NS)), Role::Quiet);
    }
}

fn label(event: &Event) -> String {
    match event.kind.as_str() {
        "fault" => sentence::fault_label(event),
        "server" => format!("{} away", event.service),
        kind if event.detail.is_empty() => format!("{kind} {}", event.target),
        _ => event.detail.clone(),
    }
}

fn breaker(data: &Data, axis: TimeAxis, pen: &mut Pen<'_>) {
    for column in 0..axis.columns {
        let Some(second) = data.seconds.get(axis.second_at(column)) else { continue };
        let drop = second.breakers.iter().map(|cell| cell.ratio).fold(0.0, f64::max);
        let rejected: u64 = second.breakers.iter().map(|cell| cell.rejected).sum();
        if drop > 0.0 || rejected > 0 {
            let glyph = spark::glyph(pen.theme.glyphs.heights, drop.max(0.1), 1.0, true);
            pen.say(LABEL + column, 0, glyph, Role::Warn);
        }
    }
    let mut rejected = 0;
    let mut now = 0.0_f64;
    for second in data.seconds.range(data.window()) {
        for cell in &second.breakers {
            rejected += cell.rejected;
            if second.unix_s + 3 > data.head_s() {
                now = now.max(cell.ratio);
            }
        }
    }
    if now > 0.0 || rejected > 0 {
        side(pen, axis, &format!("drop {}  {} rejected", fmt::percent(now), fmt::count(rejected)), Role::Warn);
    } else {
        side(pen, axis, "drops nothing now", Role::Quiet);
    }
}

/// One replica's share over time: a sign where it is far from fair, a dot where it is not.
fn share(data: &Data, axis: TimeAxis, pen: &mut Pen<'_>) {
    let Some(subject) = sentence::share_subject(data) else { return };
    for column in 0..axis.columns {
        let second = data.seconds.get(axis.second_at(column));
        let Some(relative) = second.and_then(|second| skew_of(second, &subject)) else { continue };
        let glyphs = pen.theme.glyphs;
        let (glyph, role) = match relative {
            relative if !is_unfair(relative) => (glyphs.dot, Role::Quiet),
            relative if relative < 1.0 => (glyphs.below, Role::Accent),
            _ => (glyphs.above, Role::Accent),
        };
        pen.say(LABEL + column, 0, glyph, role);
    }
    match sentence::share_of_replica(data, &subject) {
        Some((share, fair)) => {
            let words = format!("{subject} {}, fair {}", fmt::percent(share), fmt::percent(fair));
            side(pen, axis, &words, if is_unfair(share / fair) { Role::Accent } else { Role::Quiet });
        }
        None => side(pen, axis, &subject, Role::Quiet),
    }
}

/// Columns from where an alert's condition began to hold until it ended, and the column where it fired.
pub fn alert_span(alert: &Alert, now_ns: u64, axis: &TimeAxis) -> Option<(u16, u16, Option<u16>)> {
    let is_over =
        alert.resolved_unix_ns > 0 && alert.state() != AlertState::Firing && alert.state() != AlertState::Pending;
    let begun = if alert.active_unix_ns > 0 { alert.active_unix_ns } else { alert.fired_unix_ns };
    if begun == 0 || (alert.state() == AlertState::Inactive && !is_over) {
        return None;
    }
    let end = if is_over { alert.resolved_unix_ns } else { now_ns };
    let (from, to) = axis.columns_of(begun / SECOND_NS, end / SECOND_NS)?;
    let fired = (alert.fired_unix_ns > 0).then(|| axis.column_of(alert.fired_unix_ns / SECOND_NS).unwrap_or(0));
    Some((from, to, fired.filter(|_| alert.state() != AlertState::Pending)))
}

fn alert(data: &Data, axis: TimeAxis, pen: &mut Pen<'_>) {
    let glyphs = pen.theme.glyphs;
    for alert in &data.alerts {
        let Some((from, to, fired)) = alert_span(alert, data.now_ns, &axis) else { continue };
        for column in from..=to {
            let is_firing = fired.is_some_and(|fired| column >= fired);
            let glyph = if is_firing { glyphs.path } else { glyphs.beside };
            pen.say(LABEL + column, 0, glyph, Role::Warn);
        }
        if let Some(fired) = fired {
            pen.say(LABEL + fired.max(from), 0, glyphs.alarm, Role::Warn);
        }
    }
    let worst = data.alerts.iter().max_by_key(|alert| match alert.state() {
        AlertState::Firing => (3, alert.fired_unix_ns),
        AlertState::Pending => (2, alert.active_unix_ns),
        AlertState::Resolved => (1, alert.resolved_unix_ns),
        _ => (0, 0),
    });
    if let Some(alert) = worst {
        let role =
            if matches!(alert.state(), AlertState::Firing | AlertState::Pending) { Role::Warn } else { Role::Quiet };
        let state = state(alert, data.now_ns).replace("pending ", "");
        let room = pen.width().saturating_sub(LABEL + axis.columns + 3 + text_width(&state));
        let name = fit(&alert.name, room, glyphs.cut).into_owned();
        side(pen, axis, &format!("{name} {state}"), role);
    }
}

/// `pending 6/15 s`, `firing 12 s`, `resolved 12:04:31`.
pub fn state(alert: &Alert, now_ns: u64) -> String {
    let since = |from: u64| now_ns.saturating_sub(from) / SECOND_NS;
    match alert.state() {
        AlertState::Pending => {
            let whole = alert.for_ns / SECOND_NS;
            format!("pending {}/{whole} s", since(alert.active_unix_ns).min(whole))
        }
        AlertState::Firing => format!("firing {}", fmt::seconds(since(alert.fired_unix_ns))),
        AlertState::Resolved => format!("resolved {}", fmt::clock(alert.resolved_unix_ns / SECOND_NS)),
        _ => "inactive".to_owned(),
    }
}
