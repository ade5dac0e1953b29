//! Increases of cumulative counters whose process may restart.

/// The last value of one counter stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counter {
    last: f64,
    start_ns: u64,
    is_known: bool,
}

impl Counter {
    /// Takes the next value and returns by how much the counter rose.
    ///
    /// A new start time or a falling value means that the process began again at zero. The first value counts in full
    /// when the process started at or after `since_ns` (the collector has missed nothing), else it is only a base.
    pub fn advance(&mut self, value: f64, start_ns: u64, since_ns: u64) -> u64 {
        if !value.is_finite() || value < 0.0 {
            return 0;
        }
        let has_restarted = self.is_known && (start_ns > self.start_ns || value < self.last);
        let is_older = self.is_known && start_ns < self.start_ns;
        if is_older {
            return 0;
        }
        let risen = if has_restarted || (!self.is_known && start_ns >= since_ns) {
            value
        } else if self.is_known {
            value - self.last
        } else {
            0.0
        };
        *self = Self { last: value, start_ns, is_known: true };
        risen.round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_began_with_us_counts_in_full() {
        let mut counter = Counter::default();
        assert_eq!(counter.advance(3.0, 100, 50), 3);
        assert_eq!(counter.advance(5.0, 100, 50), 2);
        assert_eq!(counter.advance(5.0, 100, 50), 0);
    }

    #[test]
    fn a_counter_older_than_us_gives_only_a_base() {
        let mut counter = Counter::default();
        assert_eq!(counter.advance(300.0, 10, 50), 0);
        assert_eq!(counter.advance(301.0, 10, 50), 1);
    }

    #[test]
    fn a_restart_counts_from_zero_even_when_the_value_is_higher() {
        let mut counter = Counter::default();
        counter.advance(3.0, 100, 50);
        assert_eq!(counter.advance(7.0, 200, 50), 7);
        assert_eq!(counter.advance(9.0, 100, 50), 0, "a straggler of the old process");
        assert_eq!(counter.advance(2.0, 200, 50), 2, "a fall without a new start time");
    }

    #[test]
    fn nonsense_does_not_move_it() {
        let mut counter = Counter::default();
        assert_eq!(counter.advance(f64::NAN, 100, 50), 0);
        assert_eq!(counter.advance(-1.0, 100, 50), 0);
        assert_eq!(counter.advance(4.0, 100, 50), 4);
    }
}
