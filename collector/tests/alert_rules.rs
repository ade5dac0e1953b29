//! The shipped rules over simulated drills, the facts that promtool gave, and rule files with mistakes.

mod metric_feed;

use std::sync::Arc;

use collector::alert::{Evaluator, Rules};
use collector::model::{MetricKind, MetricValue};
use collector::rollup::metrics::{MetricLimits, MetricStore};
use collector_api::console::AlertState;
use metric_feed::{BEGIN, SECOND, at, point};

const PRODUCTION: &str = include_str!("../../deploy/prometheus/mall.rules.yml");
const DEMO: &str = include_str!("../../deploy/prometheus/mall-demo.rules.yml");

/// What a shop does in one second.
#[derive(Clone, Copy)]
struct Traffic {
    ok: u64,
    failed: u64,
    slow: u64,
    trips: u64,
}

const CALM: Traffic = Traffic { ok: 50, failed: 0, slow: 0, trips: 0 };

/// A gateway that exports every `step` seconds.
struct Shop {
    store: MetricStore,
    evaluator: Evaluator,
    step: u64,
    total: Traffic,
    changes: Vec<(u64, String, AlertState)>,
}

impl Shop {
    fn new(rules: &str, step: u64) -> Self {
        let rules = Rules::parse("test.rules.yml", rules).expect("rules");
        assert_eq!(rules.refused, []);
        let limits = MetricLimits { retain_ns: 3_600 * SECOND, ..MetricLimits::default() };
        let total = Traffic { ok: 0, failed: 0, slow: 0, trips: 0 };
        Self { store: MetricStore::new(limits), evaluator: Evaluator::new(rules), step, total, changes: Vec::new() }
    }

    fn run(&mut self, seconds: std::ops::Range<u64>, traffic: Traffic) -> &mut Self {
        for second in seconds {
            self.total.ok += traffic.ok;
            self.total.failed += traffic.failed;
            self.total.slow += traffic.slow;
            self.total.trips += traffic.trips;
            if second % self.step == 0 {
                self.export(second);
                let transitions = self.evaluator.eval(BEGIN + second * SECOND + SECOND / 2, &self.store);
                let change =
                    |change: collector::alert::Transition| (second, change.alert.name.clone(), change.alert.state());
                self.changes.extend(transitions.into_iter().map(change));
            }
        }
        self
    }

    fn export(&mut self, second: u64) {
        let second = second as f64;
        let route = ("path", "/api/order/create");
        // As a real exporter, a series of failures exists from the first failure on.
        let codes = [("200", self.total.ok + self.total.slow), ("503", self.total.failed)];
        for (code, count) in codes.into_iter().filter(|(_, count)| *count > 0) {
            let labels = [route, ("method", "POST"), ("code", code)];
            self.send(point("http_server_requests_code_total", MetricKind::Counter, &labels, second, count as f64));
        }
        let mut duration = point("http_server_requests_duration_ms", MetricKind::Histogram, &[route], second, 0.0);
        let fast = self.total.ok + self.total.failed;
        duration.value = MetricValue::Histogram {
            count: fast + self.total.slow,
            sum: 0.0,
            bounds: Arc::from([5.0, 1000.0]),
            counts: vec![fast, 0, self.total.slow],
        };
        self.send(duration);
        let breaker = [("breaker.place", "client"), ("breaker.name", "pay-rpc/pay.Pay/Initiate")];
        self.send(point("breaker.trips", MetricKind::Counter, &breaker, second, self.total.trips as f64));
    }

    fn send(&mut self, mut point: collector::model::MetricPoint) {
        point.start_ns = at(0.0) - SECOND;
        self.store.ingest(&point, point.time_ns);
    }

    /// Seconds at which an alert became pending, fired and was resolved.
    fn course(&self, name: &str) -> Vec<(u64, AlertState)> {
        self.changes.iter().filter(|(_, alert, _)| alert == name).map(|(second, _, state)| (*second, *state)).collect()
    }
}

