//! When flows should start: arrival schedules as arithmetic.
//!
//! A schedule is a rate over time, piecewise linear. Its integral N(t) is the number of flow starts up to t; with even
//! gaps the k-th start (from 0) is at the t where N(t) = k, so that every stage holds exactly the area under its rate.
//! Poisson arrivals step through N by exponential amounts of mean 1 instead of 1. Nothing here knows a clock.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::scenario::{Arrival, Stage};

/// Guards the last start of a segment against the rounding of its area.
const EPSILON: f64 = 1e-9;

/// A piece in which the rate is linear.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Segment {
    start_s: f64,
    length_s: f64,
    from: f64,
    to: f64,
    stage: usize,
}

impl Segment {
    fn area(&self) -> f64 {
        f64::midpoint(self.from, self.to) * self.length_s
    }

    fn area_until(&self, offset_s: f64) -> f64 {
        let slope = (self.to - self.from) / self.length_s;
        (self.from + slope * offset_s / 2.0) * offset_s
    }

    /// Offset at which the area is reached: the stable solution of `slope/2·x² + from·x = area`.
    fn offset_of(&self, area: f64) -> f64 {
        let slope = (self.to - self.from) / self.length_s;
        let root = (self.from * self.from + 2.0 * slope * area).max(0.0).sqrt();
        let divisor = self.from + root;
        if divisor <= 0.0 { 0.0 } else { (2.0 * area / divisor).min(self.length_s) }
    }

    fn rate_at(&self, offset_s: f64) -> f64 {
        self.from + (self.to - self.from) * (offset_s / self.length_s).clamp(0.0, 1.0)
    }
}

/// Where a schedule is at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// Stage, from 1.
    pub stage: usize,
    /// Number of stages.
    pub of: usize,
    /// Rate now, flow starts per second.
    pub rate: f64,
    /// Rate that the stage leads to.
    pub goal: f64,
}

/// A rate over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    segments: Vec<Segment>,
    stages: usize,
}

impl Schedule {
    /// The schedule of an open arrival; closed arrivals have an empty one.
    pub fn of(arrival: &Arrival) -> Self {
        match arrival {
            Arrival::Constant { rate, lasts } | Arrival::Poisson { rate, lasts } => {
                Self::of_stages(&[Stage { rate: *rate, ramp: std::time::Duration::ZERO, hold: *lasts }])
            }
            Arrival::Stages(stages) => Self::of_stages(stages),
            Arrival::Users { .. } => Self { segments: Vec::new(), stages: 0 },
        }
    }

    fn of_stages(stages: &[Stage]) -> Self {
        let mut segments = Vec::new();
        let mut start_s = 0.0;
        let mut before = 0.0;
        for (stage, Stage { rate, ramp, hold }) in stages.iter().enumerate() {
            for (length_s, from) in [(ramp.as_secs_f64(), before), (hold.as_secs_f64(), *rate)] {
                if length_s > 0.0 {
                    segments.push(Segment { start_s, length_s, from, to: *rate, stage });
                    start_s += length_s;
                }
            }
            before = *rate;
        }
        Self { segments, stages: stages.len() }
    }

    /// The highest rate.
    pub fn highest(&self) -> f64 {
        self.segments.iter().map(|segment| segment.from.max(segment.to)).fold(0.0, f64::max)
    }

    /// The instant at which so many flows have started, seconds; `None` after the end.
    pub fn time_of(&self, count: f64) -> Option<f64> {
        let mut left = count;
        for segment in &self.segments {
            let area = segment.area();
            if left < area - EPSILON {
                return Some(segment.start_s + segment.offset_of(left.max(0.0)));
            }
            left -= area;
        }
        None
    }

    /// Stage and rate at an instant.
    pub fn position(&self, at_s: f64) -> Option<Position> {
        let segment = self.segments.iter().find(|segment| at_s < segment.start_s + segment.length_s)?;
        let rate = segment.rate_at(at_s - segment.start_s);
        Some(Position { stage: segment.stage + 1, of: self.stages, rate, goal: segment.to })
    }

    fn count_at(&self, at_s: f64) -> f64 {
        let until = |segment: &Segment| segment.area_until((at_s - segment.start_s).clamp(0.0, segment.length_s));
        self.segments.iter().map(until).sum()
    }

    /// What is left after an instant, with every rate multiplied.
    fn rest(&self, at_s: f64, factor: f64) -> Self {
        let cut = |segment: &Segment| {
            let offset = (at_s - segment.start_s).clamp(0.0, segment.length_s);
            (offset < segment.length_s).then(|| Segment {
                start_s: segment.start_s + offset,
                length_s: segment.length_s - offset,
                from: segment.rate_at(offset) * factor,
                to: segment.to * factor,
                stage: segment.stage,
            })
        };
        Self { segments: self.segments.iter().filter_map(cut).collect(), stages: self.stages }
    }
}

/// The starts of a schedule, one after the other, in seconds.
#[derive(Debug, Clone)]
pub struct Arrivals {
    schedule: Schedule,
    next: f64,
    gaps: Gaps,
}

#[derive(Debug, Clone)]
enum Gaps {
    Even,
    Random(Box<StdRng>),
}

impl Arrivals {
    /// Starts of an arrival; the seed matters to Poisson alone.
    pub fn new(arrival: &Arrival, seed: u64) -> Self {
        let mut arrivals = Self { schedule: Schedule::of(arrival), next: 0.0, gaps: Gaps::Even };
        if matches!(arrival, Arrival::Poisson { .. }) {
            arrivals.gaps = Gaps::Random(Box::new(StdRng::seed_from_u64(seed)));
            arrivals.next = arrivals.gap();
        }
        arrivals
    }

