//! Where the time of requests went, by how slow they were.
//!
//! Each analysed request adds its segments to the bucket of its latency; no request is remembered. A cohort is a union of
//! neighbouring buckets and says its edges, so eviction of traces cannot bias it and its segments sum to its latencies
//! exactly.

use std::collections::{BTreeMap, HashMap};

use collector_api::console::{Cohort, Segment};
use collector_api::sketch::{index_of, upper_edge_us};

use crate::analysis::{Attribution, SegmentKey};
use crate::rollup::names::other;
use crate::rollup::window::Merge;

/// Places that one bucket tells apart; further ones are `__other__`.
const PLACE_LIMIT: usize = 256;

/// The cohorts of a report: name and the quantile where each ends.
const COHORTS: [(&str, f64); 5] =
    [("p0-50", 0.5), ("p50-90", 0.9), ("p90-99", 0.99), ("p99-99.9", 0.999), ("p99.9-100", 1.0)];

#[derive(Debug, Clone, Default)]
struct Bucket {
    count: u64,
    sum_ns: u64,
    places: HashMap<SegmentKey, u64>,
}

impl Bucket {
    fn add(&mut self, place: &SegmentKey, ns: u64) {
        if let Some(sum) = self.places.get_mut(place) {
            *sum += ns;
        } else if self.places.len() < PLACE_LIMIT {
            self.places.insert(place.clone(), ns);
        } else {
            let rest = SegmentKey { service: other(), operation: other(), instance: other(), kind: place.kind };
            *self.places.entry(rest).or_insert(0) += ns;
        }
    }

    fn merge(&mut self, from: &Self) {
        self.count += from.count;
        self.sum_ns += from.sum_ns;
        for (place, ns) in &from.places {
            self.add(place, *ns);
        }
    }
}

/// Requests by latency bucket.
#[derive(Debug, Clone, Default)]
pub struct Cohorts {
    buckets: BTreeMap<u32, Bucket>,
    count: u64,
}

impl Merge for Cohorts {
    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        for (index, bucket) in &other.buckets {
            self.buckets.entry(*index).or_default().merge(bucket);
        }
    }
}

impl Cohorts {
    /// Adds one request.
    pub fn add(&mut self, attribution: &Attribution) {
        let bucket = self.buckets.entry(index_of(attribution.latency_ns.div_ceil(1_000))).or_default();
        self.count += 1;
        bucket.count += 1;
        bucket.sum_ns += attribution.latency_ns;
        for (place, ns) in &attribution.segments {
            bucket.add(place, *ns);
        }
    }

    /// Requests added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The five cohorts of a report. A bucket belongs where its middle rank does; a cohort may be empty.
    pub fn report(&self) -> Vec<Cohort> {
        let mut unions: Vec<Union> = COHORTS.iter().map(|_| Union::default()).collect();
        let mut below = 0;
        for (index, bucket) in &self.buckets {
            let middle = (below as f64 + bucket.count as f64 / 2.0) / self.count as f64;
            below += bucket.count;
            let at = COHORTS.iter().position(|(_, end)| middle <= *end).unwrap_or(COHORTS.len() - 1);
            if let Some(union) = unions.get_mut(at) {
                union.add(*index, bucket);
            }
        }
        COHORTS.iter().zip(unions).map(|((name, _), union)| union.to_wire(name)).collect()
    }

    /// The slowest fraction of requests, widened to whole buckets; all of them for 1.
    pub fn slowest(&self, fraction: f64) -> Cohort {
        let fraction = if fraction > 0.0 && fraction < 1.0 { fraction } else { 1.0 };
        let wanted = ((self.count as f64 * fraction).ceil() as u64).max(1);
        let mut union = Union::default();
        for (index, bucket) in self.buckets.iter().rev() {
            if union.bucket.count >= wanted {
                break;
            }
            union.add(*index, bucket);
        }
        let from = ((1.0 - fraction) * 100_000.0).round() / 1_000.0;
        union.to_wire(&format!("p{from}-100"))
    }
}

#[derive(Default)]
struct Union {
    bucket: Bucket,
    edges: Option<(u32, u32)>,
}

