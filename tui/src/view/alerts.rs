//! Alerts: what fires, what is on the way, and which rules cannot be used.

use collector_api::console::{Alert, AlertState};

use super::overview::alert_state;
use crate::model::Model;
use crate::theme::Role;
use crate::update;
use crate::widget::bar;
use crate::widget::pen::Pen;

/// Draws the screen.
pub fn draw(model: &Model, pen: &mut Pen<'_>) {
    let data = model.data();
    let profile = &data.alert_rules.profile;
    pen.rule(0, &if profile.is_empty() { "alerts".to_owned() } else { format!("alerts, profile {profile}") });
    let mut y = 1;
    if data.alerts.is_empty() {
        pen.say(2, y, "no rule has a state yet", Role::Quiet);
        y += 1;
    }
    for alert in &data.alerts {
        let key = update::alert_key(alert);
        let is_selected = model.alerts.selected.as_ref() == Some(&key);
        if is_selected {
            pen.shade(0, y, pen.width(), pen.theme.style(Role::Selected));
            pen.say(0, y, pen.theme.glyphs.cursor, Role::Accent);
        }
        y = row(alert, data.now_ns, is_selected, pen, y);
    }
    if !data.alert_rules.refused.is_empty() {
        pen.rule(y + 1, "rules that cannot be used");
        for (at, refused) in data.alert_rules.refused.iter().enumerate() {
            pen.say(2, y + 2 + at as u16, refused, Role::Warn);
        }
    }
}

fn row(alert: &Alert, now_ns: u64, is_selected: bool, pen: &mut Pen<'_>, y: u16) -> u16 {
    let (glyph, role) = match alert.state() {
        AlertState::Firing => (pen.theme.glyphs.alarm, Role::Warn),
        AlertState::Pending => (pen.theme.glyphs.dot, Role::Warn),
        AlertState::Resolved => (pen.theme.glyphs.dot, Role::Good),
        _ => (pen.theme.glyphs.dot, Role::Quiet),
    };
    pen.say(2, y, glyph, role);
    let x = pen.say(4, y, &alert.name, if alert.state() == AlertState::Firing { Role::Strong } else { Role::Text });
    let x = pen.say(x.max(27) + 1, y, &alert_state(alert, now_ns), role);
    let mut x = x.max(48) + 2;
    if alert.state() == AlertState::Pending {
        let progress = now_ns.saturating_sub(alert.active_unix_ns) as f64 / alert.for_ns.max(1) as f64;
        let style = pen.theme.style(Role::Warn);
        bar::grow(pen, x, y, 12, progress, style);
        x += 14;
    }
    if alert.state() != AlertState::Inactive {
        x = pen.say(x, y, &format!("value {:.3}", alert.value), Role::Text) + 2;
    }
    let mut labels: Vec<String> = alert.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    labels.sort();
    let quiet = pen.theme.style(Role::Quiet);
    let room = pen.width().saturating_sub(x + 1);
    pen.column(x, y, room, &labels.join(" "), quiet);
    if !is_selected && alert.state() == AlertState::Inactive {
        return y + 1;
    }
    let text = if alert.summary.is_empty() { &alert.expression } else { &alert.summary };
    pen.say(4, y + 1, text, Role::Quiet);
    if !is_selected {
        return y + 2;
    }
    pen.say(4, y + 2, &alert.expression, Role::Quiet);
    y + 3
}
