//! From state to cells. Drawing reads the model and changes nothing; every rectangle may be too small.

mod alerts;
mod chrome;
mod load;
mod overlay;
pub mod overview;
mod resilience;
mod services;
mod small;
mod start;
mod trace;
mod traces;

pub use overlay::help_end;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use crate::Screen;
use crate::model::{Link, Model};
use crate::theme::Role;
use crate::widget::pen::Pen;

/// Smallest size that gets whole screens.
const SMALLEST: (u16, u16) = (60, 16);

/// Rows above and below a screen's own: the header, and the readout with the footer.
pub const CHROME_TOP: u16 = 1;
/// See [`CHROME_TOP`].
pub const CHROME_BOTTOM: u16 = 1;

/// The part of the terminal that a screen has for itself, for terminals of a size.
pub fn body(size: (u16, u16)) -> Rect {
    Rect { x: 0, y: CHROME_TOP, width: size.0, height: size.1.saturating_sub(CHROME_TOP + CHROME_BOTTOM) }
}

/// Draws the model.
pub fn draw(model: &Model, buffer: &mut Buffer) {
    let area = buffer.area;
    let mut pen = Pen::new(buffer, area, model.theme);
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        small::draw(model, &mut pen);
        return;
    }
    chrome::header(model, &mut pen.rows(0, 1));
    let body = body((area.width, area.height));
    screen(model, &mut pen.part(body));
    if matches!(model.link, Link::Lost { .. }) {
        let faded = model.theme.style(Role::Quiet).add_modifier(Modifier::DIM);
        for y in body.top()..body.bottom() {
            pen.shade(0, y, area.width, faded);
        }
    }
    chrome::footer(model, &mut pen.rows(area.height - 1, 1));
    if model.overlay.is_some() {
        overlay::draw(model, &mut pen);
    }
}

fn screen(model: &Model, pen: &mut Pen<'_>) {
    if let Some(open) = &model.trace {
        return trace::draw(model, open, pen);
    }
    if start::is_start(model) && model.screen != Screen::Alerts {
        return start::draw(model, pen);
    }
    match model.screen {
        Screen::Overview => overview::draw(model, pen),
        Screen::Traces => traces::draw(model, pen),
        Screen::Services => services::draw(model, pen),
        Screen::Resilience => resilience::draw(model, pen),
        Screen::Load => load::draw(model, pen),
        Screen::Alerts => alerts::draw(model, pen),
    }
}