#[test]
fn both_rule_files_are_supported_whole() {
    for text in [PRODUCTION, DEMO] {
        let rules = Rules::parse("mall.rules.yml", text).expect("rules");
        assert_eq!(rules.refused, []);
        assert_eq!(rules.names().collect::<Vec<_>>(), ["HighErrorRate", "HighLatency", "CircuitBreakerTripped"]);
    }
}

#[test]
fn a_calm_shop_has_three_inactive_alerts() {
    for rules in [PRODUCTION, DEMO] {
        let mut shop = Shop::new(rules, 1);
        shop.run(0..120, CALM);
        assert_eq!(shop.changes, []);
        let alerts = shop.evaluator.alerts();
        assert!(alerts.iter().all(|alert| alert.state() == AlertState::Inactive));
        let severities: Vec<&str> = alerts.iter().map(|alert| alert.severity.as_str()).collect();
        assert_eq!(severities, ["warning", "warning", "critical"]);
        assert_eq!(shop.evaluator.problems(), [] as [String; 0]);
    }
}

#[test]
fn a_trip_fires_within_fifteen_seconds_and_is_resolved() {
    let mut shop = Shop::new(DEMO, 1);
    shop.run(0..60, CALM).run(60..61, Traffic { trips: 1, ..CALM }).run(61..120, CALM);
    let course = shop.course("CircuitBreakerTripped");
    assert_eq!(course, [(60, AlertState::Pending), (70, AlertState::Firing), (89, AlertState::Resolved)]);
    let alert = shop.evaluator.alerts().into_iter().find(|alert| alert.name == "CircuitBreakerTripped").expect("it");
    assert_eq!(alert.state(), AlertState::Resolved);
    assert_eq!(alert.summary, "the client breaker pay-rpc/pay.Pay/Initiate of shop/1 trips");
    assert_eq!((alert.active_unix_ns, alert.for_ns), (BEGIN + 60 * SECOND + SECOND / 2, 10 * SECOND));
    assert_eq!(alert.labels.get("breaker_place").map(String::as_str), Some("client"));
    assert_eq!(alert.labels.get("alertname").map(String::as_str), Some("CircuitBreakerTripped"));
}

#[test]
fn a_minute_of_failures_fires_and_ends() {
    let mut shop = Shop::new(DEMO, 1);
    shop.run(0..60, CALM).run(60..120, Traffic { ok: 20, failed: 30, ..CALM }).run(120..180, CALM);
    let course = shop.course("HighErrorRate");
    let states: Vec<AlertState> = course.iter().map(|(_, state)| *state).collect();
    assert_eq!(states, [AlertState::Pending, AlertState::Firing, AlertState::Resolved], "{course:?}");
    assert!((60..65).contains(&course[0].0) && course[1].0 < 80 && (120..145).contains(&course[2].0), "{course:?}");
}

#[test]
fn a_tail_beyond_the_last_bucket_fires() {
    let mut shop = Shop::new(DEMO, 1);
    shop.run(0..60, CALM).run(60..120, Traffic { ok: 45, slow: 5, ..CALM }).run(120..180, CALM);
    let states: Vec<AlertState> = shop.course("HighLatency").into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [AlertState::Pending, AlertState::Firing, AlertState::Resolved]);
}

#[test]
fn one_failure_in_a_quiet_shop_is_no_error_rate() {
    let mut shop = Shop::new(DEMO, 1);
    let silent = Traffic { ok: 0, ..CALM };
    shop.run(0..60, silent).run(60..61, Traffic { failed: 1, ..silent }).run(61..120, silent);
    assert_eq!(shop.course("HighErrorRate"), []);
}

/// Half of the requests fail from minute 10 to 20, evaluated each 15 s.
fn ten_minutes_of_failures(rules: &str) -> Vec<(u64, AlertState)> {
    let mut shop = Shop::new(rules, 15);
    shop.run(0..600, CALM).run(600..1_200, Traffic { ok: 25, failed: 25, ..CALM }).run(1_200..2_400, CALM);
    shop.course("A")
}

