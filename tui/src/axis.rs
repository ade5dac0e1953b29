//! One owner of time and of latency: the same column is the same second on every lane and on the map.

use collector_api::sketch::{self, Sketch};

/// Columns of seconds; the last one is the last complete second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeAxis {
    /// Second of the last column.
    pub head_s: u64,
    /// How many columns there are.
    pub columns: u16,
}

impl TimeAxis {
    /// Second of the first column.
    pub fn first_s(&self) -> u64 {
        (self.head_s + 1).saturating_sub(u64::from(self.columns))
    }

    /// Second of a column.
    pub fn second_at(&self, column: u16) -> u64 {
        (self.head_s + 1 + u64::from(column)).saturating_sub(u64::from(self.columns))
    }

    /// Column of a second, when it is on the axis.
    pub fn column_of(&self, unix_s: u64) -> Option<u16> {
        let back = self.head_s.checked_sub(unix_s)?;
        let last = u64::from(self.columns).checked_sub(1)?;
        Some(last.checked_sub(back)? as u16)
    }

    /// Columns that a span of seconds covers, both ends included and cut to the axis.
    pub fn columns_of(&self, from_s: u64, to_s: u64) -> Option<(u16, u16)> {
        let from = from_s.max(self.first_s());
        let to = to_s.min(self.head_s);
        if from > to {
            return None;
        }
        Some((self.column_of(from)?, self.column_of(to)?))
    }
}

/// Edges between bands, microseconds: a factor of two apart, in figures that people read.
const EDGES_US: [u64; 15] = [
    1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 60_000, 125_000, 250_000, 500_000, 1_000_000, 2_000_000, 4_000_000,
    8_000_000, 16_000_000,
];

/// Bands of latency, fastest first. The first takes everything faster, the last everything slower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bands {
    edges: Vec<u64>,
}

impl Bands {
    /// Bands for at most so many rows. They reach from what only one in two hundred is faster than to where the slowest
    /// thousandth lies, and always to one second, so that a jump needs no other scale. Where the rows do not suffice for
    /// bands a factor of two apart, they are a factor of four apart.
    pub fn fit(rows: usize, seen: &Sketch) -> Self {
        let slow = seen.quantile_us(0.999).unwrap_or(0).max(1_000_000);
        let fast = seen.quantile_us(0.005).unwrap_or(8_000);
        let top = EDGES_US.iter().rposition(|edge| *edge <= slow).unwrap_or(0);
        let bottom = EDGES_US.partition_point(|edge| *edge <= fast).min(top);
        let step = if top - bottom + 2 <= rows { 1 } else { 2 };
        // With a factor of four, the top edge stays on the grid that holds one second.
        let top = if step == 2 { top - top % 2 } else { top };
        let mut edges: Vec<u64> = (0..rows.saturating_sub(1))
            .map_while(|at| top.checked_sub(at * step))
            .take_while(|at| *at + step > bottom)
            .map(|at| EDGES_US[at])
            .collect();
        edges.reverse();
        Self { edges }
    }

    /// How many bands there are; at least one.
    pub fn count(&self) -> usize {
        self.edges.len() + 1
    }

    /// The band of a latency.
    pub fn band_of(&self, micros: u64) -> usize {
        self.edges.partition_point(|edge| *edge <= micros)
    }

    /// Lower edge and upper edge of a band, microseconds; the last band has no upper edge.
    pub fn range(&self, band: usize) -> (u64, Option<u64>) {
        let lower = band.checked_sub(1).and_then(|at| self.edges.get(at)).copied().unwrap_or(0);
        (lower, self.edges.get(band).copied())
    }

    /// How many of a sketch's values lie in each band.
    pub fn counts(&self, sketch: &Sketch) -> Vec<u64> {
        let mut counts = vec![0; self.count()];
        for (index, count) in sketch.buckets() {
            counts[self.band_of(sketch::middle_us(index))] += count;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn five_rows_read_as_the_sketch_says() {
        let mut sketch = Sketch::new();
        for micros in [9_000, 18_000, 412_000] {
            sketch.record_us(micros);
        }
        let bands = Bands::fit(7, &sketch);
        assert_eq!(bands.edges, [15_000, 60_000, 250_000, 1_000_000]);
        assert_eq!(bands.band_of(412_000), 3);
        assert_eq!(bands.range(4), (1_000_000, None));
        assert_eq!(Bands::fit(12, &sketch).edges, [15_000, 30_000, 60_000, 125_000, 250_000, 500_000, 1_000_000]);
    }

    proptest! {
        #[test]
        fn columns_and_seconds_are_inverse(head_s in 800_u64..4_000_000_000, column in 0_u16..400, right in 0_u16..400) {
            let columns = column + 1 + right;
            let axis = TimeAxis { head_s, columns };
            prop_assert_eq!(axis.column_of(axis.second_at(column)), Some(column));
            prop_assert_eq!(axis.second_at(columns - 1), head_s);
            prop_assert_eq!(axis.column_of(head_s + 1), None);
        }

        #[test]
        fn every_value_falls_into_one_band(rows in 0_usize..40, values in prop::collection::vec(0_u64..100_000_000, 0..100)) {
            let mut sketch = Sketch::new();
            for value in &values {
                sketch.record_us(*value);
            }
            let bands = Bands::fit(rows, &sketch);
            prop_assert_eq!(bands.counts(&sketch).iter().sum::<u64>(), values.len() as u64);
            prop_assert!(bands.count() <= rows.max(1));
        }
    }
}
