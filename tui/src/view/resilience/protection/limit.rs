//! The selected limit: what it counts by, what it refused, what it decided without Redis. Its quota or its rate is not
//! told: no metric carries it.

use collector_api::console::Limit;

use super::pane::{Counts, heading, ledger, line, minute};
use crate::fmt;
use crate::model::data::WINDOW_S;
use crate::theme::Role;
use crate::widget::pen::Pen;

/// Draws the pane.
pub fn draw(limit: &Limit, pen: &mut Pen<'_>) {
    let counts = Counts {
        word: "refused",
        hint: "enter: what it refused",
        passes: limit.passes,
        refusals: limit.rejections,
        total: limit.rejections_total,
        series: &limit.series,
        role: Role::Warn,
    };
    heading(pen, &["limit of", &limit.instance, &limit.name].join(" "), &counts);
    line(pen, 1, &[counted(limit), rescued(limit)]);
    ledger(pen, 2, &counts);
    minute(pen, 3, &counts);
}

fn counted(limit: &Limit) -> (String, Role) {
    if limit.per.is_empty() {
        ("what it counts by is not told".to_owned(), Role::Quiet)
    } else {
        (format!("counts per {}", limit.per), Role::Text)
    }
}

/// Rescues are among what passed and what was refused, not beside them.
fn rescued(limit: &Limit) -> (String, Role) {
    let role = if limit.rescues > 0 { Role::Warn } else { Role::Quiet };
    let count = fmt::count(limit.rescues);
    (format!("rescued {count} in {WINDOW_S} s (decided while Redis did not answer)"), role)
}
