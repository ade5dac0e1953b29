//! What is under the cursor, in words.

use crate::fmt;
use crate::model::Model;
use crate::model::ui::MapCursor;
use crate::theme::Role;
use crate::view::overview::layout::Layout;
use crate::view::overview::map::short;
use crate::widget::pen::Pen;

/// Draws the line.
pub fn draw(model: &Model, layout: &Layout, pen: &mut Pen<'_>) {
    if let Some(cursor) = model.overview.cursor {
        let words = words(model, layout, cursor);
        pen.say(1, 0, &words, Role::Accent);
        return;
    }
    let data = model.data();
    if let Some(first) = data
        .first_trace
        .as_ref()
        .filter(|first| data.now_ns.saturating_sub(first.start_unix_ns) < 15 * crate::model::data::SECOND_NS)
    {
        let words = format!("first trace: {} spans, {} services, enter opens it", first.spans, first.services);
        pen.say(1, 0, &words, Role::Accent);
        return;
    }
    if let Some(caveat) = data.caveats().next() {
        let role = if data.coverage.is_empty() { Role::Quiet } else { Role::Warn };
        pen.say(1, 0, &caveat, role);
        return;
    }
    if model.can_control() && data.events_of(&["fault"]).next().is_none() {
        pen.say(1, 0, "try  :slow pay-rpc/1   (20 s, undoes itself)", Role::Quiet);
        return;
    }
    pen.say(1, 0, "arrows read the map, tab the services, enter opens what is selected", Role::Quiet);
}

/// Requests of the cell, and the replica through which most calls of that length went.
fn words(model: &Model, layout: &Layout, cursor: MapCursor) -> String {
    let (from, to) = layout.bands.range(cursor.band);
    let band = match (from, to) {
        (0, Some(to)) => format!("below {}", short(to)),
        (from, Some(to)) => format!("{}\u{2013}{}", short(from), short(to)),
        (from, None) => format!("{} and more", short(from)),
    };
    let clock = fmt::clock(cursor.unix_s);
    let Some(second) = model.data().seconds.get(cursor.unix_s) else {
        return format!("@{clock} {band}: nothing received");
    };
    let count = |sketch| layout.bands.counts(sketch).get(cursor.band).copied().unwrap_or(0);
    let (ok, failed) = (count(&second.entry_ok), count(&second.entry_failed));
    let plural = if ok + failed == 1 { "" } else { "s" };
    let mut words = format!("@{clock} {band}: {} request{plural}", fmt::count(ok + failed));
    if failed > 0 {
        words = format!("{words}, {} failed", fmt::count(failed));
    }
    let mut replicas: Vec<(&str, u64)> = second
        .services
        .iter()
        .filter(|cell| {
            second.services.iter().any(|other| other.service == cell.service && other.instance != cell.instance)
        })
        .map(|cell| (cell.instance.as_str(), count(&cell.latency)))
        .collect();
    replicas.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    if let Some((instance, most)) = replicas.first().filter(|(_, most)| *most > 0) {
        let all: u64 = replicas.iter().map(|(_, count)| count).sum();
        words = format!("{words}, {} of {} such calls in {instance}", fmt::count(*most), fmt::count(all));
    }
    words
}
