//! Replays the golden vectors made by go-zero's own code: every file in `$MALL_VECTORS/governance`, or the copies kept
//! in `tests/vectors`. A file that no test here knows fails [`vectors_are_all_replayed`].

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use governance::breaker::{Breaker, Decision, Path, Permit};
use governance::limit::{PeriodReply, TokenBucket, TokenLimit, period_reply};
use governance::p2c::{Pick, Picker, Replica};
use governance::report::minute_report;
use governance::shedder::{Settings, Shedder};
use governance::window::{RollingWindow, Tally};
use governance::{Clock, Environment, ManualClock, Random, Silent, grpc_acceptable};
use serde_json::Value;

const FILES: [&str; 7] = [
    "breaker.json",
    "grpc_acceptable.json",
    "p2c.json",
    "redis_limit_lua.json",
    "rolling_window.json",
    "shedder.json",
    "stat_report.json",
];

fn folder() -> PathBuf {
    match std::env::var_os("MALL_VECTORS") {
        Some(folder) => PathBuf::from(folder).join("governance"),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"),
    }
}

fn load(file: &str) -> Value {
    let path = folder().join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn nanos(row: &Value, key: &str) -> Duration {
    Duration::from_nanos(row[key].as_u64().unwrap_or_else(|| panic!("{key} in {row}")))
}

/// `-1` stands for "never".
fn optional_nanos(row: &Value, key: &str) -> Option<Duration> {
    row[key].as_u64().map(Duration::from_nanos)
}

/// Equal but for the last binary digit, which the JSON reader may get wrong.
fn same(a: f64, expected: &Value) -> bool {
    expected.as_f64().is_some_and(|b| a.to_bits().abs_diff(b.to_bits()) <= 1)
}

/// Answers what the script says, and fails when it is asked for more.
#[derive(Default)]
struct Scripted {
    uniform: Mutex<Option<f64>>,
    below: Mutex<VecDeque<usize>>,
    asked: AtomicU32,
}

impl Random for Scripted {
    fn uniform(&self) -> f64 {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.uniform.lock().unwrap().expect("chance was asked where go-zero does not ask")
    }

    fn below(&self, bound: usize) -> usize {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let drawn = self.below.lock().unwrap().pop_front().expect("more draws than go-zero makes");
        assert!(drawn < bound);
        drawn
    }
}

fn environment(clock: &Arc<ManualClock>, random: &Arc<Scripted>) -> Environment {
    Environment {
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        random: Arc::clone(random) as Arc<dyn Random>,
        observer: Arc::new(Silent),
    }
}

#[test]
fn vectors_are_all_replayed() {
    let mut found: Vec<String> = std::fs::read_dir(folder())
        .expect("the vectors' folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name != "README.md")
        .collect();
    found.sort();
    assert_eq!(found, FILES);
}

#[test]
fn breaker_vectors() {
    let vectors = load("breaker.json");
    for (name, rows) in vectors["scenarios"].as_object().expect("scenarios") {
        let clock = Arc::new(ManualClock::new());
        let random = Arc::new(Scripted::default());
        let breaker = Breaker::new("client", name.as_str(), environment(&clock, &random));
        let mut permits: Vec<(u64, Permit)> = Vec::new();
        for (at, row) in rows.as_array().expect("rows").iter().enumerate() {
            clock.set(nanos(row, "t_ns"));
            let place = format!("{name} row {at}");
            let operation = row["op"].as_str().expect("op");
            let id = row["id"].as_u64().expect("id");
            if let "accept" | "reject" = operation {
                check_breaker_snapshot(&breaker.snapshot(), row, &place);
                let index = permits.iter().position(|(known, _)| *known == id).expect("an open promise");
                permits.swap_remove(index).1.resolve(operation == "accept");
                continue;
            }
            *random.uniform.lock().unwrap() = row["u"].as_f64();
            let answer = breaker.allow();
            let decision = match &answer {
                Ok(permit) => *permit.decision(),
                Err(rejected) => rejected.decision,
            };
            check_breaker_snapshot(&decision.snapshot, row, &place);
            check_breaker_decision(&decision, row, &place);
            assert_eq!(breaker.last_pass(), optional_nanos(row, "last_pass_ns_after"), "{place}");
            match (operation, answer) {
                ("do", Ok(permit)) => permit.resolve(row["ok"].as_bool().expect("ok")),
                ("allow", Ok(permit)) => permits.push((id, permit)),
                _ => {}
            }
        }
    }
}

fn check_breaker_snapshot(snapshot: &governance::breaker::Snapshot, row: &Value, place: &str) {
    let counts = [snapshot.accepts, snapshot.total, snapshot.failing, snapshot.working];
    let expected = ["accepts", "total", "failing_buckets", "working_buckets"].map(|key| row[key].as_i64().expect(key));
    assert_eq!(counts, expected, "{place}");
}

fn check_breaker_decision(decision: &Decision, row: &Value, place: &str) {
    let path = match decision.path {
        Path::BelowRatio => "ratio<=0",
        Path::Forced => "force-pass",
        Path::Lucky => "probabilistic-pass",
        Path::Dropped => "drop",
    };
    assert_eq!(Some(path), row["path"].as_str(), "{place}");
    let (weight, ratio) = (decision.snapshot.weight, decision.snapshot.ratio);
    assert!(
        same(weight, &row["weight"]) && same(ratio, &row["raw_drop_ratio"]),
        "{place}: weight {weight} ratio {ratio}"
    );
    match decision.asked {
        Some(asked) => assert!(same(asked, &row["asked_probability"]), "{place}: asked {asked}"),
        None => assert!(row["asked_probability"].is_null(), "{place}"),
    }
    assert_eq!(Some(decision.path != Path::Dropped), row["allowed"].as_bool(), "{place}");
}

#[test]
fn p2c_vectors() {
    let vectors = load("p2c.json");
    for (name, scenario) in vectors["scenarios"].as_object().expect("scenarios") {
        let clock = Arc::new(ManualClock::new());
        let random = Arc::new(Scripted::default());
        let count = scenario["conns"].as_u64().expect("conns");
        let replica = |n: u64| Replica { instance: format!("r/{n}").into(), address: format!("h:{n}").into() };
        let picker = Picker::new("r", (0..count).map(replica).collect(), environment(&clock, &random));
        let mut under_way: Vec<(u64, Pick)> = Vec::new();
        for (at, event) in scenario["events"].as_array().expect("events").iter().enumerate() {
            clock.set(nanos(event, "t_ns"));
            let place = format!("{name} event {at}");
            let id = event["id"].as_u64().expect("id");
            if event["ev"] == "pick" {
                let draws =
                    event["draws"].as_array().into_iter().flatten().flat_map(|pair| pair.as_array().expect("a pair"));
                *random.below.lock().unwrap() = draws.map(|drawn| drawn.as_u64().expect("a draw") as usize).collect();
                random.asked.store(0, Ordering::Relaxed);
                let pick = picker.pick().expect("a pick");
                assert_eq!(Some(pick.index() as u64), event["chosen"].as_u64(), "{place}");
                if let Some(pairs) = event["draw_pairs_used"].as_u64().filter(|_| count >= 3) {
                    assert_eq!(u64::from(random.asked.load(Ordering::Relaxed)), 2 * pairs, "{place}");
                }
                under_way.push((id, pick));
            } else {
                let index = under_way.iter().position(|(known, _)| *known == id).expect("a pick under way");
                let code = event["code"].as_i64().expect("code") as i32;
                under_way.swap_remove(index).1.done(grpc_acceptable(code));
            }
            check_connections(&picker, &event["conns_after"], &place);
        }
        // What is still under way when the script ends must not be judged as part of it.
        under_way.clear();
    }
}

fn check_connections(picker: &Picker, expected: &Value, place: &str) {
    for (known, row) in picker.statistics().iter().zip(expected.as_array().expect("connections")) {
        let counts = [known.lag_ns, known.inflight, known.success, known.requests, known.load()];
        let wanted = ["lag", "inflight", "success", "requests", "load"].map(|key| row[key].as_u64().expect(key));
        assert_eq!(counts, wanted, "{place}");
        assert_eq!(Some(known.is_healthy()), row["healthy"].as_bool(), "{place}");
        assert_eq!(known.last_done, optional_nanos(row, "last_ns"), "{place}");
        assert_eq!(known.last_pick, optional_nanos(row, "pick_ns"), "{place}");
    }
}

#[test]
fn shedder_vectors() {
    let vectors = load("shedder.json");
    for (name, scenario) in vectors["scenarios"].as_object().expect("scenarios") {
        let clock = Arc::new(ManualClock::new());
        let cpu = Arc::new(AtomicU32::new(0));
        let settings = Settings {
            window: Duration::from_millis(scenario["window_ms"].as_u64().expect("window_ms")),
            buckets: scenario["buckets"].as_u64().expect("buckets") as u32,
            cpu_threshold: scenario["cpu_threshold"].as_u64().expect("cpu_threshold") as u32,
        };
        let reading = Arc::clone(&cpu);
        let reader = Arc::new(move || reading.load(Ordering::Relaxed));
        let shedder = Shedder::new(settings, reader, environment(&clock, &Arc::new(Scripted::default())));
        let mut permits = Vec::new();
        for (at, row) in scenario["rows"].as_array().expect("rows").iter().enumerate() {
            clock.set(nanos(row, "t_ns"));
            cpu.store(row["cpu"].as_u64().expect("cpu") as u32, Ordering::Relaxed);
            let place = format!("{name} row {at}");
            let id = row["id"].as_u64().expect("id");
            if row["op"] == "allow" {
                let answer = shedder.allow();
                assert_eq!(Some(answer.is_ok()), row["allowed"].as_bool(), "{place}");
                permits.extend(answer.ok().map(|permit| (id, permit)));
            } else {
                let index = permits.iter().position(|(known, _)| *known == id).expect("an open promise");
                let permit = permits.swap_remove(index).1;
                if row["op"] == "pass" { permit.pass() } else { permit.fail() }
            }
            let known = shedder.snapshot();
            assert_eq!(
                (Some(known.flying), Some(known.max_pass)),
                (row["flying"].as_i64(), row["max_pass"].as_i64()),
                "{place}"
            );
            assert!(same(known.avg_flying, &row["avg_flying"]), "{place}: avg_flying {}", known.avg_flying);
            assert!(same(known.min_rt_ms, &row["min_rt_ms"]), "{place}: min_rt_ms {}", known.min_rt_ms);
            assert!(same(known.max_flight, &row["max_flight"]), "{place}: max_flight {}", known.max_flight);
            assert!(same(known.factor, &row["overload_factor"]), "{place}: factor {}", known.factor);
            assert_eq!(Some(known.dropped_recently), row["dropped_recently"].as_bool(), "{place}");
            assert_eq!(known.overloaded_at, optional_nanos(row, "overload_time_ns"), "{place}");
        }
    }
}

#[test]
fn rolling_window_vectors() {
    let vectors = load("rolling_window.json");
    for (index, scenario) in vectors["scenarios"].as_array().expect("scenarios").iter().enumerate() {
        let size = scenario["size"].as_u64().expect("size") as usize;
        let ignore_current = scenario["ignore_current"].as_bool().expect("ignore_current");
        let interval = nanos(scenario, "interval_ns");
        let mut window: RollingWindow<Tally> = RollingWindow::new(size, interval, ignore_current, Duration::ZERO);
        for (at, event) in scenario["events"].as_array().expect("events").iter().enumerate() {
            let now = nanos(event, "t_ns");
            if event["op"] == "add" {
                window.add(now, event["v"].as_i64().expect("v"));
            }
            let place = format!("scenario {index} event {at}");
            let visited: Vec<(i64, i64)> = window.visit(now).map(|bucket| (bucket.sum, bucket.count)).collect();
            let pair = |row: &Value| (row[0].as_i64().expect("sum"), row[1].as_i64().expect("count"));
            let expected: Vec<(i64, i64)> = event["reduce_after"].as_array().into_iter().flatten().map(pair).collect();
            assert_eq!(visited, expected, "{place}");
            let (offset, began) = window.position();
            assert_eq!(Some(offset as u64), event["offset_after"].as_u64(), "{place}");
            assert_eq!(began, nanos(event, "last_time_ns_after"), "{place}");
        }
    }
}

#[test]
fn grpc_acceptable_vectors() {
    let vectors = load("grpc_acceptable.json");
    for (code, acceptable) in vectors["acceptable_by_code"].as_object().expect("codes") {
        assert_eq!(Some(grpc_acceptable(code.parse().expect("a code"))), acceptable.as_bool(), "code {code}");
    }
}

#[test]
fn stat_report_vectors() {
    for (index, case) in load("stat_report.json").as_array().expect("cases").iter().enumerate() {
        let durations: Vec<u64> =
            case["durations_ns"].as_array().into_iter().flatten().map(|value| value.as_u64().expect("ns")).collect();
        let expected = &case["report"];
        let report = minute_report(&durations, case["drops"].as_u64().expect("drops"));
        let figures = [report.per_second, report.average, report.median, report.p90, report.p99, report.p999];
        let wanted = ["qps", "avg", "med", "t90", "t99", "t99p9"].map(|key| expected[key].as_f64().expect(key) as f32);
        assert!(
            figures.iter().zip(&wanted).all(|(a, b)| a.total_cmp(b).is_eq()),
            "case {index}: {figures:?} is not {wanted:?}"
        );
        assert_eq!(Some(report.drops), expected["drops"].as_u64(), "case {index}");
    }
}

#[test]
fn redis_limit_vectors() {
    let vectors = load("redis_limit_lua.json");
    for limit in vectors["period"].as_array().expect("period") {
        let quota = limit["quota"].as_u64().expect("quota");
        for call in limit["calls"].as_array().expect("calls") {
            let reply = match period_reply(call["value"].as_u64().expect("value"), quota) {
                PeriodReply::OverQuota => 0,
                PeriodReply::Allowed => 1,
                PeriodReply::HitQuota => 2,
            };
            assert_eq!(Some(reply), call["reply"].as_u64(), "{call}");
        }
    }
    for limit in vectors["token"].as_array().expect("token") {
        let number = |key: &str| limit[key].as_u64().expect("a whole number");
        let settings = TokenLimit { rate: number("rate"), burst: number("burst") };
        let mut stored: Option<TokenBucket> = None;
        for call in limit["calls"].as_array().expect("calls") {
            let now = call["now_unix_s"].as_u64().expect("now");
            let (allowed, after) = settings.take(stored, now, call["requested"].as_u64().expect("requested"));
            assert_eq!(Some(allowed), call["allowed"].as_bool(), "{call}");
            assert_eq!(Some(after.tokens.to_string().as_str()), call["tokens_after"].as_str(), "{call}");
            assert_eq!(Some(after.at_unix_s.to_string().as_str()), call["ts_after"].as_str(), "{call}");
            assert_eq!(Some(settings.ttl_s()), call["ttl_s"].as_u64(), "{call}");
            stored = Some(after);
        }
    }
}
