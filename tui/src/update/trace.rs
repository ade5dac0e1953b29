//! Keys in an open trace.

use super::Effects;
use crate::keymap::Action;
use crate::model::Model;
use crate::model::ui::TraceUi;
use crate::msg::{Ask, Effect};

/// Opens a trace over whatever screen is shown.
pub(super) fn open(model: &mut Model, id: Vec<u8>) -> Effects {
    model.trace = Some(TraceUi { id: id.clone(), from: Some(model.screen), ..TraceUi::default() });
    vec![Effect::Ask(Ask::Trace(id.clone())), Effect::Ask(Ask::Logs(id))]
}

/// Asks for the selected span when its pane is open and nothing is known of it.
pub(super) fn details(model: &Model) -> Effects {
    let Some(open) = &model.trace else { return Effects::new() };
    let is_known = open.details.contains_key(&open.selected);
    if !open.pane || is_known || open.rows.is_none() {
        return Effects::new();
    }
    vec![Effect::Ask(Ask::Spans { trace_id: open.id.clone(), span_ids: vec![open.selected] })]
}

pub(super) fn act(model: &mut Model, action: Action) -> Option<Effects> {
    let page = usize::from(model.size.1.saturating_sub(6)).max(1);
    let open = model.trace.as_mut()?;
    match action {
        Action::Back if open.pane => open.pane = false,
        Action::Back => {
            let from = open.from.unwrap_or(model.screen);
            return Some(super::open(model, from));
        }
        Action::Enter => open.pane = !open.pane,
        Action::PaneDown => open.pane_scroll = open.pane_scroll.saturating_add(1).min(500),
        Action::PaneUp => open.pane_scroll = open.pane_scroll.saturating_sub(1),
        Action::Fold => fold(open, None),
        Action::Left => left(open),
        Action::Right => right(open),
        Action::NextError => seek_error(open, true),
        Action::PreviousError => seek_error(open, false),
        Action::Up | Action::Down | Action::PageUp | Action::PageDown | Action::First | Action::Last => {
            walk(open, action, page);
        }
        _ => return None,
    }
    Some(details(model))
}

fn select(open: &mut TraceUi, span_id: u64) {
    if open.selected != span_id {
        open.selected = span_id;
        open.pane_scroll = 0;
    }
}

fn walk(open: &mut TraceUi, action: Action, page: usize) {
    let Some(rows) = &open.rows else { return };
    let shown: Vec<u64> =
        rows.lines(&open.folded).iter().filter(|line| !line.note).map(|line| rows.rows[line.row].span_id).collect();
    let at = shown.iter().position(|span| *span == open.selected).unwrap_or(0);
    let last = shown.len().saturating_sub(1);
    let to = match action {
        Action::Up => at.saturating_sub(1),
        Action::Down => (at + 1).min(last),
        Action::PageUp => at.saturating_sub(page),
        Action::PageDown => (at + page).min(last),
        Action::Last => last,
        _ => 0,
    };
    if let Some(span_id) = shown.get(to) {
        select(open, *span_id);
    }
}

/// Folds, unfolds or (without a wish) toggles the selected span.
fn fold(open: &mut TraceUi, wish: Option<bool>) {
    let is_folded = open.folded.contains(&open.selected);
    if wish.unwrap_or(!is_folded) {
        let has_children = open
            .rows
            .as_ref()
            .is_some_and(|rows| rows.row_of(open.selected).is_some_and(|at| rows.rows[at].end > at + 1));
        if has_children {
            open.folded.insert(open.selected);
        }
    } else {
        open.folded.remove(&open.selected);
    }
}

fn left(open: &mut TraceUi) {
    let Some(rows) = &open.rows else { return };
    let Some(at) = rows.row_of(open.selected) else { return };
    let is_open_parent = rows.rows[at].end > at + 1 && !open.folded.contains(&open.selected);
    if is_open_parent {
        return fold(open, Some(true));
    }
    let depth = rows.rows[at].depth;
    let parent = rows.rows[..at].iter().rev().find(|row| row.depth < depth).map(|row| row.span_id);
    if let Some(parent) = parent {
        select(open, parent);
    }
}

fn right(open: &mut TraceUi) {
    if open.folded.contains(&open.selected) {
        return fold(open, Some(false));
    }
    let Some(rows) = &open.rows else { return };
    let child = rows.row_of(open.selected).filter(|at| rows.rows[*at].end > at + 1).map(|at| rows.rows[at + 1].span_id);
    if let Some(child) = child {
        select(open, child);
    }
}

/// Selects the next failed span, around the end; folded ancestors open.
fn seek_error(open: &mut TraceUi, forward: bool) {
    let Some(rows) = &open.rows else { return };
    let count = rows.rows.len();
    let at = rows.row_of(open.selected).unwrap_or(0);
    let order = (1..=count).map(|step| if forward { (at + step) % count } else { (at + count * 2 - step) % count });
    let Some(found) = order.into_iter().find(|row| rows.rows[*row].is_error()) else { return };
    let hiding: Vec<u64> = rows.rows[..found].iter().filter(|row| row.end > found).map(|row| row.span_id).collect();
    let span_id = rows.rows[found].span_id;
    for ancestor in hiding {
        open.folded.remove(&ancestor);
    }
    select(open, span_id);
}
