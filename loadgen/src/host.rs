//! The machine during a run: who used the processors, and how much of them was taken away.

use crate::hooks::StackSnapshot;

/// Clock ticks per second in /proc on every Linux that matters.
const TICKS_PER_S: f64 = 100.0;

/// Figures of the machine at one instant. Zero where there is no /proc.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// Processor time of this process, seconds.
    pub own_cpu_s: f64,
    /// All ticks of all processors since boot.
    pub total_ticks: u64,
    /// Of these, stolen by the hypervisor.
    pub steal_ticks: u64,
}

impl Sample {
    /// The machine now.
    pub fn take() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let own = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let (total_ticks, steal_ticks) = machine_ticks(&stat);
        Self { own_cpu_s: process_ticks(&own) as f64 / TICKS_PER_S, total_ticks, steal_ticks }
    }
}

/// Shares of the machine's processors during a run, in `[0, 1]`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct HostShare {
    /// This process.
    pub loadgen: f64,
    /// The process that holds the collector.
    pub collector: f64,
    /// Consoles.
    pub console: f64,
    /// Every service of the shop.
    pub shop: f64,
    /// Time that the hypervisor gave to others.
    pub steal: f64,
}

/// Compares two instants.
pub fn share(before: Sample, after: Sample, stack: Option<(&StackSnapshot, &StackSnapshot)>) -> HostShare {
    let ticks = after.total_ticks.saturating_sub(before.total_ticks) as f64;
    if ticks <= 0.0 {
        return HostShare::default();
    }
    let of_machine = |cpu_s: f64| (cpu_s.max(0.0) * TICKS_PER_S / ticks).min(1.0);
    let mut share = HostShare {
        loadgen: of_machine(after.own_cpu_s - before.own_cpu_s),
        steal: after.steal_ticks.saturating_sub(before.steal_ticks) as f64 / ticks,
        ..HostShare::default()
    };
    let Some((begin, end)) = stack else { return share };
    for process in &end.processes {
        let same =
            |other: &&crate::hooks::ProcessSnapshot| other.role == process.role && other.replica == process.replica;
        let before_s = begin.processes.iter().find(same).map_or(0.0, |earlier| earlier.cpu_s);
        // A process that was restarted began again at zero.
        let used = of_machine(if process.cpu_s >= before_s { process.cpu_s - before_s } else { process.cpu_s });
        match process.role.as_str() {
            "supervisor" | "collector" => share.collector += used,
            "console" => share.console += used,
            "load" | "loadgen" => {}
            _ => share.shop += used,
        }
    }
    share
}

/// All ticks and stolen ticks of the first line of /proc/stat. Guest time is part of user time already.
fn machine_ticks(stat: &str) -> (u64, u64) {
    let first = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = first.split_whitespace().skip(1).take(8).filter_map(|field| field.parse().ok()).collect();
    (ticks.iter().sum(), ticks.get(7).copied().unwrap_or(0))
}

/// User and system ticks of a /proc/PID/stat line; the name in it may hold spaces and brackets.
fn process_ticks(stat: &str) -> u64 {
    let Some((_, fields)) = stat.rsplit_once(')') else { return 0 };
    fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hooks::ProcessSnapshot;

    #[test]
    fn ticks_are_read_from_their_columns() {
        assert_eq!(machine_ticks("cpu  10 1 5 80 2 0 1 7 0 0\ncpu0 1 2"), (106, 7));
        assert_eq!(process_ticks("42 (a b) c) S 1 42 42 0 -1 4 100 0 0 0 250 50 0 0 20 0"), 300);
        assert_eq!(process_ticks(""), 0);
    }

    #[test]
    fn shares_are_of_the_whole_machine() {
        let before = Sample { own_cpu_s: 1.0, total_ticks: 1_000, steal_ticks: 10 };
        let after = Sample { own_cpu_s: 2.0, total_ticks: 2_000, steal_ticks: 60 };
        let stack = |cpu_s| StackSnapshot {
            processes: vec![ProcessSnapshot {
                role: "pay-rpc".into(),
                replica: 1,
                cpu_s,
                ..ProcessSnapshot::default()
            }],
            ..StackSnapshot::default()
        };
        let share = share(before, after, Some((&stack(3.0), &stack(5.0))));
        assert!(
            (share.loadgen - 0.1).abs() < 1e-9 && (share.steal - 0.05).abs() < 1e-9 && (share.shop - 0.2).abs() < 1e-9
        );
    }
}
