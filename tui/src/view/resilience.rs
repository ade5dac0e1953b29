//! Breakers and balance.

mod balance;
mod breakers;

use crate::model::Model;
use crate::model::ui::ResiliencePanel;
use crate::theme::Role;
use crate::widget::pen::Pen;

/// Draws both panels; the breakers leave what they do not need.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    let data = model.data();
    let height = pen.height();
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
}

/// A line that says that nothing is known, and why.
fn nothing(pen: &mut Pen<'_>, y: u16, text: &str) {
    pen.say(2, y, text, Role::Quiet);
}
