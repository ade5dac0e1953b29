//! The load run: its two honest clocks, its outcomes, and how it was joined to traces.

use collector_api::console::{Join, Run};
use collector_api::sketch::Sketch;
use ratatui::layout::Rect;

use crate::fmt;
use crate::model::Model;
use crate::model::data::{Data, SECOND_NS};
use crate::model::seconds::{RunCell, ratio};
use crate::theme::Role;
use crate::widget::bar;
use crate::widget::pen::Pen;
use crate::widget::spark;

/// Draws the screen.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    let data = model.data();
    let Some(run) = data.current_run() else {
        pen.say(2, 1, "no load run yet", Role::Strong);
        pen.say(2, 3, "start one from another terminal:  mallctl load order-burst", Role::Accent);
        pen.say(2, 4, "shipped scenarios:                mallctl scenario list", Role::Quiet);
        return;
    };
    let is_over = run.ended_unix_ns != 0;
    let begin = run.started_unix_ns / SECOND_NS;
    let end = if is_over { run.ended_unix_ns / SECOND_NS + 1 } else { data.head_s() };
    let whole = data.seconds.run(begin..=end, Some(&run.run_id));
    let recent = data.seconds.run(data.window(), Some(&run.run_id));
    title(data, run, pen);
    rates(data, run, if is_over { &whole } else { &recent }, begin..=end, &mut pen.rows(2, 4));
    let (width, height) = (pen.width(), pen.height());
    let half = width / 2;
    let is_wide = width >= 120;
    let part = |x: u16, y: u16, width: u16, height: u16| Rect { x, y, width, height };
    let second = if is_wide { part(half, 7, half, 5) } else { part(0, 12, width, 5) };
    clocks("clocks, last 10 s", &recent, &mut pen.part(part(0, 7, if is_wide { half } else { width }, 5)));
    clocks("clocks, whole run", &whole, &mut pen.part(second));
    let y = if is_wide { 13 } else { 17 };
    let rest = height.saturating_sub(y);
    let left = if is_wide { half } else { 36.min(half) };
    outcomes(&whole, &mut pen.part(part(0, y, left, rest)));
    join(run, &mut pen.part(part(left, y, width.saturating_sub(left), rest)));
}

fn title(data: &Data, run: &Run, pen: &mut Pen<'_>) {
    let mut x = pen.say(1, 0, &run.scenario, Role::Strong);
    x = pen.say(x + 2, 0, &run.phase, if run.phase == "running" { Role::Good } else { Role::Text });
    x = pen.say(x + 2, 0, &run.detail, Role::Text);
    if run.generator_limited {
        x = pen.say(
            x + 2,
            0,
            &format!(
                "{} GENERATOR LIMITED: the figures say more of the generator than of the shop",
                pen.theme.glyphs.alarm
            ),
            Role::Warn,
        );
    }
    let id = &run.run_id;
    if x + 4 + id.len() as u16 <= pen.width() {
        let end = pen.width() - 1;
        pen.figure(end, 0, id, Role::Quiet);
    }
    let now = if run.ended_unix_ns == 0 { data.now_ns } else { run.ended_unix_ns };
    let elapsed = now.saturating_sub(run.started_unix_ns);
    let width = pen.width().saturating_sub(30).min(60);
    let style = pen.theme.style(Role::Accent);
    bar::grow(pen, 1, 1, width, elapsed as f64 / run.planned_ns.max(1) as f64, style);
    let words =
        format!("{} of {} planned", fmt::seconds(elapsed / SECOND_NS), fmt::seconds(run.planned_ns / SECOND_NS));
    pen.say(width + 3, 1, &words, Role::Quiet);
}

