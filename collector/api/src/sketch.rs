//! The one mergeable latency summary of the house.
//!
//! A sketch counts values in buckets of constant relative width: bucket `i` holds the values `v` (microseconds) with
//! `γ^(i−1) < v ≤ γ^i`, where `γ = 1.02`. A quantile is answered with the bucket's middle `2γ^i / (γ + 1)`, so its
//! relative error is at most `(γ − 1) / (γ + 1)`, which is below 1 %. Values up to 1 µs fall into bucket 0; values above
//! [`MAX_INDEX`]'s edge (about 39 hours) fall into the last bucket. Merging adds counts and is exact, which is why
//! percentiles are never averaged here. Source: DDSketch (Masson, Rim, Lee; VLDB 2019), without collapsing, because the
//! range of a latency is bounded.
//!
//! Cost: `record` is one logarithm and one map insertion; a sketch of n values holds at most
//! `min(n, MAX_INDEX + 1)` buckets.

use std::collections::BTreeMap;

use crate::console;

/// Ratio between the edges of neighbouring buckets.
pub const GAMMA: f64 = 1.02;

/// Index of the last bucket; its upper edge is `1.02^1300` µs, about 41 hours.
pub const MAX_INDEX: u32 = 1_300;

/// Counts of latencies in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sketch {
    buckets: BTreeMap<u32, u64>,
    count: u64,
    sum_us: u64,
    max_us: u64,
}

/// The bucket that a value belongs to.
pub fn index_of(micros: u64) -> u32 {
    if micros <= 1 {
        return 0;
    }
    let index = ((micros as f64).ln() / GAMMA.ln()).ceil();
    (index as u32).min(MAX_INDEX)
}

/// The largest value of a bucket, in microseconds.
pub fn upper_edge_us(index: u32) -> f64 {
    GAMMA.powi(index as i32)
}

/// The value that stands for a bucket: its relative distance to every value inside is at most 1 %.
pub fn middle_us(index: u32) -> u64 {
    if index == 0 {
        return 1;
    }
    (2.0 * upper_edge_us(index) / (GAMMA + 1.0)).round() as u64
}

impl Sketch {
    /// An empty sketch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one latency.
    pub fn record_us(&mut self, micros: u64) {
        *self.buckets.entry(index_of(micros)).or_insert(0) += 1;
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(micros);
        self.max_us = self.max_us.max(micros);
    }

    /// Counts the same latency many times.
    pub fn record_many_us(&mut self, micros: u64, count: u64) {
        if count == 0 {
            return;
        }
        *self.buckets.entry(index_of(micros)).or_insert(0) += count;
        self.count += count;
        self.sum_us = self.sum_us.saturating_add(micros.saturating_mul(count));
        self.max_us = self.max_us.max(micros);
    }

    /// Counts one latency given in nanoseconds, rounded up to whole microseconds.
    pub fn record_ns(&mut self, nanos: u64) {
        self.record_us(nanos.div_ceil(1_000));
    }

    /// Adds all that another sketch counted. Exact.
    pub fn merge(&mut self, other: &Self) {
        for (index, count) in &other.buckets {
            *self.buckets.entry(*index).or_insert(0) += count;
        }
        self.count += other.count;
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.max_us = self.max_us.max(other.max_us);
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of all values, microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// The largest value, exact, microseconds; 0 when empty.
    pub fn max_us(&self) -> u64 {
        self.max_us
    }

    /// The value at quantile `q` in `[0, 1]`, within 1 %, never above the largest value; `None` when empty.
    ///
    /// The rank is `⌈q·n⌉`, at least 1: `q = 0` is the smallest bucket, `q = 1` the exact maximum.
    pub fn quantile_us(&self, q: f64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        if rank >= self.count {
            return Some(self.max_us);
        }
        let mut seen = 0;
        for (index, count) in &self.buckets {
            seen += count;
            if seen >= rank {
                return Some(middle_us(*index).min(self.max_us));
            }
        }
        Some(self.max_us)
    }

    /// Buckets in ascending order: index and count.
    pub fn buckets(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.buckets.iter().map(|(index, count)| (*index, *count))
    }

    /// How many values lie in `(from_us, to_us]`, to the resolution of a bucket (by bucket middles).
    pub fn count_between_us(&self, from_us: u64, to_us: u64) -> u64 {
        self.buckets()
            .filter(|(index, _)| {
                let middle = middle_us(*index);
                middle > from_us && middle <= to_us
            })
            .map(|(_, count)| count)
            .sum()
    }
}

impl From<&Sketch> for console::Sketch {
    fn from(sketch: &Sketch) -> Self {
        let (index, count) = sketch.buckets().unzip();
        Self { index, count, sum_us: sketch.sum_us, max_us: sketch.max_us }
    }
}

impl From<&console::Sketch> for Sketch {
    /// Surplus entries of the longer list are ignored; indices beyond [`MAX_INDEX`] count in the last bucket.
    fn from(wire: &console::Sketch) -> Self {
        let mut sketch = Self { sum_us: wire.sum_us, max_us: wire.max_us, ..Self::default() };
        for (index, count) in wire.index.iter().zip(&wire.count) {
            *sketch.buckets.entry((*index).min(MAX_INDEX)).or_insert(0) += count;
            sketch.count = sketch.count.saturating_add(*count);
        }
        sketch
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_sketch_has_no_quantile() {
        assert_eq!(Sketch::new().quantile_us(0.5), None);
    }

    proptest! {
        #[test]
        fn quantiles_stay_within_one_percent(mut values in prop::collection::vec(1_u64..100_000_000, 1..400), q in 0.0..=1.0_f64) {
            let mut sketch = Sketch::new();
            for value in &values {
                sketch.record_us(*value);
            }
            values.sort_unstable();
            let rank = ((q * values.len() as f64).ceil() as usize).max(1);
            let exact = values[rank - 1] as f64;
            let answer = sketch.quantile_us(q).unwrap() as f64;
            prop_assert!((answer - exact).abs() <= exact * 0.01 + 1.0, "q {q}: {answer} against {exact}");
        }

        #[test]
        fn merging_equals_recording_everything(a in prop::collection::vec(0_u64..1_000_000, 0..100), b in prop::collection::vec(0_u64..1_000_000, 0..100)) {
            let sketch_of = |values: &[u64]| {
                let mut sketch = Sketch::new();
                for value in values {
                    sketch.record_us(*value);
                }
                sketch
            };
            let mut merged = sketch_of(&a);
            merged.merge(&sketch_of(&b));
            prop_assert_eq!(&merged, &sketch_of(&[a, b].concat()));
            prop_assert_eq!(&Sketch::from(&console::Sketch::from(&merged)), &merged);
        }
    }
}
