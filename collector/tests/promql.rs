//! PromQL against values worked out by hand, and refusals by name.

mod metric_feed;

use collector::alert::promql::{AGGREGATIONS, Expression, ExpressionError, FUNCTIONS, OPERATORS};
use collector::rollup::metrics::{MetricLimits, MetricStore};
use metric_feed::{answer, at, feed};

type Labels<'a> = &'a [(&'a str, &'a str)];

fn store(series: &[(&str, Labels<'_>, &[f64])]) -> MetricStore {
    let mut store = MetricStore::new(MetricLimits::default());
    for (name, labels, values) in series {
        let values: Vec<Option<f64>> = values.iter().map(|value| (!value.is_nan()).then_some(*value)).collect();
        feed(&mut store, name, labels, &values);
    }
    store
}

const GAP: f64 = f64::NAN;

#[track_caller]
fn assert_one(store: &MetricStore, expression: &str, second: f64, expected: f64) {
    match answer(store, expression, second).as_slice() {
        [(_, value)] => {
            let is_same = (value - expected).abs() < 1e-9
                || (value.is_nan() && expected.is_nan())
                || value.to_bits() == expected.to_bits();
            assert!(is_same, "{expression} is {value}, not {expected}");
        }
        other => panic!("{expression} is {other:?}, not one value"),
    }
}

#[test]
fn rates_are_extrapolated_to_the_ends_of_the_range() {
    let store = store(&[("c", &[], &[10.0, 11.0, 12.0, 13.0, 14.0, 15.0])]);
    // Samples at 3, 4 and 5 in (2.5, 5.5]: a rise of 2 over 2 s, half a second missing at each end.
    assert_one(&store, "increase(c[3s])", 5.5, 3.0);
    assert_one(&store, "rate(c[3s])", 5.5, 1.0);
    // The range reaches a minute back, but the series is only extrapolated by half a distance before its begin.
    assert_one(&store, "increase(c[1m])", 5.5, 5.0 * (5.0 + 0.5 + 0.5) / 5.0);
    assert_one(&store, "irate(c[1m])", 5.5, 1.0);
    assert_eq!(answer(&store, "rate(c[1s])", 5.5), [], "one sample has no rate");
}

#[test]
fn a_counter_is_not_extrapolated_to_before_zero() {
    let store = store(&[("c", &[], &[0.0, 10.0, 20.0])]);
    assert_one(&store, "increase(c[1m])", 2.5, 20.0 * 2.5 / 2.0);
    assert_one(&store, "delta(c[1m])", 2.5, 20.0 * 3.0 / 2.0);
}

#[test]
fn a_fall_of_a_counter_is_a_reset() {
    let store = store(&[("c", &[], &[100.0, 104.0, 1.0, 3.0])]);
    // 4, then 1 since the reset, then 2: 7 over 3 s, 0.5 s to the end, half a distance to the begin.
    assert_one(&store, "increase(c[1m])", 3.5, 7.0 * 4.0 / 3.0);
    assert_one(&store, "resets(c[1m])", 3.5, 1.0);
    assert_one(&store, "delta(c[1m])", 3.5, -97.0 * 4.0 / 3.0);
}

#[test]
fn a_range_is_open_at_its_begin_and_closed_at_its_end() {
    let store = store(&[("c", &[], &[1.0, 2.0, 3.0, 4.0])]);
    assert_one(&store, "count_over_time(c[2s])", 3.0, 2.0);
    assert_one(&store, "sum_over_time(c[2s])", 3.0, 7.0);
}

#[test]
fn a_value_stands_for_five_minutes() {
    let store = store(&[("g", &[], &[7.0])]);
    assert_one(&store, "g", 299.999, 7.0);
    assert_eq!(answer(&store, "g", 300.0), []);
    assert_one(&store, "g offset 1m", 359.0, 7.0);
}

#[test]
fn quantiles_interpolate_and_stop_at_the_highest_edge() {
    let bucket = |le| [("le", le)];
    let (low, mid, open) = (bucket("100"), bucket("1000"), bucket("+Inf"));
    let store = store(&[("h_bucket", &low, &[50.0]), ("h_bucket", &mid, &[90.0]), ("h_bucket", &open, &[100.0])]);
    assert_one(&store, "histogram_quantile(0.25, h_bucket)", 1.0, 50.0);
    assert_one(&store, "histogram_quantile(0.7, h_bucket)", 1.0, 100.0 + 900.0 * 20.0 / 40.0);
    assert_one(&store, "histogram_quantile(0.99, h_bucket)", 1.0, 1000.0);
    assert_one(&store, "histogram_quantile(0.99, h_bucket) >= 1000", 1.0, 1000.0);
    assert_eq!(answer(&store, "histogram_quantile(0.99, h_bucket) > 1000", 1.0), [], "which is why the rule says >=");
    assert_one(&store, "histogram_quantile(2, h_bucket)", 1.0, f64::INFINITY);
    assert_one(&store, "histogram_quantile(0.5, h_bucket{le!=\"+Inf\"})", 1.0, f64::NAN);
}

#[test]
fn a_comparison_with_nan_is_false() {
    let store = store(&[("a", &[], &[0.0]), ("b", &[], &[0.0])]);
    assert_one(&store, "a / b", 1.0, f64::NAN);
    assert_eq!(answer(&store, "a / b > 0.05", 1.0), []);
}

#[test]
fn matching_that_is_ambiguous_fails_with_the_labels() {
    let store =
        store(&[("a", &[("x", "1")], &[1.0]), ("a", &[("x", "2")], &[2.0]), ("b", &[], &[3.0]), ("d", &[], &[4.0])]);
    let failure = |text: &str| Expression::parse(text).expect(text).eval(&store, at(1.0)).expect_err(text).to_string();
    assert!(failure("b / on (job) a").contains("right side match {job=\"shop\"}"), "{}", failure("b / on (job) a"));
    assert!(failure("a / on (job) b").contains("left side"), "{}", failure("a / on (job) b"));
    let doubled = failure("abs({__name__=~\"b|d\"})");
    assert!(doubled.contains("two series of the result have the labels"), "{doubled}");
}

#[test]
fn a_gap_in_a_gauge_is_bridged_by_the_lookback() {
    let store = store(&[("g", &[], &[1.0, GAP, GAP, 4.0])]);
    assert_one(&store, "g", 2.0, 1.0);
    assert_one(&store, "g", 3.0, 4.0);
}

#[test]
fn what_is_not_evaluated_is_refused_by_name() {
    let table = [
        ("topk(3, a)", "aggregation topk"),
        ("quantile(0.9, a)", "aggregation quantile"),
        ("label_replace(a, \"x\", \"$1\", \"y\", \"(.*)\")", "function label_replace"),
        ("predict_linear(a[5m], 60)", "function predict_linear"),
        ("a * on (x) group_left b", "group_left"),
        ("a / on (x) group_right (y) b", "group_right"),
        ("rate(a[5m:10s])", "a subquery"),
        ("a @ 10", "the @ modifier"),
        ("a atan2 b", "operator atan2"),
        ("a offset -5s", "a negative offset"),
        ("rate(a[1h])", "reaching back 3600 s"),
        ("a offset 11m", "reaching back 660 s"),
        ("\"text\"", "a text"),
    ];
    for (expression, name) in table {
        match Expression::parse(expression) {
            Err(ExpressionError::Unsupported(what)) => assert!(what.contains(name), "{expression}: {what}"),
            other => panic!("{expression} gave {other:?}"),
        }
    }
    assert!(matches!(Expression::parse("a[5m]"), Err(ExpressionError::Unsupported(_))));
    assert!(matches!(Expression::parse("rate(a)"), Err(ExpressionError::Syntax(_))));
    assert!(matches!(Expression::parse("sum(a"), Err(ExpressionError::Syntax(_))));
}

#[test]
fn nesting_is_bounded() {
    assert!(Expression::parse(&format!("{}a{}", "(".repeat(2_000), ")".repeat(2_000))).is_err());
    assert!(Expression::parse(&"a+".repeat(5_000)).is_err());
}

#[test]
fn the_document_lists_what_is_supported() {
    let document = include_str!("../../docs/alerts.md");
    let words: Vec<&str> = document.split(|c: char| c.is_whitespace() || matches!(c, '`' | ',' | '|')).collect();
    for name in FUNCTIONS.iter().chain(AGGREGATIONS).chain(OPERATORS) {
        assert!(words.contains(name), "docs/alerts.md does not list {name}");
    }
}
