//! Where the time of a cohort went, in whole microseconds that still sum up.

use collector_api::console::Cohort;

/// A cohort's mean latency and its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution {
    /// `p0-50` and so on.
    pub cohort: String,
    /// Requests in it.
    pub count: u64,
    /// Mean latency, microseconds.
    pub mean_us: u64,
    /// Mean parts, microseconds; they sum to `mean_us`. Largest first.
    pub parts: Vec<Part>,
}

/// One part of a cohort's mean latency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Service that the time was spent in.
    pub service: String,
    /// What it did.
    pub operation: String,
    /// Which instance did it.
    pub instance: String,
    /// `self`, `wait`, `queue`, `network`, `retry`, `breaker`, `limiter` or `client`.
    pub kind: String,
    /// Mean time, microseconds.
    pub us: u64,
}

/// Means of a cohort: rounded down, and what is missing given to the parts with the largest remainders.
pub fn of(cohort: &Cohort) -> Attribution {
    let per = cohort.count.max(1) * 1_000;
    let mean_us = (cohort.sum_ns + per / 2) / per;
    let mut parts: Vec<(u64, Part)> = cohort
        .segments
        .iter()
        .map(|segment| {
            let part = Part {
                service: segment.service.clone(),
                operation: segment.operation.clone(),
                instance: segment.instance.clone(),
                kind: segment.kind.clone(),
                us: segment.sum_ns / per,
            };
            (segment.sum_ns % per, part)
        })
        .collect();
    let floor: u64 = parts.iter().map(|(_, part)| part.us).sum();
    let missing = mean_us.saturating_sub(floor) as usize;
    parts.sort_by_key(|(remainder, _)| std::cmp::Reverse(*remainder));
    for (_, part) in parts.iter_mut().take(missing) {
        part.us += 1;
    }
    let mut parts: Vec<Part> = parts.into_iter().map(|(_, part)| part).collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.us));
    Attribution { cohort: cohort.name.clone(), count: cohort.count, mean_us, parts }
}

#[cfg(test)]
mod tests {
    use collector_api::console::Segment;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_sum_to_the_mean(count in 1_u64..5_000, sums in prop::collection::vec(0_u64..10_000_000_000, 1..20)) {
            let segments = sums.iter().map(|sum_ns| Segment { sum_ns: *sum_ns, ..Segment::default() }).collect();
            let cohort = Cohort { count, sum_ns: sums.iter().sum(), segments, ..Cohort::default() };
            let attribution = of(&cohort);
            prop_assert_eq!(attribution.parts.iter().map(|part| part.us).sum::<u64>(), attribution.mean_us);
        }
    }
}
