//! Breakers, balance, shedders and limits.

mod balance;
mod breakers;
mod columns;
mod limits;
mod protection;
mod shedding;

use crate::model::Model;
use crate::model::ui::ResiliencePanel;
use crate::theme::Role;
use crate::update::resilience::focus;
use crate::widget::pen::{Pen, text_width};

/// Draws the panels. Shedders and limits stand side by side where there are any; the breakers leave what they do not
/// need.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    let protection_height = protection::height(model, pen.height());
    let height = pen.height() - protection_height;
    // The panel that the arrows move in gets the larger part.
    let most = if focus(model) == ResiliencePanel::Balance { height * 3 / 4 } else { height / 2 };
    let balance_height = balance::height(model).clamp(4, most.max(4));
    let breaker_height = height.saturating_sub(balance_height);
    breakers::draw(model, &mut pen.rows(0, breaker_height));
    balance::draw(model, &mut pen.rows(breaker_height, balance_height));
    if protection_height > 0 {
        protection::draw(model, &mut pen.rows(height, protection_height));
    }
}

/// A line that says that nothing is known, and why.
fn nothing(pen: &mut Pen<'_>, y: u16, text: &str) {
    pen.say(2, y, text, Role::Quiet);
}

/// Marks the selected row.
fn mark(pen: &mut Pen<'_>, y: u16) {
    pen.shade(0, y, pen.width(), pen.theme.style(Role::Selected));
    pen.say(0, y, pen.theme.glyphs.cursor, Role::Accent);
}

/// Says at the right edge what Enter opens, if that finds room behind `x`.
fn hint(pen: &mut Pen<'_>, x: u16, y: u16, words: &str) {
    let end = pen.width().saturating_sub(2);
    if x + 2 + text_width(words) <= end {
        pen.figure(end, y, words, Role::Quiet);
    }
}
