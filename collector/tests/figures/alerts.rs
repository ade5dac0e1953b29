//! Alerts over the metrics that arrived, and their events.

use collector::alert::Rules;
use collector::hub::HubOptions;
use collector_api::console::{AlertState, Event, EventPhase};

use crate::stage::{S, Stage, attribute, counter};

const RULES: &str = r#"
groups:
  - name: mall
    interval: 1s
    rules:
      - alert: CircuitBreakerTripped
        expr: sum by (breaker_name) (increase(breaker_trips_total[10s])) > 0
        for: 3s
        labels: { severity: warning }
        annotations: { summary: "{{ $labels.breaker_name }} tripped" }
"#;

fn stage() -> Stage {
    let rules = Rules::parse("test.rules.yml", RULES).expect("valid rules");
    assert!(rules.refused.is_empty());
    Stage::with(HubOptions { rules, ..HubOptions::default() })
}

/// Exports the trip counter each second from `from` to `to`, and lets time pass.
fn run(stage: &Stage, from: u64, to: u64, trips: f64) {
    for at in from..=to {
        let labels = vec![attribute("breaker.place", "client"), attribute("breaker.name", "pay")];
        stage.send_points([counter("gateway", "breaker.trips", labels, at * S, trips)]);
        stage.at(at * S);
    }
}

/// What an alert that was resolved says: how long it lasted, and what was the matter then.
fn told_of(event: &Event) -> String {
    let lasted_s = (event.ends_unix_ns - event.begins_unix_ns) as f64 / 1e9;
    format!("CircuitBreakerTripped resolved after {lasted_s:.2} s; was: pay tripped")
}

fn event(stage: &Stage) -> Event {
    let mut events = stage.hub.event_list("alert", 0, 0).events;
    assert_eq!(events.len(), 1, "an alert is one event from pending to its end");
    events.remove(0)
}

#[test]
fn a_trip_is_pending_then_firing_then_resolved() {
    let stage = stage();
    run(&stage, 1, 4, 0.0);
    assert_eq!(stage.hub.alerts()[0].state(), AlertState::Inactive);
    run(&stage, 5, 6, 1.0);
    assert_eq!(stage.hub.alerts()[0].state(), AlertState::Pending);
    assert_eq!(event(&stage).fields.get("state").map(String::as_str), Some("pending"));
    run(&stage, 7, 9, 1.0);
    assert_eq!(stage.hub.alerts()[0].state(), AlertState::Firing);
    let firing = event(&stage);
    assert_eq!((firing.phase(), firing.target.as_str()), (EventPhase::Open, "CircuitBreakerTripped"));
    assert_eq!(firing.detail, "CircuitBreakerTripped firing: pay tripped");
    run(&stage, 10, 20, 1.0);
    assert_eq!(stage.hub.alerts()[0].state(), AlertState::Resolved);
    let resolved = event(&stage);
    assert_eq!((resolved.phase(), resolved.detail.as_str()), (EventPhase::Closed, told_of(&resolved).as_str()));
    let told = stage.hub.delta(0, 0).alerts;
    assert_eq!(told, stage.hub.alerts(), "consoles see the same");
}
