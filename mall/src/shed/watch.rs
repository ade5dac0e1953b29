//! Measuring, four times a second, and go-zero's line once a minute.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::cgroup::{self, CgroupShare};
use super::gate::Counts;
use super::process::ProcessShare;
use super::{Place, Shedders};
use crate::config::ServiceConfig;

const INTERVAL: Duration = Duration::from_millis(250);
const SAMPLES_PER_MINUTE: u32 = 240;

/// What is measured.
enum Share {
    Process(ProcessShare),
    Cgroup(CgroupShare),
    Unknown,
}

impl Share {
    fn of(config: &ServiceConfig) -> Self {
        if config.mall.shed_by != "cgroup" {
            return Self::Process(ProcessShare::new(cgroup::quota()));
        }
        CgroupShare::new().map_or_else(
            || {
                tracing::warn!(
                    "the cgroup's processor time cannot be read: nothing is shed; set Mall.ShedBy to process"
                );
                Self::Unknown
            },
            Self::Cgroup,
        )
    }

    fn raw(&mut self) -> u32 {
        match self {
            Self::Process(share) => share.raw(),
            Self::Cgroup(share) => share.raw(),
            Self::Unknown => 0,
        }
    }
}

/// Keeps the processor share of `shedders` up to date until `stop`; ends at once in a process that has no gate.
pub(crate) async fn watch(config: &ServiceConfig, shedders: Shedders, stop: CancellationToken) {
    let gates = shedders.all();
    if gates.is_empty() {
        return;
    }
    let mut share = Share::of(config);
    let mut told: Vec<Counts> = gates.iter().map(|gate| gate.counts()).collect();
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut samples = 0;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        shedders.cpu().take(share.raw());
        samples += 1;
        if samples == SAMPLES_PER_MINUTE {
            samples = 0;
            for (gate, told) in gates.iter().zip(&mut told) {
                let now = gate.counts();
                if let Some(line) = minute(gate.place(), shedders.cpu().thousandths(), *told, now) {
                    tracing::info!(target: "stat", "{line}");
                }
                *told = now;
            }
        }
    }
}

/// go-zero's line about a minute; `None` about one without a request.
fn minute(place: Place, cpu: u32, before: Counts, now: Counts) -> Option<String> {
    let side = match place {
        Place::Http => "api",
        Place::HttpPriority => "api priority",
        Place::Rpc => "rpc",
    };
    let (pass, drop) = (now.answered - before.answered, now.drops - before.drops);
    let total = now.passes - before.passes + drop;
    let name = if drop == 0 { "shedding_stat" } else { "shedding_stat_drop" };
    (total > 0 || pass > 0)
        .then(|| format!("({side}) {name} [1m], cpu: {cpu}, total: {total}, pass: {pass}, drop: {drop}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_reads_as_in_go_zero() {
        let before = Counts { passes: 10, answered: 9, drops: 0 };
        let line = |now| minute(Place::Http, 412, before, now);
        let calm = "(api) shedding_stat [1m], cpu: 412, total: 5, pass: 4, drop: 0";
        assert_eq!(line(Counts { passes: 15, answered: 13, drops: 0 }).as_deref(), Some(calm));
        let busy = "(api) shedding_stat_drop [1m], cpu: 412, total: 8, pass: 4, drop: 3";
        assert_eq!(line(Counts { passes: 15, answered: 13, drops: 3 }).as_deref(), Some(busy));
        assert_eq!(line(before), None);
    }
}