impl Union {
    fn add(&mut self, index: u32, bucket: &Bucket) {
        let (low, high) = self.edges.unwrap_or((index, index));
        self.edges = Some((low.min(index), high.max(index)));
        self.bucket.merge(bucket);
    }

    fn to_wire(&self, name: &str) -> Cohort {
        let (low, high) = self.edges.unwrap_or((0, 0));
        let edge = |index: u32| if self.edges.is_some() { upper_edge_us(index).floor() as u64 } else { 0 };
        let mut places: Vec<_> = self.bucket.places.iter().filter(|(_, ns)| **ns > 0).collect();
        places.sort_by(|(a, a_ns), (b, b_ns)| b_ns.cmp(a_ns).then_with(|| a.cmp(b)));
        let segment = |(place, ns): (&SegmentKey, &u64)| Segment {
            service: place.service.to_string(),
            operation: place.operation.to_string(),
            instance: place.instance.to_string(),
            kind: place.kind.as_str().to_owned(),
            sum_ns: *ns,
        };
        Cohort {
            name: name.to_owned(),
            count: self.bucket.count,
            sum_ns: self.bucket.sum_ns,
            from_us: if low == 0 { 0 } else { edge(low - 1) },
            to_us: edge(high),
            segments: places.into_iter().map(segment).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analysis::SegmentKind;

    fn request(latency_ns: u64, cut: u64) -> Attribution {
        let place = |service: &str| SegmentKey {
            service: service.into(),
            operation: "op".into(),
            instance: service.into(),
            kind: SegmentKind::SelfTime,
        };
        let first = latency_ns.min(cut);
        Attribution {
            run_id: None,
            intended_ns: 0,
            end_ns: latency_ns,
            latency_ns,
            root_row: 0,
            partial: false,
            segments: vec![(place("gateway"), first), (place("pay-rpc"), latency_ns - first)],
        }
    }

    #[test]
    fn the_slowest_requests_are_a_union_of_buckets() {
        let mut cohorts = Cohorts::default();
        for _ in 0..99 {
            cohorts.add(&request(1_000_000, 1_000_000));
        }
        cohorts.add(&request(500_000_000, 1_000));
        let slowest = cohorts.slowest(0.01);
        assert_eq!((slowest.name.as_str(), slowest.count, slowest.sum_ns), ("p99-100", 1, 500_000_000));
        assert_eq!(slowest.segments.first().map(|segment| segment.service.as_str()), Some("pay-rpc"));
        assert!(slowest.from_us < 500_000 && slowest.to_us >= 500_000);
        assert_eq!(cohorts.slowest(1.0).count, 100);
    }

    #[test]
    fn nothing_counted_gives_empty_cohorts() {
        let cohorts = Cohorts::default();
        assert!(cohorts.report().iter().all(|cohort| cohort.count == 0));
        assert_eq!(cohorts.slowest(0.01).count, 0);
    }

    proptest! {
        #[test]
        fn cohorts_hold_every_request_and_every_nanosecond(
            requests in prop::collection::vec((1_u64..5_000_000_000, 0_u64..5_000_000_000), 1..200),
            fraction in 0.001..1.0_f64,
        ) {
            let mut cohorts = Cohorts::default();
            for (latency, cut) in &requests {
                cohorts.add(&request(*latency, *cut));
            }
            let report = cohorts.report();
            prop_assert_eq!(report.iter().map(|cohort| cohort.count).sum::<u64>(), requests.len() as u64);
            let total: u64 = requests.iter().map(|(latency, _)| latency).sum();
            prop_assert_eq!(report.iter().map(|cohort| cohort.sum_ns).sum::<u64>(), total);
            for cohort in report.iter().chain([&cohorts.slowest(fraction)]) {
                prop_assert_eq!(cohort.segments.iter().map(|segment| segment.sum_ns).sum::<u64>(), cohort.sum_ns);
            }
            let wanted = (requests.len() as f64 * fraction).ceil() as u64;
            prop_assert!(cohorts.slowest(fraction).count >= wanted);
        }
    }
}