    /// Scales what comes after an instant so that its highest rate becomes `rate`.
    pub fn rescale(&mut self, at_s: f64, rate: f64) {
        let done = self.schedule.count_at(at_s);
        let rest = self.schedule.rest(at_s, 1.0);
        let highest = rest.highest();
        if highest > 0.0 {
            self.schedule = self.schedule.rest(at_s, rate / highest);
            self.next = (self.next - done).max(0.0);
        }
    }

    fn gap(&mut self) -> f64 {
        match &mut self.gaps {
            Gaps::Even => 1.0,
            // 1 - u lies in (0, 1], so that the logarithm is finite.
            Gaps::Random(random) => -(1.0 - random.random::<f64>()).ln(),
        }
    }
}

impl Iterator for Arrivals {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let at = self.schedule.time_of(self.next)?;
        self.next += self.gap();
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn total(schedule: &Schedule) -> f64 {
        schedule.segments.iter().map(Segment::area).sum()
    }

    fn end_s(schedule: &Schedule) -> f64 {
        schedule.segments.last().map_or(0.0, |segment| segment.start_s + segment.length_s)
    }

    fn stage(rate: f64, ramp_s: f64, hold_s: f64) -> Stage {
        Stage { rate, ramp: Duration::from_secs_f64(ramp_s), hold: Duration::from_secs_f64(hold_s) }
    }

    #[test]
    fn a_burst_holds_exactly_the_area_under_its_stages() {
        let burst = Arrival::Stages(vec![stage(100.0, 0.0, 10.0), stage(400.0, 1.0, 20.0), stage(100.0, 0.0, 10.0)]);
        let starts: Vec<f64> = Arrivals::new(&burst, 1).collect();
        let between = |from: f64, to: f64| starts.iter().filter(|at| (from..to).contains(*at)).count();
        assert_eq!(between(0.0, 10.0), 1_000);
        assert_eq!(between(10.0, 11.0), 250);
        assert_eq!(between(11.0, 31.0), 8_000);
        assert_eq!(between(31.0, 41.0), 1_000);
        assert_eq!(starts.len(), 10_250);
    }

    #[test]
    fn a_ramp_from_nothing_grows_with_the_square_root() {
        let ramp = Arrival::Stages(vec![stage(100.0, 2.0, 0.0)]);
        let starts: Vec<f64> = Arrivals::new(&ramp, 1).collect();
        assert_eq!(starts.len(), 100);
        for (count, at) in starts.iter().enumerate() {
            assert!((at - (2.0 * count as f64 / 50.0).sqrt()).abs() < 1e-9);
        }
    }

    #[test]
    fn poisson_gaps_have_their_mean_and_repeat_with_their_seed() {
        let arrival = Arrival::Poisson { rate: 500.0, lasts: Duration::from_secs(40) };
        let starts: Vec<f64> = Arrivals::new(&arrival, 7).collect();
        // The standard deviation of the count is the root of its mean: 141.
        assert!((starts.len() as f64 - 20_000.0).abs() < 4.0 * 141.0, "{}", starts.len());
        assert_eq!(starts, Arrivals::new(&arrival, 7).collect::<Vec<_>>());
        assert_ne!(starts, Arrivals::new(&arrival, 8).collect::<Vec<_>>());
    }

    #[test]
    fn rescaling_changes_only_what_comes() {
        let mut arrivals = Arrivals::new(&Arrival::Constant { rate: 100.0, lasts: Duration::from_secs(10) }, 1);
        let before: Vec<f64> = arrivals.by_ref().take(500).collect();
        arrivals.rescale(5.0, 200.0);
        let after: Vec<f64> = arrivals.collect();
        assert!(before.iter().all(|at| *at < 5.0));
        assert_eq!(after.len(), 1_000);
        assert!(after.iter().all(|at| *at >= 5.0 - 1e-9));
    }

    #[test]
    fn the_position_names_stage_and_rate() {
        let schedule = Schedule::of(&Arrival::Stages(vec![stage(100.0, 0.0, 10.0), stage(400.0, 2.0, 20.0)]));
        assert_eq!(schedule.position(3.0), Some(Position { stage: 1, of: 2, rate: 100.0, goal: 100.0 }));
        assert_eq!(schedule.position(11.0), Some(Position { stage: 2, of: 2, rate: 250.0, goal: 400.0 }));
        assert_eq!(schedule.position(32.0), None);
    }

    proptest! {
        #[test]
        fn starts_ascend_and_count_the_area(stages in prop::collection::vec((0.0..200.0_f64, 0.0..3.0_f64, 0.1..3.0_f64), 1..5)) {
            let arrival = Arrival::Stages(stages.into_iter().map(|(rate, ramp, hold)| stage(rate, ramp, hold)).collect());
            let schedule = Schedule::of(&arrival);
            let starts: Vec<f64> = Arrivals::new(&arrival, 1).collect();
            prop_assert!(starts.windows(2).all(|pair| pair[0] <= pair[1]));
            prop_assert!(starts.iter().all(|at| (0.0..=end_s(&schedule) + 1e-6).contains(at)));
            prop_assert!((starts.len() as f64 - total(&schedule)).abs() <= 1.0 + 1e-6);
        }

        #[test]
        fn count_and_time_are_inverse(rate in 1.0..500.0_f64, ramp in 0.1..5.0_f64, share in 0.0..0.999_f64) {
            let schedule = Schedule::of(&Arrival::Stages(vec![stage(rate, ramp, 1.0)]));
            let count = total(&schedule) * share;
            let at = schedule.time_of(count).unwrap();
            prop_assert!((schedule.count_at(at) - count).abs() < 1e-6);
        }
    }
}
