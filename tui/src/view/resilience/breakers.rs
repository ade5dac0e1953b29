//! go-zero's breakers: no open, no half-open, a drop ratio. What drops takes three lines, the others one.

use collector_api::console::Breaker;

use super::{mark, nothing};
use crate::fmt;
use crate::model::Model;
use crate::model::data::WINDOW_S;
use crate::model::ui::ResiliencePanel;
use crate::theme::Role;
use crate::update::resilience::{focus, rows};
use crate::widget::pen::{Pen, text_width};
use crate::widget::spark;

/// Draws the panel.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    pen.rule(0, "breakers");
    let breakers = rows::breakers(model);
    let dropping = breakers.iter().filter(|breaker| is_dropping(breaker)).count();
    let trips = breakers.iter().fold(0_u64, |sum, breaker| sum.saturating_add(breaker.trips));
    let words =
        format!(" {} breakers, {dropping} throttling, {} trips since start ", breakers.len(), fmt::count(trips));
    let end = pen.width().saturating_sub(2);
    pen.figure(end, 0, &words, Role::Heading);
    if breakers.is_empty() {
        nothing(
            pen,
            1,
            "no breaker has reported yet; stock go-zero emits no breaker events, its trips show as CLIENT spans that fail at once",
        );
        return;
    }
    let at = rows::selected_at(model, ResiliencePanel::Breakers);
    let is_focused = focus(model) == ResiliencePanel::Breakers;
    let mut y = 1;
    let skip = first_shown(&breakers, at, pen.height());
    for (row, breaker) in breakers.iter().enumerate().skip(skip) {
        if y >= pen.height() {
            break;
        }
        let is_selected = is_focused && at == Some(row);
        if is_selected {
            mark(pen, y);
        }
        y = if is_dropping(breaker) || is_selected { full(breaker, pen, y) } else { line(breaker, pen, y) };
    }
}

fn is_dropping(breaker: &Breaker) -> bool {
    breaker.ratio > 0.0 || breaker.rejected > 0
}

/// How many breakers are scrolled away so that the selected one is seen with its details.
fn first_shown(breakers: &[&Breaker], selected: Option<usize>, height: u16) -> usize {
    let lines = |row: usize| match breakers.get(row) {
        Some(breaker) if is_dropping(breaker) || selected == Some(row) => 4,
        _ => 1,
    };
    let mut first = selected.unwrap_or(0);
    let mut used = lines(first);
    while first > 0 && used + lines(first - 1) < height {
        first -= 1;
        used += lines(first);
    }
    first
}

fn title(breaker: &Breaker, pen: &mut Pen<'_>, y: u16) -> u16 {
    let x = pen.say(2, y, &breaker.place, Role::Quiet);
    let hue = pen.theme.service(breaker.caller.split('/').next().unwrap_or_default());
    let x = pen.put(x + 1, y, &breaker.caller, hue);
    let x = pen.say(x + 1, y, pen.theme.glyphs.arrow, Role::Quiet);
    pen.say(x + 1, y, &breaker.name, Role::Strong)
}

fn calls(breaker: &Breaker) -> u64 {
    breaker.ok.saturating_add(breaker.failed).saturating_add(breaker.rejected)
}

fn line(breaker: &Breaker, pen: &mut Pen<'_>, y: u16) -> u16 {
    let x = title(breaker, pen, y);
    let rate = calls(breaker) as f64 / WINDOW_S as f64;
    let end = pen.width().saturating_sub(2);
    let words = format!("{:>8}  passes all", fmt::rate(rate));
    let failed = if breaker.failed > 0 { format!("{} failed  ", fmt::count(breaker.failed)) } else { String::new() };
    let begin = end.saturating_sub(text_width(&words));
    pen.figure(end, y, &words, Role::Quiet);
    if x + 1 + text_width(&failed) < begin {
        pen.figure(begin, y, &failed, Role::Error);
    }
    y + 1
}

