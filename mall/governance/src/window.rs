//! A rolling window of buckets.
//!
//! `size` buckets of `interval` each, on a grid that begins when the window is made. Adding advances the window to the
//! current interval and clears what was passed over. Reading never advances: it leaves out what is too old by now, and
//! with `ignore_current` also the bucket that is still filling.
//!
//! Source: go-zero `core/collection/rollingwindow.go`. Reading visits at most `size` buckets, oldest first.

use std::time::Duration;

/// What a window keeps per interval.
pub trait Bucket: Clone + Default {
    /// What is added.
    type Value;
    /// Adds one value.
    fn add(&mut self, value: Self::Value);
}

/// Sum and count of numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sum of the values.
    pub sum: i64,
    /// How many values.
    pub count: i64,
}

impl Bucket for Tally {
    type Value = i64;

    fn add(&mut self, value: i64) {
        self.sum += value;
        self.count += 1;
    }
}

/// The window.
#[derive(Debug, Clone)]
pub struct RollingWindow<B> {
    buckets: Vec<B>,
    interval: Duration,
    /// Index of the bucket of the interval that began at `began`.
    current: usize,
    began: Duration,
    ignore_current: bool,
}

impl<B: Bucket> RollingWindow<B> {
    /// An empty window of `size` buckets (at least 1) whose grid begins at `now`.
    pub fn new(size: usize, interval: Duration, ignore_current: bool, now: Duration) -> Self {
        Self { buckets: vec![B::default(); size.max(1)], interval, current: 0, began: now, ignore_current }
    }

    /// Adds a value at `now`.
    pub fn add(&mut self, now: Duration, value: B::Value) {
        self.advance(now);
        if let Some(bucket) = self.buckets.get_mut(self.current) {
            bucket.add(value);
        }
    }

    /// Visits the buckets that are still in the window at `now`, oldest first.
    pub fn visit(&self, now: Duration) -> impl Iterator<Item = &B> {
        let size = self.buckets.len();
        let span = self.span(now);
        let count = if span == 0 && self.ignore_current { size - 1 } else { size - span };
        let oldest = self.current + span + 1;
        (0..count).filter_map(move |step| self.buckets.get((oldest + step) % size))
    }

    /// Index of the current bucket and the beginning of its interval.
    pub fn position(&self) -> (usize, Duration) {
        (self.current, self.began)
    }

    /// Whole intervals since the current bucket began, at most `size`.
    fn span(&self, now: Duration) -> usize {
        let passed = now.saturating_sub(self.began).as_nanos() / self.interval.as_nanos().max(1);
        usize::try_from(passed).unwrap_or(usize::MAX).min(self.buckets.len())
    }

    fn advance(&mut self, now: Duration) {
        let span = self.span(now);
        if span == 0 {
            return;
        }
        let size = self.buckets.len();
        for step in 1..=span {
            if let Some(bucket) = self.buckets.get_mut((self.current + step) % size) {
                *bucket = B::default();
            }
        }
        self.current = (self.current + span) % size;
        let into_interval = now.saturating_sub(self.began).as_nanos() % self.interval.as_nanos().max(1);
        // The remainder is below `interval`, which is a `Duration` of at most u64 nanoseconds in practice.
        self.began = now.saturating_sub(Duration::from_nanos(into_interval as u64));
    }
}