#[test]
fn the_windows_of_the_error_rate_act_as_promtool_said() {
    let rule = |window: &str| {
        format!(
            "groups: [{{name: g, interval: 15s, rules: [{{alert: A, for: 5m, expr: 'sum by (path) (rate(http_server_requests_code_total{{code=~\"5..\"}}[{window}])) / sum by (path) (rate(http_server_requests_code_total[{window}])) > 0.05'}}]}}]"
        )
    };
    let slow = ten_minutes_of_failures(&rule("5m"));
    let states: Vec<AlertState> = slow.iter().map(|(_, state)| *state).collect();
    assert_eq!(states, [AlertState::Pending, AlertState::Firing, AlertState::Resolved]);
    let (pending, firing, resolved) = (slow[0].0 - 600, slow[1].0 - 600, slow[2].0 - 1_200);
    assert!((30..=45).contains(&pending), "pending after {pending} s");
    assert_eq!(firing, pending + 300);
    assert!((255..=285).contains(&resolved), "resolved after {resolved} s");
    let quick = ten_minutes_of_failures(&rule("1m"));
    assert!(quick[0].0 - 600 <= 15 && quick[2].0 - 1_200 <= 75, "{quick:?}");
}

#[test]
fn a_counter_compared_with_zero_never_resolves_and_its_increase_does() {
    let naive = "groups: [{name: g, interval: 15s, rules: [{alert: A, for: 1m, expr: 'breaker_trips_total > 0'}]}]";
    let sound = "groups: [{name: g, interval: 15s, rules: [{alert: A, for: 1m, keep_firing_for: 1m, expr: 'increase(breaker_trips_total[2m]) > 0'}]}]";
    let course = |rules: &str| {
        let mut shop = Shop::new(rules, 15);
        shop.run(0..600, CALM).run(600..601, Traffic { trips: 1, ..CALM }).run(601..3_000, CALM);
        shop.course("A")
    };
    assert_eq!(course(naive), [(600, AlertState::Pending), (660, AlertState::Firing)]);
    let states: Vec<AlertState> = course(sound).into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [AlertState::Pending, AlertState::Firing, AlertState::Resolved]);
}

#[test]
fn a_resolved_alert_is_known_for_a_quarter_of_an_hour() {
    let rules = "groups: [{name: g, interval: 1s, rules: [{alert: A, expr: 'breaker_trips_total == 1'}]}]";
    let mut shop = Shop::new(rules, 1);
    shop.run(0..10, CALM)
        .run(10..11, Traffic { trips: 1, ..CALM })
        .run(11..20, CALM)
        .run(20..21, Traffic { trips: 1, ..CALM });
    assert_eq!(shop.course("A"), [(10, AlertState::Pending), (10, AlertState::Firing), (20, AlertState::Resolved)]);
    let state = |shop: &Shop| shop.evaluator.alerts()[0].state();
    shop.run(21..919, CALM);
    assert_eq!(state(&shop), AlertState::Resolved);
    shop.run(919..922, CALM);
    assert_eq!(state(&shop), AlertState::Inactive);
}

#[test]
fn a_gap_resets_a_pending_alert() {
    let rules = "groups: [{name: g, interval: 1s, rules: [{alert: A, for: 5s, expr: 'breaker_trips_total % 2 == 1'}]}]";
    let mut shop = Shop::new(rules, 1);
    let trip = Traffic { trips: 1, ..CALM };
    shop.run(0..10, CALM).run(10..11, trip).run(11..14, CALM).run(14..16, trip).run(16..30, CALM);
    assert_eq!(
        shop.course("A"),
        [(10, AlertState::Pending), (14, AlertState::Inactive), (15, AlertState::Pending), (20, AlertState::Firing)]
    );
}

