//! What shedders and limits have in common: a share refused, a ledger, a minute of refusals.

use crate::fmt;
use crate::model::data::WINDOW_S;
use crate::model::seconds::ratio;
use crate::theme::Role;
use crate::view::resilience::hint;
use crate::widget::pen::{Pen, text_width};
use crate::widget::spark;

/// Columns before a line.
const INDENT: u16 = 4;

/// What was asked in the window, and what became of it.
pub struct Counts<'a> {
    /// `drops` or `refused`.
    pub word: &'static str,
    /// What Enter opens, once there is a refusal.
    pub hint: &'static str,
    /// Let pass in the window.
    pub passes: u64,
    /// Refused in the window.
    pub refusals: u64,
    /// Refused since the start.
    pub total: u64,
    /// Refusals a second, oldest first.
    pub series: &'a [u64],
    /// How refusals look.
    pub role: Role,
}

impl Counts<'_> {
    /// Everything that was asked in the window.
    pub fn asked(&self) -> u64 {
        self.passes.saturating_add(self.refusals)
    }
}

/// The heading: who, and at its right which share was refused.
pub fn heading(pen: &mut Pen<'_>, title: &str, counts: &Counts<'_>) {
    pen.rule(0, title);
    let end = pen.width().saturating_sub(2);
    if counts.refusals == 0 {
        pen.figure(end, 0, " passes all ", Role::Heading);
        return;
    }
    let share = fmt::percent1(ratio(counts.refusals, counts.asked()));
    pen.figure(end, 0, &format!(" {} {share} in {WINDOW_S} s ", counts.word), counts.role);
}

/// Words with their roles, side by side; returns the column behind them.
pub fn line(pen: &mut Pen<'_>, y: u16, words: &[(String, Role)]) -> u16 {
    words.iter().fold(INDENT, |x, (text, role)| pen.say(x, y, text, *role) + 2)
}

/// `passes 2,720 + drops 1,199 = 3,919 in 10 s  1,435 since start`.
pub fn ledger(pen: &mut Pen<'_>, y: u16, counts: &Counts<'_>) {
    let x = pen.say(INDENT, y, &format!("passes {}", fmt::count(counts.passes)), Role::Text);
    let x = pen.say(x, y, " + ", Role::Quiet);
    let role = if counts.refusals > 0 { counts.role } else { Role::Text };
    let x = pen.say(x, y, &format!("{} {}", counts.word, fmt::count(counts.refusals)), role);
    let x = pen.say(x, y, &format!(" = {} in {WINDOW_S} s", fmt::count(counts.asked())), Role::Quiet);
    pen.say(x + 2, y, &format!("{} {} since start", counts.word, fmt::count(counts.total)), Role::Quiet);
}

/// As many of the last sixty seconds as find room, the highest of them, and what Enter opens.
pub fn minute(pen: &mut Pen<'_>, y: u16, counts: &Counts<'_>) {
    let span = if pen.width() < 110 { 30 } else { 60 };
    let shown = &counts.series[counts.series.len().saturating_sub(usize::from(span))..];
    let most = shown.iter().copied().max().unwrap_or(0);
    let series: Vec<f64> = shown.iter().map(|count| *count as f64).collect();
    let style = pen.theme.style(if most > 0 { counts.role } else { Role::Quiet });
    spark::row(pen, INDENT, y, span, &series, (most as f64).max(1.0), style);
    let short = format!("{}, {span} s", counts.word);
    let whole = format!("{short}, most in one second {}", fmt::count(most));
    let fits = INDENT + span + text_width(&whole) + 30 < pen.width();
    let x = pen.say(INDENT + span + 1, y, if fits { &whole } else { &short }, Role::Quiet);
    if counts.total > 0 {
        hint(pen, x, y, counts.hint);
    }
}