fn rates(data: &Data, run: &Run, cell: &RunCell, range: std::ops::RangeInclusive<u64>, pen: &mut Pen<'_>) {
    pen.rule(0, "offered and achieved");
    let seconds =
        if run.ended_unix_ns == 0 { data.window_len() } else { range.end().saturating_sub(*range.start()).max(1) };
    let per_second = |count: u64| count as f64 / seconds as f64;
    let counts = &cell.counts;
    let share = ratio(counts.started, counts.offered);
    let role = if counts.offered > 0 && share < 0.98 { Role::Warn } else { Role::Text };
    let x = pen.say(1, 1, &format!("offered {:>8}", fmt::rate(per_second(counts.offered))), Role::Text);
    let x = pen.say(
        x + 3,
        1,
        &format!("achieved {:>8}  {}", fmt::rate(per_second(counts.started)), fmt::percent1(share)),
        role,
    );
    pen.say(x + 3, 1, &format!("requests {:>8}", fmt::rate(per_second(counts.requests))), Role::Text);
    let x = pen.say(1, 2, &format!("in flight {}", fmt::count(counts.in_flight)), Role::Text);
    let waiting = if counts.waiting > 0 { Role::Warn } else { Role::Text };
    let x = pen.say(x + 3, 2, &format!("waiting {}", fmt::count(counts.waiting)), waiting);
    let x = pen.say(x + 3, 2, &format!("sent {}", fmt::count(run.sent)), Role::Text);
    let failed = if run.failed > 0 { Role::Error } else { Role::Text };
    let x = pen.say(x + 3, 2, &format!("failed {}", fmt::count(run.failed)), failed);
    pen.say(x + 3, 2, &format!("lag p99 {}", fmt::micros(counts.lag_p99_us)), Role::Quiet);
    let columns = pen.width().saturating_sub(2);
    let first = (*range.end() + 1).saturating_sub(u64::from(columns)).max(*range.start());
    let starts: Vec<f64> = (first..=*range.end())
        .map(|second| {
            data.seconds.get(second).and_then(|second| second.run.as_ref()).map_or(0.0, |run| run.counts.started as f64)
        })
        .collect();
    let largest = starts.iter().copied().fold(1.0, f64::max);
    let style = pen.theme.style(Role::Text);
    spark::row(pen, 1, 3, columns, &starts, largest, style);
}

/// Time from the intended start beside time from the sending: what a closed generator hides is the difference.
fn clocks(heading: &str, cell: &RunCell, pen: &mut Pen<'_>) {
    pen.rule(0, heading);
    let ends = [22_u16, 31, 40, 49, 58];
    for (end, title) in ends.iter().zip(["p50", "p90", "p99", "p99.9", "max"]) {
        pen.figure(*end, 1, title, Role::Heading);
    }
    let clocks = [("intended", &cell.intended), ("service", &cell.service), ("first byte", &cell.ttfb)];
    for (at, (name, sketch)) in clocks.into_iter().enumerate() {
        let y = at as u16 + 2;
        pen.say(1, y, name, Role::Text);
        for (end, (q, least)) in ends.iter().zip([(0.5, 1), (0.9, 1), (0.99, 1), (0.999, 1_000), (1.0, 1)]) {
            pen.figure(*end, y, &quantile(sketch, q, least), if at == 0 { Role::Strong } else { Role::Text });
        }
    }
}

fn quantile(sketch: &Sketch, q: f64, least: u64) -> String {
    match sketch.quantile_us(q) {
        Some(_) if sketch.count() < least => "n low".to_owned(),
        Some(value) => fmt::micros(value),
        None => "-".to_owned(),
    }
}

fn outcomes(whole: &RunCell, pen: &mut Pen<'_>) {
    pen.rule(0, "outcomes, whole run");
    let counts = &whole.counts;
    let all = counts.ok + counts.failed;
    let mut rows: Vec<(&str, u64, Role)> = vec![("ok", counts.ok, Role::Good)];
    let mut failures: Vec<_> = counts.outcomes.iter().filter(|(name, _)| *name != "ok").collect();
    failures.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    rows.extend(failures.into_iter().map(|(name, count)| (name.as_str(), *count, Role::Error)));
    for (at, (name, count, role)) in rows.into_iter().enumerate() {
        let y = at as u16 + 1;
        let style = pen.theme.style(Role::Text);
        pen.column(1, y, 15, name, style);
        pen.figure(24, y, &fmt::count(count), role);
        pen.figure(33, y, &fmt::percent1(ratio(count, all)), Role::Quiet);
    }
}

/// `joined 15,994 of 15,998 sampled of 16,000 sent`.
fn join(run: &Run, pen: &mut Pen<'_>) {
    pen.rule(0, "requests joined to their trace");
    let join = run.join.clone().unwrap_or_default();
    let Join { sampled, joined, late, missing, waiting, reasons } = join;
    let x = pen.say(1, 1, &format!("joined {} of {} sampled", fmt::count(joined), fmt::count(sampled)), Role::Strong);
    pen.say(x, 1, &format!(" of {} sent", fmt::count(run.sent)), Role::Text);
    let judged = sampled.saturating_sub(waiting);
    if judged > 0 {
        let role = if joined == judged { Role::Good } else { Role::Warn };
        let floored = (joined as f64 / judged as f64 * 10_000.0).floor() / 100.0;
        pen.say(1, 2, &format!("join rate {floored:.2} % of those not waiting"), role);
    }
    let rest = format!("{} late, {} missing, {} waiting", fmt::count(late), fmt::count(missing), fmt::count(waiting));
    pen.say(1, 3, &rest, Role::Text);
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort();
    for (at, (reason, count)) in reasons.into_iter().enumerate() {
        pen.say(1, 4 + at as u16, &format!("{reason} {}", fmt::count(count)), Role::Warn);
    }
}
