//! go-zero's per-minute statistics of a server.

/// What go-zero logs of a minute; times in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MinuteReport {
    /// Requests divided by 60.
    pub per_second: f32,
    /// Requests refused.
    pub drops: u64,
    /// Whole milliseconds of the sum divided by the count.
    pub average: f32,
    /// The n/2-th largest.
    pub median: f32,
    /// The n/10-th largest.
    pub p90: f32,
    /// The n/100-th largest.
    pub p99: f32,
    /// The n/1000-th largest.
    pub p999: f32,
}

/// The report over the durations (nanoseconds) of one minute.
///
/// The k-th largest stands for a percentile, with `k = n/2`, then that divided by 5, by 10 and by 10 in whole numbers;
/// where k becomes 0 it is the largest. Source: go-zero `core/stat/metrics.go`. O(n log n).
pub fn minute_report(durations_ns: &[u64], drops: u64) -> MinuteReport {
    let count = durations_ns.len();
    if count == 0 {
        return MinuteReport { drops, ..MinuteReport::default() };
    }
    let mut descending = durations_ns.to_vec();
    descending.sort_unstable_by(|a, b| b.cmp(a));
    let millis_of_largest = |k: usize| {
        let nanos = descending.get(k.saturating_sub(1)).copied().unwrap_or_default();
        nanos as f32 / 1_000_000_f32
    };
    let half = count / 2;
    let tenth = half / 5;
    let hundredth = tenth / 10;
    let total_ms = durations_ns.iter().sum::<u64>() / 1_000_000;
    MinuteReport {
        per_second: count as f32 / 60.0,
        drops,
        average: total_ms as f32 / count as f32,
        median: millis_of_largest(half),
        p90: millis_of_largest(tenth),
        p99: millis_of_largest(hundredth),
        p999: millis_of_largest(hundredth / 10),
    }
}