#[test]
fn rules_are_refused_by_name_and_the_others_stay() {
    let text = "
groups:
  - name: g
    rules:
      - {alert: Good, expr: 'a > 1'}
      - {alert: Ranked, expr: 'topk(3, a) > 1'}
      - {record: 'a:sum', expr: 'sum(a)'}
      - {alert: Broken, expr: 'sum(a'}
      - {alert: Templated, expr: 'a > 1', annotations: {summary: '{{ query \"b\" }}'}}
      - {alert: Timed, expr: 'a > 1', for: soon}
";
    let rules = Rules::parse("x.yml", text).expect("rules");
    assert_eq!(rules.names().collect::<Vec<_>>(), ["Good"]);
    let refused: Vec<String> = rules.refused.iter().map(ToString::to_string).collect();
    let expected = [
        "Ranked in x.yml: aggregation topk",
        "a:sum in x.yml: recording rules",
        "Broken in x.yml: not a valid",
        "Templated in x.yml: template",
        "Timed in x.yml: for: ",
    ];
    assert_eq!(refused.len(), expected.len(), "{refused:?}");
    for (refusal, begin) in refused.iter().zip(expected) {
        assert!(refusal.starts_with(begin), "{refusal}");
    }
    assert_eq!(Evaluator::new(rules).problems(), refused);
}

#[test]
fn a_broken_rule_file_says_where() {
    let error =
        Rules::parse("x.yml", "groups:\n  - name: g\n    rules:\n      - {alert: A, exp: 'a'}\n").expect_err("a typo");
    let text = error.to_string();
    assert!(text.starts_with("rule file x.yml is not valid: line 4 column 20: unknown field `exp`"), "{text}");
    assert!(!text.contains('\n'), "{text}");
    assert!(Rules::parse("x.yml", "groups: [").is_err());
    assert!(Rules::parse("x.yml", "").expect("no groups").groups.is_empty());
}

#[test]
fn two_alerts_with_equal_labels_are_an_error_that_shows() {
    let rules = "groups: [{name: g, interval: 1s, rules: [{alert: A, labels: {code: one}, expr: 'http_server_requests_code_total > 0'}]}]";
    let mut shop = Shop::new(rules, 1);
    shop.run(0..3, Traffic { failed: 1, ..CALM });
    assert_eq!(shop.changes, []);
    assert!(
        shop.evaluator.problems()[0].starts_with("A: two alerts have the labels"),
        "{:?}",
        shop.evaluator.problems()
    );
}

#[test]
fn more_alerts_than_are_kept_are_counted() {
    let rules = "groups: [{name: g, interval: 1s, rules: [{alert: A, expr: 'g > 0'}]}]";
    let mut evaluator = Evaluator::new(Rules::parse("x.yml", rules).expect("rules"));
    let mut store = MetricStore::new(MetricLimits::default());
    for round in 0..4_u64 {
        for number in 0..900_u64 {
            let name = (round * 900 + number).to_string();
            let second = (round * 400) as f64;
            let point = point("g", MetricKind::Gauge, &[("n", &name)], second, 1.0);
            store.ingest(&point, point.time_ns);
        }
        evaluator.eval(BEGIN + round * 400 * SECOND, &store);
    }
    assert_eq!(evaluator.alerts().len(), 2_000);
    assert_eq!(evaluator.problems(), ["A: 1600 resolved alerts were forgotten early"]);
}

#[test]
fn numbers_may_stand_where_yaml_wants_text() {
    let text = "groups: [{name: g, limit: 5, rules: [{alert: A, expr: 1 > bool 0, for: 0, labels: {level: 1}}]}]";
    let rules = Rules::parse("x.yml", text).expect("rules");
    assert_eq!(rules.refused, []);
    assert_eq!(rules.groups[0].limit, 5);
}

#[test]
fn expressions_are_shown_in_one_line() {
    let rules = Rules::parse("mall.rules.yml", PRODUCTION).expect("rules");
    assert!(Evaluator::new(rules).alerts().iter().all(|alert| !alert.expression.contains(['\n', '\t'])));
}
