//! PromQL and alert states against Prometheus' own `promtool`, when it is there.
//!
//! `$PROMTOOL`, or `promtool` on the path, is given the same series; without it the tests say by name that they are
//! skipped. Prometheus 2 closes ranges at both ends and Prometheus 3 opens their begin, so nothing is asked at an instant
//! that a sample has.

mod metric_feed;

use std::fmt::Write as _;
use std::process::Command;

use collector::alert::{Evaluator, Rules};
use collector::rollup::metrics::{MetricLimits, MetricStore};
use collector_api::console::AlertState;
use metric_feed::{BEGIN, SECOND, answer, at, feed};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const TARGET: &str = r#"instance="shop/1",job="shop""#;

/// Runs `promtool test rules`; `None` when there is no promtool.
fn promtool(test: &str, folder: &std::path::Path, files: &[(&str, &str)]) -> Option<String> {
    let program = std::env::var_os("PROMTOOL").unwrap_or_else(|| "promtool".into());
    if Command::new(&program).arg("--version").output().is_err() {
        println!("skipped: {test} (no promtool on the path and none in $PROMTOOL)");
        return None;
    }
    for (name, text) in files {
        std::fs::write(folder.join(name), text).expect("a writable folder");
    }
    let output =
        Command::new(&program).args(["test", "rules", "test.yml"]).current_dir(folder).output().expect("promtool runs");
    // Every expectation is wrong on purpose, so that promtool says what it got.
    Some(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

/// What promtool got, one entry per question, in order.
fn answers(output: &str) -> Vec<Vec<(String, f64)>> {
    let parts = regex::Regex::new(r#"\{(?:__name__="([^"]*)"(?:, )?)?([^}]*)\} (\S+?)(?:, |$)"#).expect("a pattern");
    let got = output.lines().filter_map(|line| line.trim().strip_prefix("got:"));
    got.map(|line| {
        let mut answer: Vec<(String, f64)> = parts
            .captures_iter(line.trim())
            .map(|part| {
                (
                    format!("{}{{{}}}", part.get(1).map_or("", |name| name.as_str()), &part[2]),
                    part[3].parse().expect("a number"),
                )
            })
            .collect();
        answer.sort_by(|one, other| one.0.cmp(&other.0));
        answer
    })
    .collect()
}

#[derive(Debug)]
struct Series {
    name: &'static str,
    labels: Vec<(&'static str, String)>,
    values: Vec<Option<f64>>,
}

impl Series {
    fn selector(&self) -> String {
        let own: String = self.labels.iter().fold(String::new(), |mut text, (name, value)| {
            let _ = write!(text, r#",{name}="{value}""#);
            text
        });
        format!("{}{{{TARGET}{own}}}", self.name)
    }

    fn values(&self) -> String {
        let text = |value: &Option<f64>| value.map_or("_".to_owned(), |value| value.to_string());
        self.values.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    fn feed(&self, store: &mut MetricStore) {
        let labels: Vec<(&str, &str)> = self.labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        feed(store, self.name, &labels, &self.values);
    }
}

const SECONDS: usize = 40;

/// A counter: from zero with resets, or far from zero with gaps, where Prometheus 2 and 3 extrapolate alike.
fn counter() -> impl Strategy<Value = Vec<Option<f64>>> {
    let resetting = prop::collection::vec((0_u32..6, prop::bool::weighted(0.05)), SECONDS).prop_map(|steps| {
        let mut total = 0.0;
        let mut step = |(by, resets): (u32, bool)| {
            let value = if resets { 0.0 } else { total };
            total = value + f64::from(by);
            Some(value)
        };
        steps.into_iter().map(&mut step).collect::<Vec<_>>()
    });
    let gapped = prop::collection::vec((0_u32..6, prop::bool::weighted(0.3)), SECONDS).prop_map(|steps| {
        let mut value = 10_000.0;
        let mut step = |(by, is_gap): (u32, bool)| {
            value += f64::from(by);
            (!is_gap).then_some(value)
        };
        steps.into_iter().map(&mut step).collect::<Vec<_>>()
    });
    prop_oneof![resetting, gapped]
}

fn gauge() -> impl Strategy<Value = Vec<Option<f64>>> {
    prop::collection::vec(prop::option::weighted(0.8, (-20_i32..20).prop_map(|n| f64::from(n) / 4.0)), SECONDS)
}

fn histogram() -> impl Strategy<Value = Vec<Vec<Option<f64>>>> {
    prop::collection::vec(prop::collection::vec(0_u32..5, 4), SECONDS).prop_map(|steps| {
        let mut totals = [0.0_f64; 4];
        let mut buckets = vec![Vec::new(); 4];
        for step in steps {
            let mut at_most = 0.0;
            for ((total, bucket), by) in totals.iter_mut().zip(&mut buckets).zip(step) {
                at_most += *total;
                bucket.push(Some(at_most));
                *total += f64::from(by);
            }
        }
        buckets
    })
}

fn series() -> impl Strategy<Value = Vec<Series>> {
    (prop::collection::vec(counter(), 4), prop::collection::vec(gauge(), 4), prop::collection::vec(histogram(), 2))
        .prop_map(|(counters, gauges, histograms)| {
            let mut all = Vec::new();
            for (number, values) in counters.into_iter().enumerate() {
                let labels =
                    vec![("path", format!("/{}", number / 2)), ("code", format!("{}00", 2 + 3 * (number % 2)))];
                all.push(Series { name: "c_total", labels, values });
            }
            for (number, values) in gauges.into_iter().enumerate() {
                let name = if number < 2 { "a" } else { "b" };
                all.push(Series { name, labels: vec![("path", format!("/{}", number % 2))], values });
            }
            for (number, buckets) in histograms.into_iter().enumerate() {
                for (values, bound) in buckets.into_iter().zip(["0.5", "1", "1000", "+Inf"]) {
                    let labels = vec![("path", format!("/{number}")), ("le", bound.to_owned())];
                    all.push(Series { name: "h_bucket", labels, values });
                }
            }
            all
        })
}

const EXPRESSIONS: &[&str] = &[
    "a",
    "a{path!=\"/0\"} offset 3s",
    "{__name__=~\"a|b\", path=\"/1\"}",
    "rate(c_total[10s])",
    "rate(c_total[1m])",
    "increase(c_total[7s])",
    "increase(c_total{code=~\"5..\"}[15s] offset 5s)",
    "delta(a[12s])",
    "irate(c_total[10s])",
    "sum by (path) (rate(c_total{code=~\"5..\"}[10s])) / sum by (path) (rate(c_total[10s])) > 0.05",
    "sum(rate(c_total[10s])) by (path) > 0.1 and sum by (path) (rate(c_total[20s])) > 0.2",
    "avg without (code) (c_total)",
    "min by (code) (a)",
    "max(b)",
    "count by (path) ({__name__=~\"a|b\"})",
    "group(a)",
    "histogram_quantile(0.99, sum by (le, path) (rate(h_bucket[10s])))",
    "histogram_quantile(0.5, h_bucket)",
    "histogram_quantile(0.2, sum by (le) (increase(h_bucket[20s])))",
    "a > 1",
    "a > bool 1",
    "1 < a",
    "a == b",
    "a != bool b",
    "a / b",
    "a * on (path) b",
    "a - ignoring (job) b",
    "a and b",
    "a and on (path) c_total{code=\"200\"} > 50",
    "a or b",
    "a unless b > 0",
    "-a + 2 ^ 3 % 5",
    "absent(a)",
    "absent(nothing{path=\"/9\", job=~\"x\"})",
    "vector(3) * 2",
    "scalar(a{path=\"/0\"}) + 1",
    "a + scalar(b)",
    "clamp_min(a, 0.5)",
    "clamp_max(clamp(a, -1, 2), 1.5)",
    "abs(floor(a))",
    "ceil(a)",
    "avg_over_time(a[9s])",
    "min_over_time(a[9s])",
    "max_over_time(a[9s])",
    "sum_over_time(a[9s])",
    "count_over_time(a[9s])",
    "last_over_time(a[9s])",
    "changes(a[20s])",
    "resets(c_total[30s])",
];

#[test]
fn promtool_gives_the_same_values() {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let sets: Vec<Vec<Series>> = (0..12).map(|_| series().new_tree(&mut runner).expect("series").current()).collect();
    let mut yaml = String::from("evaluation_interval: 1s\ntests:\n");
    for set in &sets {
        yaml.push_str("  - interval: 1s\n    input_series:\n");
        for series in set {
            let _ = write!(yaml, "      - series: '{}'\n        values: '{}'\n", series.selector(), series.values());
        }
        yaml.push_str("    promql_expr_test:\n");
        for (expression, second) in questions() {
            let _ = write!(
                yaml,
                "      - expr: '{expression}'\n        eval_time: {}ms\n        exp_samples: [{{labels: '{{wrong=\"yes\"}}', value: 0}}]\n",
                second * 1e3
            );
        }
    }
    let folder = tempfile();
    let Some(output) = promtool("promtool_gives_the_same_values", &folder, &[("test.yml", &yaml)]) else { return };
    let theirs = answers(&output);
    assert_eq!(theirs.len(), sets.len() * questions().count(), "an answer to each question in:\n{output}");
    let telling = theirs.iter().filter(|answer| !answer.is_empty()).count();
    assert!(telling * 4 > theirs.len() * 3, "most questions have an answer");
    let mut theirs = theirs.into_iter();
    for (number, set) in sets.iter().enumerate() {
        let mut store = MetricStore::new(MetricLimits::default());
        for series in set {
            series.feed(&mut store);
        }
        for ((expression, second), theirs) in questions().zip(theirs.by_ref()) {
            let mut ours = answer(&store, expression, second);
            ours.sort_by(|one, other| one.0.cmp(&other.0));
            assert!(
                agree(&ours, &theirs),
                "set {number}: {expression} at {second} s\n  ours {ours:?}\ntheirs {theirs:?}"
            );
        }
    }
    println!("{} answers agree with promtool", sets.len() * questions().count());
}

fn questions() -> impl Iterator<Item = (&'static str, f64)> {
    [6.5, 21.5, 38.7, 45.2]
        .into_iter()
        .flat_map(|second| EXPRESSIONS.iter().map(move |expression| (*expression, second)))
}

fn agree(ours: &[(String, f64)], theirs: &[(String, f64)]) -> bool {
    let near = |one: f64, other: f64| {
        one.to_bits() == other.to_bits()
            || (one.is_nan() && other.is_nan())
            || (one - other).abs() <= 1e-9 * one.abs().max(1.0)
    };
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(one, other)| one.0 == other.0 && near(one.1, other.1))
}

fn tempfile() -> std::path::PathBuf {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "promtool-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::create_dir_all(&folder).expect("a folder for promtool");
    folder
}

const RULES: &str = "
groups:
  - name: g
    interval: 1s
    rules:
      - {alert: AtOnce, expr: 'a > 2'}
      - {alert: Held, expr: 'a > 1', for: 3s, labels: {severity: 'level {{ $labels.path }}'}}
      - {alert: Kept, expr: 'a > 1', for: 2s, keep_firing_for: 4s}
";

#[test]
fn promtool_goes_through_the_same_alert_states() {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let sets: Vec<Vec<Series>> = (0..10)
        .map(|_| {
            let waves = prop::collection::vec((0_u32..4, 1_usize..7), 12).prop_map(|waves| {
                let values = waves.into_iter().flat_map(|(level, length)| vec![Some(f64::from(level)); length]);
                values.take(SECONDS).collect::<Vec<_>>()
            });
            let values = prop::collection::vec(waves, 2).new_tree(&mut runner).expect("series").current();
            let one = |(number, values)| Series { name: "a", labels: vec![("path", format!("/{number}"))], values };
            values.into_iter().enumerate().map(one).collect()
        })
        .collect();
    let mut yaml = String::from("rule_files: [rules.yml]\nevaluation_interval: 1s\ntests:\n");
    for set in &sets {
        yaml.push_str("  - interval: 1s\n    input_series:\n");
        for series in set {
            let _ = write!(yaml, "      - series: '{}'\n        values: '{}'\n", series.selector(), series.values());
        }
        yaml.push_str("    promql_expr_test:\n");
        for second in 0..SECONDS {
            let _ = write!(
                yaml,
                "      - expr: 'ALERTS'\n        eval_time: {second}s\n        exp_samples: [{{labels: '{{wrong=\"yes\"}}', value: 0}}]\n"
            );
        }
    }
    let folder = tempfile();
    let Some(output) =
        promtool("promtool_goes_through_the_same_alert_states", &folder, &[("test.yml", &yaml), ("rules.yml", RULES)])
    else {
        return;
    };
    let theirs = answers(&output);
    assert_eq!(theirs.len(), sets.len() * SECONDS, "an answer to each question in:\n{output}");
    let mut theirs = theirs.into_iter();
    for (number, set) in sets.iter().enumerate() {
        let mut store = MetricStore::new(MetricLimits::default());
        for series in set {
            series.feed(&mut store);
        }
        let mut evaluator = Evaluator::new(Rules::parse("rules.yml", RULES).expect("rules"));
        for (second, theirs) in (0..SECONDS).zip(theirs.by_ref()) {
            evaluator.eval(BEGIN + second as u64 * SECOND, &store);
            let ours = states(&evaluator);
            let theirs: Vec<String> = theirs.into_iter().map(|(labels, _)| labels).collect();
            assert_eq!(ours, theirs, "set {number} at {second} s");
        }
    }
    assert_eq!(at(1.0), BEGIN + SECOND);
}

/// Active alerts as Prometheus' `ALERTS` series.
fn states(evaluator: &Evaluator) -> Vec<String> {
    let mut states = Vec::new();
    for alert in evaluator.alerts() {
        let state = match alert.state() {
            AlertState::Pending => "pending",
            AlertState::Firing => "firing",
            _ => continue,
        };
        let mut labels: Vec<(String, String)> = alert.labels.into_iter().collect();
        labels.push(("alertstate".to_owned(), state.to_owned()));
        labels.sort();
        let text: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        states.push(format!("ALERTS{{{}}}", text.join(", ")));
    }
    states.sort();
    states
}
