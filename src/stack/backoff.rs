//! When a replica that ended starts again.
//!
//! The delay doubles from 100 ms to 5 s, ±20 % so that replicas which died together do not return together, and starts
//! over once a replica was well for 10 s. Five ends within 30 s are a crash loop: it is named as one and still retried
//! at the longest delay, because the cause may go away.

use std::collections::VecDeque;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
const JITTER: f64 = 0.2;
const WELL_AFTER: Duration = Duration::from_secs(10);
const LOOP_ENDS: usize = 5;
const LOOP_WINDOW: Duration = Duration::from_secs(30);

/// The restart policy of one replica.
#[derive(Debug)]
pub struct Backoff {
    random: SmallRng,
    next: Duration,
    ends: VecDeque<Instant>,
}

/// What to do about an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// How long to wait before the next start.
    pub delay: Duration,
    /// Whether the replica is in a crash loop.
    pub crash_loop: bool,
}

impl Backoff {
    /// A fresh policy; the seed governs the jitter.
    pub fn new(seed: u64) -> Self {
        Self { random: SmallRng::seed_from_u64(seed), next: FIRST, ends: VecDeque::new() }
    }

    /// Judges an end at `now` of a process that had been ready for `well_for`.
    pub fn ended(&mut self, now: Instant, well_for: Duration) -> Verdict {
        if well_for >= WELL_AFTER {
            self.next = FIRST;
        }
        self.ends.push_back(now);
        while self.ends.front().is_some_and(|first| now.duration_since(*first) > LOOP_WINDOW) {
            self.ends.pop_front();
        }
        let crash_loop = self.ends.len() >= LOOP_ENDS;
        let base = if crash_loop { LONGEST } else { self.next };
        self.next = (base * 2).min(LONGEST);
        Verdict { delay: base.mul_f64(1.0 + self.random.random_range(-JITTER..=JITTER)), crash_loop }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within_jitter(delay: Duration, base: Duration) -> bool {
        delay >= base.mul_f64(1.0 - JITTER) && delay <= base.mul_f64(1.0 + JITTER)
    }

    #[test]
    fn the_delay_doubles_and_a_healthy_time_resets_it() {
        let mut backoff = Backoff::new(1);
        let start = Instant::now();
        for (number, base) in [100u64, 200, 400].into_iter().enumerate() {
            let verdict = backoff.ended(start + Duration::from_secs(number as u64), Duration::ZERO);
            assert!(within_jitter(verdict.delay, Duration::from_millis(base)), "{verdict:?}");
        }
        let verdict = backoff.ended(start + Duration::from_mins(2), WELL_AFTER);
        assert!(within_jitter(verdict.delay, FIRST) && !verdict.crash_loop);
    }

    #[test]
    fn five_ends_in_thirty_seconds_are_a_loop_and_fade() {
        let mut backoff = Backoff::new(2);
        let start = Instant::now();
        let verdicts: Vec<Verdict> =
            (0..5).map(|number| backoff.ended(start + Duration::from_secs(number), Duration::ZERO)).collect();
        assert_eq!(verdicts.iter().filter(|verdict| verdict.crash_loop).count(), 1);
        assert!(verdicts.last().is_some_and(|v| v.crash_loop && within_jitter(v.delay, LONGEST)));
        assert!(!backoff.ended(start + Duration::from_mins(1), Duration::ZERO).crash_loop);
    }

    #[test]
    fn the_same_seed_gives_the_same_delays() {
        let now = Instant::now();
        let delays = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..4).map(|_| backoff.ended(now, Duration::ZERO).delay).collect::<Vec<_>>()
        };
        assert_eq!(delays(9), delays(9));
        assert_ne!(delays(9), delays(10));
    }
}
