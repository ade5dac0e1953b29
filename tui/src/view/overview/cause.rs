//! Where the slowest requests spent their time; the shares sum to a hundred.

use collector_api::console::Cohort;

use crate::fmt;
use crate::model::Model;
use crate::model::moment::Moment;
use crate::sentence;
use crate::theme::Role;
use crate::widget::bar;
use crate::widget::pen::{Pen, text_width};

/// Parts of a cohort's time, largest first, at most `rows` of them: the rest is one part. Names, nanoseconds and whole
/// percentages that sum to 100.
pub fn parts(cohort: &Cohort, rows: usize) -> Vec<(String, u64, u32)> {
    let mut parts: Vec<(String, u64)> = Vec::new();
    for segment in &cohort.segments {
        let place = sentence::place_of(segment);
        let name = if place == segment.kind { place.to_owned() } else { format!("{place} {}", segment.kind) };
        match parts.iter_mut().find(|(held, _)| *held == name) {
            Some((_, sum)) => *sum += segment.sum_ns,
            None => parts.push((name, segment.sum_ns)),
        }
    }
    parts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    // A part that would show as nothing is no row of its own.
    let total: u64 = parts.iter().map(|(_, sum)| sum).sum();
    let shown = parts.iter().take_while(|(_, sum)| *sum * 100 >= total).count();
    let fits = parts.len() <= rows && shown == parts.len();
    if !fits && rows > 0 && parts.len() > 1 {
        let rest = parts.split_off(shown.min(rows - 1));
        parts.push((format!("{} other parts", rest.len()), rest.iter().map(|(_, sum)| sum).sum()));
    }
    let shares = fmt::shares(&parts.iter().map(|(_, sum)| *sum).collect::<Vec<_>>());
    parts.into_iter().zip(shares).map(|((name, sum), share)| (name, sum, share)).collect()
}

/// Which requests are shown, in the words that fit.
fn heading(cohort: &Cohort, until: &str, width: u16) -> String {
    let count = fmt::count(cohort.count);
    let bounded = format!(" slowest 1 %, n={count}{until}, {} up, is ", fmt::micros(cohort.from_us));
    let counted = format!(" slowest 1 %, n={count}{until}, is ");
    let fits = |words: &String, least: u16| width >= least && text_width(words) < width;
    [(bounded, 40), (counted, 0)]
        .into_iter()
        .find_map(|(words, least)| fits(&words, least).then_some(words))
        .unwrap_or_else(|| format!(" slowest 1 %{until} is "))
}

/// Draws the panel with its heading.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    let width = pen.width();
    pen.rule(0, "");
    let past = Moment::of(model).past();
    let cohort = match past {
        None => model.data().cause.as_ref(),
        Some(end_s) => model.overview.past.as_ref().filter(|past| past.end_s == end_s).map(|past| &past.cohort),
    };
    let until = past.map_or_else(String::new, |end_s| format!(" to {}", fmt::clock(end_s)));
    let Some(shown) = cohort.filter(|cohort| cohort.count > 0) else {
        pen.say(1, 0, &format!(" slowest 1 %{until} "), Role::Heading);
        let words = match (past, cohort) {
            (None, _) => "no complete traces in 10 s",
            (Some(_), None) => "asking the collector",
            (Some(_), Some(_)) => "no complete traces kept",
        };
        pen.say(1, 1, words, Role::Quiet);
        return;
    };
    pen.say(1, 0, &heading(shown, &until, width), Role::Heading);
    let rows = usize::from(pen.height().saturating_sub(1)).min(8);
    let name_width = width.saturating_sub(8 + 6).clamp(10, 30);
    let bar_x = 8 + name_width + 1;
    let bar_width = width.saturating_sub(bar_x + 1).min(50);
    for (at, (name, _, share)) in parts(shown, rows).into_iter().enumerate() {
        let y = at as u16 + 1;
        let role = if at == 0 { Role::Strong } else { Role::Text };
        pen.figure(6, y, &format!("{share} %"), role);
        let style = pen.theme.style(role);
        pen.column(8, y, name_width, &name, style);
        let bar_style = pen.theme.style(if at == 0 { Role::Accent } else { Role::Quiet });
        bar::grow(pen, bar_x, y, bar_width, f64::from(share) / 100.0, bar_style);
    }
}
