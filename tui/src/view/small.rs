//! A terminal too small for a screen still shows what matters.

use crate::fmt;
use crate::model::{Link, Model};
use crate::theme::Role;
use crate::widget::pen::Pen;

/// Rate, errors and p99, then the sentence.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    let data = model.data();
    let entry = data.seconds.entry(data.window());
    let rate = entry.count() as f64 / data.window_len() as f64;
    let p99 = entry.ok.quantile_us(0.99).map_or_else(|| "none".to_owned(), fmt::micros);
    let error_role = if entry.failed.count() > 0 { Role::Error } else { Role::Text };
    pen.say(0, 0, &format!("rate {}", fmt::rate(rate)), Role::Strong);
    pen.say(0, 1, &format!("err  {}", fmt::percent1(entry.error_ratio())), error_role);
    pen.say(0, 2, &format!("p99  {p99}"), Role::Strong);
    if model.link == Link::Live {
        pen.say(0, 3, &data.sentence.text(), Role::Quiet);
    } else {
        pen.say(0, 3, "disconnected", Role::Error);
    }
    pen.say(0, 4, "60x16 shows all", Role::Quiet);
}