fn full(breaker: &Breaker, pen: &mut Pen<'_>, y: u16) -> u16 {
    let x = title(breaker, pen, y);
    let rate = calls(breaker) as f64 / WINDOW_S as f64;
    let x = pen.say(x + 2, y, &fmt::rate(rate), Role::Text);
    let x = if is_dropping(breaker) {
        let x = pen.say(x + 2, y, "THROTTLING", Role::Warn);
        pen.say(x + 1, y, &format!("drop {}", fmt::percent(breaker.ratio.max(0.0))), Role::Warn)
    } else {
        pen.say(x + 2, y, "passes all", Role::Quiet)
    };
    let window = window(breaker);
    let width = text_width(&window);
    let fits = x + 3 + width < pen.width();
    let end = pen.width().saturating_sub(2);
    if fits {
        pen.figure(end, y, &window, Role::Text);
    }
    let mut y = y + 1;
    if !fits {
        pen.say(4, y, &window, Role::Text);
        y += 1;
    }
    ledger(breaker, pen, y);
    y += 1;
    let style = pen.theme.style(if is_dropping(breaker) { Role::Warn } else { Role::Quiet });
    let span = 60.min(pen.width() / 2);
    let largest = breaker.series.iter().copied().fold(0.1, f64::max);
    spark::row(pen, 4, y, span, &breaker.series, largest, style);
    let x = pen.say(5 + span, y, &format!("drop ratio, {span} s"), Role::Quiet);
    let hint = "enter: a trace that tipped it";
    if !breaker.exemplars.is_empty() && x + 2 + text_width(hint) < pen.width() {
        pen.figure(end, y, hint, Role::Quiet);
    }
    y + 1
}

/// `accepted 60.0 % of 4,000, needs 66.6 % (w 1.50)`: below what it needs it drops.
fn window(breaker: &Breaker) -> String {
    let share = if breaker.total > 0.0 { breaker.accepts / breaker.total } else { 1.0 };
    format!(
        "accepted {} of {} in {WINDOW_S} s, needs {} (w {:.2})",
        fmt::percent1(share),
        fmt::count(breaker.total.max(0.0) as u64),
        fmt::percent1(needs(breaker.total, breaker.weight)),
        breaker.weight
    )
}

/// The accepted share at which the drop ratio `((total - 5) - w * accepts) / (total + 1)` is zero.
pub fn needs(total: f64, weight: f64) -> f64 {
    if total <= 5.0 || weight <= 0.0 { 0.0 } else { (total - 5.0) / (weight * total) }
}

fn ledger(breaker: &Breaker, pen: &mut Pen<'_>, y: u16) {
    let x = pen.say(4, y, &format!("ok {}", fmt::count(breaker.ok)), Role::Text);
    let x = pen.say(x, y, " + ", Role::Quiet);
    let failed = if breaker.failed > 0 { Role::Error } else { Role::Text };
    let x = pen.say(x, y, &format!("failed {}", fmt::count(breaker.failed)), failed);
    let x = pen.say(x, y, " + ", Role::Quiet);
    let rejected = if breaker.rejected > 0 { Role::Warn } else { Role::Text };
    let x = pen.say(x, y, &format!("rejected {}", fmt::count(breaker.rejected)), rejected);
    let mut x = pen.say(x, y, &format!(" = {}", fmt::count(calls(breaker))), Role::Quiet);
    let mut errors: Vec<_> = breaker.last_errors.iter().collect();
    errors.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    for (at, (reason, count)) in errors.into_iter().take(3).enumerate() {
        x = pen.say(x + 2, y, if at == 0 { "last errors  " } else { "" }, Role::Quiet);
        x = pen.say(x, y, &format!("{reason} {}", fmt::count(*count)), Role::Text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_needed_share_the_drop_ratio_is_zero() {
        let (total, weight) = (4_000.0, 1.5);
        let accepts = needs(total, weight) * total;
        let ratio = ((total - 5.0) - weight * accepts) / (total + 1.0);
        assert!(ratio.abs() < 1e-9);
        assert_eq!(fmt::percent1(needs(total, weight)), "66.6 %");
    }
}
