//! Breakers, balance, shedders and limits.

mod balance;
mod breakers;
mod columns;
mod limits;
mod shedding;

use ratatui::layout::Rect;

use crate::model::Model;
use crate::model::ui::ResiliencePanel;
use crate::theme::Role;
use crate::widget::pen::Pen;

/// Draws the panels. Shedders and limits stand side by side where there are any, in at most a quarter of the height or
/// what they need; the breakers leave what they do not need.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    let data = model.data();
    let protection_height = protection_height(model, pen.height());
    let height = pen.height() - protection_height;
    let balance_rows: u16 = data.balance.iter().map(|service| service.replicas.len() as u16 + 1).sum();
    // The panel that the arrows move in gets the larger part.
    let most = match model.resilience.panel {
        ResiliencePanel::Breakers => height / 2,
        ResiliencePanel::Balance => height * 3 / 4,
    };
    let balance_height = (balance_rows + 1).clamp(4, most.max(4));
    let breaker_height = height.saturating_sub(balance_height);
    breakers::draw(model, &mut pen.rows(0, breaker_height));
    balance::draw(model, &mut pen.rows(breaker_height, balance_height));
    if protection_height > 0 {
        protection(model, &mut pen.rows(height, protection_height));
    }
}

fn protection_height(model: &Model, height: u16) -> u16 {
    let refusals = &model.data().refusals;
    let rows = refusals.shedders.len().max(refusals.limits.len());
    if rows == 0 { 0 } else { (rows as u16).saturating_add(1).min((height / 4).max(4)).min(height / 2) }
}

fn protection(model: &Model, pen: &mut Pen<'_>) {
    let refusals = &model.data().refusals;
    let (width, height) = (pen.width(), pen.height());
    match (refusals.shedders.is_empty(), refusals.limits.is_empty()) {
        (false, false) => {
            let left = width / 2;
            shedding::draw(model, &mut pen.part(Rect { x: 0, y: 0, width: left, height }));
            limits::draw(model, &mut pen.part(Rect { x: left + 1, y: 0, width: width - left - 1, height }));
        }
        (false, true) => shedding::draw(model, pen),
        (true, _) => limits::draw(model, pen),
    }
}

/// A line that says that nothing is known, and why.
fn nothing(pen: &mut Pen<'_>, y: u16, text: &str) {
    pen.say(2, y, text, Role::Quiet);
}
