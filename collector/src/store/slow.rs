//! Which traces are slow for what they do.

use std::collections::HashMap;
use std::sync::Arc;

use collector_api::sketch::{Sketch, index_of};

/// Root operations that are told apart; the others are never called slow.
const MAX_ROOTS: usize = 2_048;

/// Traces of one root operation per threshold: enough for a p99, few enough to follow a change within seconds of load.
const GENERATION: u64 = 1_024;

/// Before the first full generation, a threshold is drawn from this many traces.
const FIRST: u64 = 128;

/// Running 99th percentile of duration per root operation, from the generation of traces before.
#[derive(Debug, Default)]
pub(super) struct SlowRoots {
    roots: HashMap<(Arc<str>, Arc<str>), Root>,
}

#[derive(Debug, Default)]
struct Root {
    sketch: Sketch,
    /// Bucket of the sketch that holds the percentile; what lies above is slow.
    threshold: Option<u32>,
}

impl SlowRoots {
    /// Counts a trace and tells whether it is slower than the p99 of those before.
    pub fn observe(&mut self, service: &Arc<str>, operation: &Arc<str>, duration_ns: u64) -> bool {
        let key = (Arc::clone(service), Arc::clone(operation));
        if self.roots.len() >= MAX_ROOTS && !self.roots.contains_key(&key) {
            return false;
        }
        self.roots.entry(key).or_default().observe(duration_ns.div_ceil(1_000))
    }
}

impl Root {
    fn observe(&mut self, micros: u64) -> bool {
        let is_slow = self.threshold.is_some_and(|threshold| index_of(micros) > threshold);
        self.sketch.record_us(micros);
        let count = self.sketch.count();
        if count >= GENERATION {
            self.threshold = self.sketch.quantile_us(0.99).map(index_of);
            self.sketch = Sketch::new();
        } else if self.threshold.is_none() && count >= FIRST {
            self.threshold = self.sketch.quantile_us(0.99).map(index_of);
        }
        is_slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_one_in_a_hundred_is_slow_and_a_new_level_becomes_normal() {
        let mut roots = SlowRoots::default();
        let (service, operation) = (Arc::from("gateway"), Arc::from("GET /"));
        let mut slow = 0;
        for step in 0..10_000_u64 {
            let uniform = ((step * 7_919 % 1_000) as f64 + 0.5) / 1_000.0;
            let duration_ns = (-uniform.ln() * 10e6) as u64;
            slow += u32::from(roots.observe(&service, &operation, duration_ns));
        }
        assert!((50..200).contains(&slow), "{slow} of 10,000");
        for _ in 0..GENERATION * 2 {
            roots.observe(&service, &operation, 1_000_000_000);
        }
        assert!(!roots.observe(&service, &operation, 1_000_000_000));
        assert!(roots.observe(&service, &operation, 2_000_000_000));
    }
}
