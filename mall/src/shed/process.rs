//! The processor share of this process alone.

use std::time::Instant;

/// Linux counts `utime` and `stime` in hundredths of a second, whatever its own tick is.
const NS_PER_TICK: u64 = 10_000_000;

/// Measures the process's share since it was last asked.
pub(super) struct ProcessShare {
    /// Processors that the process may use: one, or less where a quota says so.
    processors: f64,
    last: Option<(u64, Instant)>,
}

impl ProcessShare {
    /// `quota` is the cgroup's, in processors.
    pub(super) fn new(quota: Option<f64>) -> Self {
        Self { processors: quota.map_or(1.0, |quota| quota.min(1.0)), last: None }
    }

    /// Thousandths in use since the last call; 0 at the first one, and where the time cannot be read.
    pub(super) fn raw(&mut self) -> u32 {
        let Some(used_ns) = std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| used_ns(&stat)) else {
            return 0;
        };
        let now = Instant::now();
        let Some((used_before, before)) = self.last.replace((used_ns, now)) else { return 0 };
        share(used_ns.saturating_sub(used_before), now.duration_since(before).as_nanos() as u64, self.processors)
    }
}

/// `trunc(used · 1000 / (passed · processors))`, at most 1,000.
fn share(used_ns: u64, passed_ns: u64, processors: f64) -> u32 {
    let available_ns = passed_ns as f64 * processors;
    if available_ns <= 0.0 { 0 } else { (used_ns as f64 * 1_000.0 / available_ns).min(1_000.0) as u32 }
}

/// User and system time in `/proc/self/stat`. The name in it may hold spaces and parentheses.
fn used_ns(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * NS_PER_TICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_busy_processor_is_a_thousand() {
        assert_eq!(share(250_000_000, 250_000_000, 1.0), 1_000);
        assert_eq!(share(125_000_000, 250_000_000, 1.0), 500);
        assert_eq!(share(500_000_000, 250_000_000, 1.0), 1_000);
        assert_eq!(share(1, 0, 1.0), 0);
    }

    #[test]
    fn a_quota_below_one_processor_is_the_whole() {
        assert_eq!(share(125_000_000, 250_000_000, 0.5), 1_000);
        assert_eq!(ProcessShare::new(Some(0.5)).processors.to_bits(), 0.5_f64.to_bits());
        assert_eq!(ProcessShare::new(Some(4.0)).processors.to_bits(), 1.0_f64.to_bits());
        assert_eq!(ProcessShare::new(None).processors.to_bits(), 1.0_f64.to_bits());
    }

    #[test]
    fn the_kernels_line_is_read_whatever_the_name() {
        let line = "16018 (a) (b c) R 9741 9741 2784 0 -1 4194304 99 0 0 0 17 5 0 0 20 0 1 0 1372246 3133440 362";
        assert_eq!(used_ns(line), Some(22 * NS_PER_TICK));
        assert_eq!(used_ns("16018 (a) R 1"), None);
        assert_eq!(used_ns(""), None);
    }

    #[test]
    fn work_is_seen() {
        let mut share = ProcessShare::new(None);
        assert_eq!(share.raw(), 0);
        let began = Instant::now();
        let mut sum = 0_u64;
        while used_since(&share) < 3 * NS_PER_TICK && began.elapsed().as_secs() < 20 {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(1));
        }
        assert!(share.raw() > 0);
    }

    fn used_since(share: &ProcessShare) -> u64 {
        let now = std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| used_ns(&stat)).unwrap_or_default();
        now - share.last.map_or(0, |(before, _)| before)
    }
}
