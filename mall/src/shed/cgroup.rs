//! The processor share of the whole cgroup, as go-zero measures it.
//!
//! ```text
//! limit = min(processors of the cpuset, quota)
//! raw   = trunc(used · processors · 1000 / (system · limit)), at most 1,000
//! ```
//!
//! `used` is the cgroup's processor time, `system` the time of all processors in `/proc/stat`. Whatever cannot be read
//! makes it 0 for good: nothing is shed then. Source: go-zero `core/stat/internal`.

use std::path::{Path, PathBuf};

const FOLDER: &str = "/sys/fs/cgroup";
const SYSTEM: &str = "/proc/stat";
/// `/proc/stat` counts in hundredths of a second.
const NS_PER_TICK: u64 = 10_000_000;
/// Fields of its first line that go-zero adds up.
const SYSTEM_FIELDS: usize = 7;

/// Measures the cgroup's share since it was last asked.
pub(super) struct CgroupShare {
    files: Files,
    processors: u64,
    limit: f64,
    last: Option<(u64, u64)>,
}

/// Where the kernel writes it down.
struct Files {
    folder: PathBuf,
    system: PathBuf,
    is_v2: bool,
}

impl CgroupShare {
    /// The cgroup of this process; `None` where there is none that can be read.
    pub(super) fn new() -> Option<Self> {
        Self::of(Files::at(Path::new(FOLDER), Path::new(SYSTEM)))
    }

    fn of(files: Files) -> Option<Self> {
        let processors = count(&files.processors()?)?;
        files.used_ns()?;
        files.system_ns()?;
        let whole = processors as f64;
        let limit = files.quota().map_or(whole, |quota| quota.min(whole));
        Some(Self { files, processors, limit, last: None })
    }

    /// Thousandths in use since the last call; 0 at the first one.
    pub(super) fn raw(&mut self) -> u32 {
        let (Some(used), Some(system)) = (self.files.used_ns(), self.files.system_ns()) else { return 0 };
        let Some((used_before, system_before)) = self.last.replace((used, system)) else { return 0 };
        let (used, system) = (used.saturating_sub(used_before), system.saturating_sub(system_before));
        share(used, system, self.processors, self.limit)
    }
}

/// The cgroup's quota in processors; `None` when it has none.
pub(super) fn quota() -> Option<f64> {
    Files::at(Path::new(FOLDER), Path::new(SYSTEM)).quota()
}

impl Files {
    fn at(folder: &Path, system: &Path) -> Self {
        let is_v2 = folder.join("cgroup.controllers").exists();
        Self { folder: folder.to_owned(), system: system.to_owned(), is_v2 }
    }

    fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.join(name)).ok()
    }

    fn used_ns(&self) -> Option<u64> {
        if self.is_v2 {
            let text = self.read("cpu.stat")?;
            let line = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
            return line.trim().parse::<u64>().ok()?.checked_mul(1_000);
        }
        self.read("cpuacct/cpuacct.usage")?.trim().parse().ok()
    }

    fn quota(&self) -> Option<f64> {
        let (quota, period) = if self.is_v2 {
            let text = self.read("cpu.max")?;
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?)
        } else {
            let number = |name: &str| self.read(name)?.trim().parse::<f64>().ok();
            (number("cpu/cpu.cfs_quota_us")?, number("cpu/cpu.cfs_period_us")?)
        };
        (quota > 0.0 && period > 0.0).then_some(quota / period)
    }

    fn processors(&self) -> Option<String> {
        self.read(if self.is_v2 { "cpuset.cpus.effective" } else { "cpuset/cpuset.cpus" })
    }

    fn system_ns(&self) -> Option<u64> {
        let text = std::fs::read_to_string(&self.system).ok()?;
        let fields = text.lines().find_map(|line| line.strip_prefix("cpu "))?.split_ascii_whitespace();
        let ticks: Option<u64> = fields.take(SYSTEM_FIELDS).map(|field| field.parse::<u64>().ok()).sum();
        ticks?.checked_mul(NS_PER_TICK)
    }
}

fn share(used_ns: u64, system_ns: u64, processors: u64, limit: f64) -> u32 {
    let available = system_ns as f64 * limit;
    if available <= 0.0 { 0 } else { (used_ns as f64 * processors as f64 * 1_000.0 / available).min(1_000.0) as u32 }
}

/// Processors in a list such as `0-3,6`.
fn count(list: &str) -> Option<u64> {
    let ranges = list.trim().split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        (last >= first).then(|| last - first + 1)
    });
    ranges.sum::<Option<u64>>().filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("makes it");
            std::fs::write(path, text).expect("writes");
        }
    }

    fn measure(before: &[(&str, &str)], after: &[(&str, &str)]) -> Option<u32> {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), before);
        let mut share = CgroupShare::of(Files::at(folder.path(), &folder.path().join("stat")))?;
        assert_eq!(share.raw(), 0);
        write(folder.path(), after);
        Some(share.raw())
    }

    #[test]
    fn version_2_counts_against_its_quota() {
        let before = [
            ("cgroup.controllers", "cpu"),
            ("cpuset.cpus.effective", "0-3\n"),
            ("cpu.max", "200000 100000\n"),
            ("cpu.stat", "usage_usec 1000000\nuser_usec 1\n"),
            ("stat", "cpu  100 0 0 300 0 0 0 0 0 0\ncpu0 1 1 1 1\n"),
        ];
        // One second passes on four processors (400 ticks), of which the cgroup used one of its two.
        let after = [("cpu.stat", "usage_usec 2000000\n"), ("stat", "cpu  200 0 0 600 0 0 0 0 0 0\n")];
        assert_eq!(measure(&before, &after), Some(500));
    }

    #[test]
    fn version_1_without_a_quota_counts_against_its_processors() {
        let before = [
            ("cpuset/cpuset.cpus", "0,2-3"),
            ("cpu/cpu.cfs_quota_us", "-1"),
            ("cpu/cpu.cfs_period_us", "100000"),
            ("cpuacct/cpuacct.usage", "0"),
            ("stat", "cpu  0 0 0 0 0 0 0\n"),
        ];
        let after = [("cpuacct/cpuacct.usage", "1500000000"), ("stat", "cpu  150 0 0 150 0 0 0\n")];
        assert_eq!(measure(&before, &after), Some(500));
    }

    #[test]
    fn more_than_everything_is_a_thousand() {
        assert_eq!(share(10, 1, 4, 0.5), 1_000);
        assert_eq!(share(10, 0, 4, 4.0), 0);
    }

    #[test]
    fn what_cannot_be_read_sheds_nothing() {
        assert_eq!(measure(&[("stat", "cpu 1 1")], &[]), None);
        assert_eq!(count("0-3,6"), Some(5));
        assert_eq!(count(""), None);
        assert_eq!(count("3-1"), None);
    }
}
