//! Keys on the overview.

use super::{Effects, polls, step, trace, traces};
use crate::keymap::Action;
use crate::model::Model;
use crate::model::data::SECOND_NS;
use crate::model::polls::Poll;
use crate::model::ui::{MapCursor, OverviewPanel};
use crate::view::overview::layout::{self, Layout};

pub(super) fn act(model: &mut Model, action: Action) -> Option<Effects> {
    match (action, model.overview.panel) {
        (Action::NextPanel, panel) => {
            model.overview.panel = match panel {
                OverviewPanel::Map => OverviewPanel::Services,
                OverviewPanel::Services => OverviewPanel::Map,
            };
        }
        (Action::Back, _) => {
            model.overview.cursor = None;
            model.overview.service = None;
            return Some(moment(model));
        }
        (Action::Up | Action::Down | Action::Left | Action::Right, OverviewPanel::Map) => {
            let layout = layout::of(model);
            model.overview.cursor = Some(moved(model.overview.cursor, &layout, action));
            return Some(moment(model));
        }
        (Action::Up | Action::Down, OverviewPanel::Services) => {
            let rows: Vec<String> = layout::service_rows(model).into_iter().map(|row| row.name).collect();
            let selected = model.overview.service.clone();
            let to = if selected.is_none() {
                rows.first().cloned()
            } else {
                step(&rows, selected.as_ref(), action, 1).and_then(|moved| moved.to)
            };
            model.overview.service = to;
        }
        (Action::Left | Action::Right, OverviewPanel::Services) => {
            if let Some(name) = model.overview.service.clone() {
                fold(model, &name, action == Action::Right);
            }
        }
        (Action::Enter, panel) => return Some(enter(model, panel)),
        _ => return None,
    }
    Some(Effects::new())
}

/// The panels describe another moment now, which is asked for at once.
fn moment(model: &mut Model) -> Effects {
    model.polls.hurry(Poll::Past);
    polls(model)
}

/// Shows or hides the instances of a service; on an instance, of its service.
fn fold(model: &mut Model, name: &str, open: bool) {
    let service = name.split_once('/').map_or(name, |(service, _)| service);
    if open {
        model.overview.expanded.insert(service.to_owned());
    } else if model.overview.expanded.remove(service) {
        model.overview.service = Some(service.to_owned());
    }
}

fn enter(model: &mut Model, panel: OverviewPanel) -> Effects {
    if panel == OverviewPanel::Services {
        let Some(name) = model.overview.service.clone() else { return Effects::new() };
        if let Some((service, _)) = name.split_once('/') {
            return traces::show(model, format!("service={service} && instance=\"{name}\""), None);
        }
        let is_open = model.overview.expanded.contains(&name);
        fold(model, &name, !is_open);
        return Effects::new();
    }
    let layout = layout::of(model);
    match (model.overview.cursor, model.data().first_trace.clone()) {
        (Some(cursor), _) => {
            let (from, to) = layout.bands.range(cursor.band);
            let begin = (cursor.unix_s * SECOND_NS).saturating_sub(to.unwrap_or(60_000_000).saturating_mul(1_000));
            traces::show(model, duration_query(from, to), Some((begin, (cursor.unix_s + 1) * SECOND_NS)))
        }
        (None, Some(first)) => trace::open(model, first.trace_id),
        (None, None) => Effects::new(),
    }
}

/// The trace query for a band of the map.
fn duration_query(from_us: u64, to_us: Option<u64>) -> String {
    let lower = (from_us > 0).then(|| format!("trace.duration>={}", exact(from_us)));
    let upper = to_us.map(|to| format!("trace.duration<{}", exact(to)));
    lower.into_iter().chain(upper).collect::<Vec<_>>().join(" && ")
}

/// An edge without rounding: whole seconds, milliseconds or microseconds.
fn exact(micros: u64) -> String {
    if micros.is_multiple_of(1_000_000) {
        format!("{}s", micros / 1_000_000)
    } else if micros.is_multiple_of(1_000) {
        format!("{}ms", micros / 1_000)
    } else {
        format!("{micros}us")
    }
}

/// One cell on; the first move puts the cursor on the newest second, in the band of its slowest request.
fn moved(cursor: Option<MapCursor>, layout: &Layout, action: Action) -> MapCursor {
    let axis = layout.axis;
    let top = layout.bands.count() - 1;
    let Some(cursor) = cursor else {
        return MapCursor { unix_s: axis.head_s, band: layout.slowest_band };
    };
    let unix_s = match action {
        Action::Left => cursor.unix_s.saturating_sub(1),
        Action::Right => cursor.unix_s + 1,
        _ => cursor.unix_s,
    };
    let band = match action {
        Action::Up => cursor.band + 1,
        Action::Down => cursor.band.saturating_sub(1),
        _ => cursor.band,
    };
    MapCursor { unix_s: unix_s.clamp(axis.first_s().min(axis.head_s), axis.head_s), band: band.min(top) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_becomes_a_query() {
        assert_eq!(duration_query(250_000, Some(1_000_000)), "trace.duration>=250ms && trace.duration<1s");
        assert_eq!(duration_query(0, Some(15_000)), "trace.duration<15ms");
        assert_eq!(duration_query(1_000_000, None), "trace.duration>=1s");
    }
}
