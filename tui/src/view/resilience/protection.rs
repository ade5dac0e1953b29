//! Shedders and limits side by side, and below them what is known of the row that the arrows stand on.

mod limit;
mod pane;
mod shedder;

use ratatui::layout::Rect;

use super::{limits, shedding};
use crate::model::Model;
use crate::model::ui::ResiliencePanel;
use crate::update::resilience::{focus, rows};
use crate::widget::pen::Pen;

/// Lines about the selected row: a heading, what it is measured by, what it did, a minute of refusals.
const PANE: u16 = 4;

/// Rows of both panels and the pane, in a screen of `height`: what they need, at most a quarter, or a half while the
/// arrows move here.
pub fn height(model: &Model, height: u16) -> u16 {
    let refusals = &model.data().refusals;
    let rows = refusals.shedders.len().max(refusals.limits.len());
    if rows == 0 {
        return 0;
    }
    let needed = u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(1);
    let most = if is_focused(model) { height / 2 } else { (height / 4).max(4) };
    needed.saturating_add(pane_height(model)).min(most).min(height / 2)
}

fn is_focused(model: &Model) -> bool {
    matches!(focus(model), ResiliencePanel::Shedding | ResiliencePanel::Limits)
}

fn pane_height(model: &Model) -> u16 {
    let is_selected = is_focused(model) && rows::selected_at(model, focus(model)).is_some();
    if is_selected { PANE } else { 0 }
}

/// Draws both panels and the pane.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    let height = pen.height().saturating_sub(pane_height(model));
    lists(model, &mut pen.rows(0, height));
    let pane = &mut pen.rows(height, PANE);
    let panel = focus(model);
    let Some(at) = rows::selected_at(model, panel) else { return };
    match panel {
        ResiliencePanel::Breakers | ResiliencePanel::Balance => {}
        ResiliencePanel::Shedding => {
            if let Some(shedder) = rows::shedders(model).get(at) {
                shedder::draw(shedder, pane);
            }
        }
        ResiliencePanel::Limits => {
            if let Some(limit) = rows::limits(model).get(at) {
                limit::draw(limit, pane);
            }
        }
    }
}

fn lists(model: &Model, pen: &mut Pen<'_>) {
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
