//! Seeded picks of flows and rows.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::scenario::Skew;

/// Chooses among n things with fixed weights: cumulative shares, searched by halves.
#[derive(Debug, Clone)]
struct Weighted {
    cumulative: Vec<f64>,
}

impl Weighted {
    fn new(weights: impl Iterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        let cumulative = weights
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        Self { cumulative }
    }

    fn pick(&self, random: &mut StdRng) -> u32 {
        let total = self.cumulative.last().copied().unwrap_or(0.0);
        let point = random.random::<f64>() * total;
        let at = self.cumulative.partition_point(|edge| *edge <= point);
        at.min(self.cumulative.len().saturating_sub(1)) as u32
    }
}

/// Picks the flow and the rows of every flow start. The same seed gives the same picks.
#[derive(Debug, Clone)]
pub struct Picker {
    random: StdRng,
    flows: Weighted,
    sources: Vec<Weighted>,
}

/// What one flow start works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// Index of the flow.
    pub flow: usize,
    /// Index of a row in each source.
    pub rows: Vec<u32>,
}

impl Picker {
    /// Flows by weight; sources by number of rows and skew.
    pub fn new(seed: u64, flow_weights: &[u32], sources: &[(usize, Skew)]) -> Self {
        let source = |(rows, skew): &(usize, Skew)| match skew {
            Skew::Uniform => Weighted::new((0..*rows).map(|_| 1.0)),
            Skew::Zipf => Weighted::new((0..*rows).map(|rank| 1.0 / (rank + 1) as f64)),
        };
        Self {
            // Arrivals use the seed itself; picks must not walk in step with them.
            random: StdRng::seed_from_u64(seed ^ 0x9e37_79b9_7f4a_7c15),
            flows: Weighted::new(flow_weights.iter().map(|weight| f64::from(*weight))),
            sources: sources.iter().map(source).collect(),
        }
    }

    /// The next pick.
    pub fn pick(&mut self) -> Pick {
        let flow = self.flows.pick(&mut self.random) as usize;
        let rows = self.sources.iter().map(|source| source.pick(&mut self.random)).collect();
        Pick { flow, rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_repeat_with_their_seed() {
        let picks = |seed| {
            let mut picker = Picker::new(seed, &[8, 2], &[(100, Skew::Zipf), (50, Skew::Uniform)]);
            (0..200).map(|_| picker.pick()).collect::<Vec<_>>()
        };
        assert_eq!(picks(3), picks(3));
        assert_ne!(picks(3), picks(4));
    }

    #[test]
    fn zipf_prefers_the_first_rows_by_their_rank() {
        let mut picker = Picker::new(1, &[1], &[(100, Skew::Zipf)]);
        let mut counts = [0_u32; 100];
        for _ in 0..50_000 {
            counts[picker.pick().rows[0] as usize] += 1;
        }
        // Shares 1/H and 1/(2H) with H(100) = 5.187; four standard deviations of a binomial are below 400.
        assert!((f64::from(counts[0]) - 50_000.0 / 5.187).abs() < 400.0, "{}", counts[0]);
        assert!((f64::from(counts[1]) - 25_000.0 / 5.187).abs() < 400.0, "{}", counts[1]);
        assert!(counts.iter().all(|count| *count > 0));
    }

    #[test]
    fn flows_follow_their_weights() {
        let mut picker = Picker::new(1, &[8, 2], &[]);
        let first = (0..10_000).filter(|_| picker.pick().flow == 0).count();
        assert!((first as f64 - 8_000.0).abs() < 200.0, "{first}");
    }
}
