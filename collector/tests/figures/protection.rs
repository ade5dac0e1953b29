//! Shedders and limits, from the metrics of their processes.

use crate::stage::{S, Stage, attribute, counter, gauge};

fn limit(name: &str, per: &str) -> Vec<collector::model::Attribute> {
    vec![attribute("limiter", name), attribute("key", per)]
}

#[test]
fn a_shedder_is_told_with_what_it_did_in_the_window() {
    let stage = Stage::new(1 << 20);
    let export = |at: u64, passes: f64, drops: f64, cpu: f64| {
        stage.send_points([
            gauge("gateway", "shed.cpu", Vec::new(), at, cpu),
            gauge("gateway", "shed.cpu_threshold", Vec::new(), at, 900.0),
            gauge("gateway", "shed.flying", Vec::new(), at, 61.0),
            gauge("gateway", "shed.avg_flying", Vec::new(), at, 58.0),
            gauge("gateway", "shed.limit", Vec::new(), at, 48.0),
            counter("gateway", "shed.passes", Vec::new(), at, passes),
            counter("gateway", "shed.drops", Vec::new(), at, drops),
        ]);
    };
    export(S, 100.0, 7.0, 400.0);
    export(20 * S, 300.0, 57.0, 950.0);
    stage.at(20 * S);
    let reply = stage.hub.refusals(0, 10);
    let [shedder] = reply.shedders.as_slice() else { panic!("{reply:?}") };
    assert_eq!((shedder.service.as_str(), shedder.instance.as_str()), ("gateway", "gateway"));
    assert_eq!((shedder.cpu, shedder.cpu_threshold, shedder.limit), (950.0, 900.0, 48.0));
    assert_eq!((shedder.flying, shedder.avg_flying), (61.0, 58.0));
    assert_eq!((shedder.passes, shedder.drops, shedder.drops_total), (200, 50, 57));
    assert_eq!(shedder.series.len(), 60);
    assert_eq!((shedder.series[59], shedder.series[40], shedder.series.iter().sum::<u64>()), (50, 7, 57));
    stage.at(31 * S);
    assert!(stage.hub.refusals(0, 10).shedders.is_empty(), "the process fell silent");
}

#[test]
fn limits_are_told_apart_and_say_what_they_count_by() {
    let stage = Stage::new(1 << 20);
    stage.send_points([
        counter("gateway", "limiter.passes", limit("order-create", "user"), S, 90.0),
        counter("gateway", "limiter.rejections", limit("order-create", "user"), S, 10.0),
        counter("gateway", "limiter.rescues", limit("order-create", "user"), S, 4.0),
        counter("gateway", "limiter.rejections", limit("max_connections", "route"), S, 0.0),
    ]);
    stage.at(2 * S);
    let reply = stage.hub.refusals(0, 10);
    let names: Vec<_> = reply.limits.iter().map(|limit| limit.name.as_str()).collect();
    assert_eq!(names, ["max_connections", "order-create"]);
    let [idle, busy] = reply.limits.as_slice() else { panic!("{reply:?}") };
    assert_eq!((idle.passes, idle.rejections, idle.per.as_str()), (0, 0, "route"));
    assert_eq!((busy.passes, busy.rejections, busy.rescues, busy.per.as_str()), (90, 10, 4, "user"));
}

#[test]
fn two_limits_of_one_route_are_two_rows() {
    let stage = Stage::new(1 << 20);
    let login = |per: &str, at: u64, passes: f64, rejections: f64| {
        let limit = || limit("POST /api/user/login", per);
        stage.send_points([
            counter("gateway", "limiter.passes", limit(), at, passes),
            counter("gateway", "limiter.rejections", limit(), at, rejections),
        ]);
    };
    for (at, factor) in [(S, 1.0), (2 * S, 2.0)] {
        login("route", at, 50.0 * factor, 1.0 * factor);
        login("user", at, 40.0 * factor, 10.0 * factor);
    }
    stage.at(2 * S);
    let limits = stage.hub.refusals(0, 10).limits;
    let told: Vec<_> = limits.iter().map(|one| (one.per.as_str(), one.passes, one.rejections_total)).collect();
    assert_eq!(told, [("route", 100, 2), ("user", 80, 20)]);
    assert!(limits.iter().all(|one| one.name == "POST /api/user/login"));
}

#[test]
fn a_counter_that_is_split_by_attributes_is_added_up() {
    let stage = Stage::new(1 << 20);
    let drops = |place: &str, at: u64, value: f64| {
        counter("gateway", "shed.drops", vec![attribute("reason", place)], at, value)
    };
    stage.send_points([drops("a", S, 5.0), drops("b", S, 3.0), drops("a", 2 * S, 6.0), drops("b", 2 * S, 3.0)]);
    stage.at(2 * S);
    assert_eq!(stage.hub.refusals(0, 10).shedders[0].drops_total, 9);
}

#[test]
fn shedders_of_one_process_are_told_apart_by_place() {
    let stage = Stage::new(1 << 20);
    let drops =
        |place: &str, value: f64| counter("gateway", "shed.drops", vec![attribute("shed.place", place)], S, value);
    stage.send_points([drops("http", 9.0), drops("http-priority", 1.0)]);
    stage.at(2 * S);
    let shedders = stage.hub.refusals(0, 10).shedders;
    let told: Vec<_> = shedders.iter().map(|shedder| (shedder.place.as_str(), shedder.drops)).collect();
    assert_eq!(told, [("http", 9), ("http-priority", 1)]);
}
