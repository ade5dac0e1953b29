//! Every figure on a screen is the figure of what happened, and of every other figure.

use crate::capture;
use crate::model::Model;
use crate::simulate::{Drill, FAULT_AT, Shop, Tally};
use crate::tests::resilience::in_panel;
use crate::theme::{Depth, Theme};
use crate::view::overview::{cause_parts, layout};
use crate::{Format, Screen, fmt};

fn text(model: &Model, screen: Screen) -> String {
    let mut model = model.clone();
    model.screen = screen;
    model.theme = Theme::new(Depth::None, true);
    capture::snapshot(&model, (200, 60), Format::Text)
}

#[test]
fn the_cause_panel_sums_to_a_hundred() {
    for drill in [Drill::None, Drill::SlowReplica, Drill::FastFail, Drill::Brownout] {
        let cohort = Shop::run(drill, FAULT_AT + 8).cohort();
        assert_eq!(cohort.segments.iter().map(|segment| segment.sum_ns).sum::<u64>(), cohort.sum_ns);
        for rows in 1..9 {
            let parts = cause_parts(&cohort, rows);
            assert_eq!(parts.iter().map(|(.., share)| share).sum::<u32>(), 100);
            assert_eq!(parts.iter().map(|(_, sum, _)| sum).sum::<u64>(), cohort.sum_ns);
        }
    }
}

#[test]
fn rates_and_errors_are_those_of_the_last_ten_seconds() {
    let shop = Shop::run(Drill::Brownout, FAULT_AT + 20);
    let window = &shop.tallies[shop.tallies.len() - 10..];
    let requests: u64 = window.iter().map(|tally| tally.requests).sum();
    let failed: u64 = window.iter().map(|tally| tally.failed).sum();
    let screen = text(&shop.model(), Screen::Overview);
    assert!(
        screen.contains(&format!(
            "{}  {} of {}",
            fmt::percent1(failed as f64 / requests as f64),
            fmt::count(failed),
            fmt::count(requests)
        )),
        "{screen}"
    );
    assert!(screen.contains(&fmt::rate(requests as f64 / 10.0)));
}

#[test]
fn the_breaker_ledger_adds_up_and_its_ratio_is_go_zeros() {
    let shop = Shop::run(Drill::Brownout, FAULT_AT + 20);
    let pay = shop.breakers().breakers.remove(0);
    let ratio = ((pay.total - 5.0) - pay.weight * pay.accepts) / (pay.total + 1.0);
    assert!((ratio - pay.ratio).abs() < 1e-9 && pay.rejected > 0);
    let screen = text(&shop.model(), Screen::Resilience);
    let ledger = format!(
        "ok {} + failed {} + rejected {} = {}",
        fmt::count(pay.ok),
        fmt::count(pay.failed),
        fmt::count(pay.rejected),
        fmt::count(pay.ok + pay.failed + pay.rejected)
    );
    assert!(screen.contains(&ledger), "{screen}");
    assert!(screen.contains(&format!("THROTTLING drop {}", fmt::percent(ratio))), "{screen}");
}

#[test]
fn balance_shows_the_shares_and_loads_of_the_picks() {
    let shop = Shop::run(Drill::SlowReplica, FAULT_AT + 20);
    let replicas = shop.balance().services.remove(0).replicas;
    let screen = text(&shop.model(), Screen::Resilience);
    let shares = fmt::shares(&replicas.iter().map(|replica| replica.picks).collect::<Vec<_>>());
    assert_eq!(shares.iter().sum::<u32>(), 100);
    for (replica, share) in replicas.iter().zip(shares) {
        let load = (replica.ewma_ns + 1.0).sqrt().floor() * (replica.inflight + 1.0);
        let line = screen
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("/{}", &replica.instance[8..])))
            .unwrap_or_default();
        assert!(line.contains(&format!("{share} %")) && line.contains(&fmt::count(load as u64)), "{line}");
    }
}

#[test]
fn what_is_known_of_a_shedder_and_a_limit_is_what_they_refused() {
    let shop = Shop::run(Drill::Overload, FAULT_AT + 12);
    let window = &shop.tallies[shop.tallies.len() - 10..];
    let asked: u64 = window.iter().map(|tally| tally.requests - tally.refused.1).sum();
    let sum = |tallies: &[Tally], part: fn(&Tally) -> u64| tallies.iter().map(part).sum::<u64>();
    let shed = |tally: &Tally| tally.refused.0;
    let drops = sum(window, shed);
    let screen = text(&in_panel(2), Screen::Resilience);
    let ledger = format!("passes {} + drops {} = {}", fmt::count(asked - drops), fmt::count(drops), fmt::count(asked));
    for wanted in [
        ledger,
        format!("drops {} since start", fmt::count(sum(&shop.tallies, shed))),
        format!("drops {} in 10 s", fmt::percent1(drops as f64 / asked as f64)),
        format!("most in one second {}", window.iter().map(shed).max().unwrap_or(0)),
        "cpu 94.3 % >= 90.0 %  flying 61 > limit 48.0  average 58.2 > limit 48.0".to_owned(),
    ] {
        assert!(screen.contains(&wanted), "{wanted} misses:\n{screen}");
    }
    let limited = |tally: &Tally| tally.refused.1;
    let screen = text(&in_panel(3), Screen::Resilience);
    for wanted in [
        format!("refused {} = {} in 10 s", sum(window, limited), fmt::count(3_200 + sum(window, limited))),
        format!("refused {} since start", sum(&shop.tallies, limited)),
        "counts per user  rescued 0 in 10 s".to_owned(),
    ] {
        assert!(screen.contains(&wanted), "{wanted} misses:\n{screen}");
    }
}

#[test]
fn a_column_is_the_same_second_on_every_lane_and_on_the_map() {
    let shop = Shop::run(Drill::SlowReplica, FAULT_AT + 8);
    let mut model = shop.model();
    for size in [(80, 24), (120, 40), (200, 60)] {
        model.size = size;
        let layout = layout::of(&model);
        let begin = crate::simulate::BEGIN_S + FAULT_AT;
        let column = layout::LABEL + layout.axis.column_of(begin).expect("the fault is on the axis");
        let screen = text_at(&model, size);
        let rows: Vec<Vec<char>> = screen.lines().map(|line| line.chars().collect()).collect();
        let lane = |name: &str| {
            rows.iter()
                .find(|row| row.iter().collect::<String>().trim_start().starts_with(name))
                .expect("the lane is drawn")
        };
        assert_eq!(lane("fault").get(usize::from(column)), Some(&'['), "{screen}");
        assert_eq!(lane("share").get(usize::from(column)), Some(&'v'), "{screen}");
        assert_ne!(lane("share").get(usize::from(column) - 1), Some(&'v'), "{screen}");
        let slow = rows
            .iter()
            .find(|row| row.iter().collect::<String>().trim_start().starts_with("250 ms"))
            .expect("the band is drawn");
        let marks = |row: &[char], from: u16| {
            row[usize::from(from)..usize::from(layout::LABEL + layout.axis.columns)]
                .iter()
                .filter(|c| **c != ' ')
                .count()
        };
        assert!(marks(slow, column) > 0, "{screen}");
        let before = &slow[usize::from(layout::LABEL)..usize::from(column)];
        assert!(before.iter().all(|c| *c == ' '), "slow requests before the fault:\n{screen}");
    }
}

fn text_at(model: &Model, size: (u16, u16)) -> String {
    let mut model = model.clone();
    model.theme = Theme::new(Depth::None, true);
    capture::snapshot(&model, size, Format::Text)
}
