//! Lifetimes.

use governance::Random;

/// Largest deviation of a lifetime.
const DEVIATION: f64 = 0.05;

/// Seconds that a key lives: `base` times a number in [0.95, 1.05], rounded up: `⌈(1 + d − 2·d·u) · base⌉` with u uniform
/// in [0, 1). Source: go-zero `core/mathx/unstable.go`, `core/stores/cache/cachenode.go`.
pub fn jittered(base_s: u64, random: &dyn Random) -> u64 {
    let factor = 1.0 + DEVIATION - 2.0 * DEVIATION * random.uniform();
    (factor * base_s as f64).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(f64);

    impl Random for Fixed {
        fn uniform(&self) -> f64 {
            self.0
        }

        fn below(&self, _bound: usize) -> usize {
            0
        }
    }

    #[test]
    fn a_lifetime_stays_within_a_twentieth_and_is_rounded_up() {
        let week = 7 * 86_400;
        assert_eq!(jittered(week, &Fixed(0.0)), 635_040);
        assert_eq!(jittered(week, &Fixed(0.5)), week);
        assert_eq!(jittered(week, &Fixed(0.999_999_999)), 574_561);
        assert_eq!(jittered(60, &Fixed(0.25)), 62, "61.5 is rounded up");
        assert_eq!(jittered(1, &Fixed(0.9)), 1, "a second never becomes none");
    }
}
