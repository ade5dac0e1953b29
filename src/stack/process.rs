//! What `/proc` says about a process: whether it is still the one we started, and what it uses.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// Ticks of `/proc/<pid>/stat` a second: the kernel's USER_HZ, fixed for programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process id with its start time, which together name one process of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Process id.
    pub pid: u32,
    /// Ticks between boot and the start of the process.
    pub start_ticks: u64,
}

/// What a process uses.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Resident bytes, shared pages counted in full.
    pub rss_bytes: u64,
    /// Resident bytes, a shared page counted by its share.
    pub pss_bytes: u64,
    /// Processor time so far, user and system.
    pub cpu_s: f64,
}

impl Mark {
    /// The mark of a living process.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        Some(Self { pid, start_ticks: stat.start_ticks })
    }

    /// The mark of this process.
    pub fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// Whether the same process still runs; a zombie does not.
    pub fn is_alive(self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.start_ticks == self.start_ticks && stat.state != 'Z')
    }

    /// Sends a signal, unless the id has gone to another process. Answers whether it was sent.
    pub fn signal(self, signal: Signal) -> bool {
        self.is_alive() && kill(Pid::from_raw(self.pid.cast_signed()), signal).is_ok()
    }

    /// What the process uses now; zeros when it is gone.
    pub fn usage(self) -> Usage {
        let Some(stat) = Stat::read(self.pid).filter(|stat| stat.start_ticks == self.start_ticks) else {
            return Usage::default();
        };
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).unwrap_or_default();
        Usage {
            rss_bytes: kib_field(&rollup, "Rss:"),
            pss_bytes: kib_field(&rollup, "Pss:"),
            cpu_s: stat.cpu_ticks as f64 / TICKS_PER_SECOND,
        }
    }
}

/// The id of this boot: process ids of another boot mean nothing.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// The command line of a process, blanks between arguments.
pub fn command_line(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&bytes).trim_end_matches('\0').replace('\0', " ");
    let text = if text.is_empty() { fs::read_to_string(format!("/proc/{pid}/comm")).ok()? } else { text };
    Some(collector_api::text::clean(text.trim()).into_owned())
}

struct Stat {
    state: char,
    start_ticks: u64,
    cpu_ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The command name may hold blanks and brackets, so counting starts behind the last bracket (proc(5)).
    fn parse(text: &str) -> Option<Self> {
        let (_, behind_name) = text.rsplit_once(')')?;
        let fields: Vec<&str> = behind_name.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            state: fields.first()?.chars().next()?,
            start_ticks: number(22)?,
            cpu_ticks: number(14)? + number(15)?,
        })
    }
}

fn kib_field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let text = "7 (a) b) c) S 1 7 7 0 -1 4194304 1 2 3 4 150 50 0 0 20 0 1 0 9876 1 2";
        let stat = Stat::parse(text).expect("parses");
        assert_eq!((stat.state, stat.start_ticks, stat.cpu_ticks), ('S', 9876, 200));
        assert!(Stat::parse("nonsense").is_none());
    }

    #[test]
    fn this_process_is_alive_and_uses_memory() {
        let own = Mark::own().expect("we run");
        assert!(own.is_alive());
        let usage = own.usage();
        assert!(usage.rss_bytes > 0 && usage.pss_bytes > 0 && usage.pss_bytes <= usage.rss_bytes);
        assert!(command_line(own.pid).is_some_and(|line| !line.is_empty()));
        assert!(!boot_id().is_empty());
    }

    #[test]
    fn a_reused_process_id_is_never_signalled() {
        let stranger = Mark { start_ticks: 1, ..Mark::own().expect("we run") };
        assert!(!stranger.is_alive());
        assert!(!stranger.signal(Signal::SIGKILL));
        assert_eq!(stranger.usage(), Usage::default());
    }
}
