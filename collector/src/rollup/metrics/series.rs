//! One series and its samples.

use super::{Labels, SECOND};

/// Samples of one series at most: ten minutes at two a second.
const MAX_SAMPLES: usize = 1_200;

/// A value at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When, nanoseconds since the epoch.
    pub time_ns: u64,
    /// What.
    pub value: f64,
}

impl Sample {
    fn second(&self) -> u64 {
        self.time_ns / SECOND
    }
}

/// What a point says about the stream that it belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stream {
    /// Whether it counts up from zero.
    pub(super) is_cumulative: bool,
    /// When it began to count; 0 when not said.
    pub(super) start_ns: u64,
    /// The last instant at which it is known to have been zero, if it is new.
    pub(super) zero_ns: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Series {
    labels: Labels,
    samples: Vec<Sample>,
    /// Samples at the front that are dropped already.
    dropped: usize,
}

impl Series {
    pub(super) fn new(labels: Labels) -> Self {
        Self { labels, samples: Vec::new(), dropped: 0 }
    }

    pub(super) fn labels(&self) -> &Labels {
        &self.labels
    }

    pub(super) fn len(&self) -> usize {
        self.samples.len() - self.dropped
    }

    fn live(&self) -> &[Sample] {
        self.samples.get(self.dropped..).unwrap_or_default()
    }

    /// When its first sample was taken.
    pub(super) fn oldest_ns(&self) -> Option<u64> {
        self.live().first().map(|sample| sample.time_ns)
    }

    /// Samples in `(after_ns, to_ns]`.
    pub(super) fn between(&self, after_ns: u64, to_ns: u64) -> &[Sample] {
        let live = self.live();
        let first = live.partition_point(|sample| sample.time_ns <= after_ns);
        let end = live.partition_point(|sample| sample.time_ns <= to_ns);
        live.get(first..end).unwrap_or_default()
    }

    /// Adds a sample; false when it is not later than the last one.
    ///
    /// Of one second the first and the last sample are kept, so that a fast exporter costs no more than two a second.
    pub(super) fn push(&mut self, stream: &Stream, sample: Sample) -> bool {
        match self.live().last() {
            None => {
                if let Some(time_ns) = stream.zero_ns.filter(|&zero| zero < sample.time_ns && sample.value > 0.0) {
                    self.samples.push(Sample { time_ns, value: 0.0 });
                }
            }
            Some(last) if sample.time_ns <= last.time_ns => return false,
            Some(last) => {
                let is_new_life =
                    stream.is_cumulative && stream.start_ns > last.time_ns && stream.start_ns < sample.time_ns;
                if is_new_life {
                    self.samples.push(Sample { time_ns: stream.start_ns, value: 0.0 });
                } else if self.is_second_full(sample, stream.is_cumulative) {
                    self.samples.pop();
                }
            }
        }
        self.samples.push(sample);
        self.shrink(usize::from(self.len() > MAX_SAMPLES));
        true
    }

    /// Drops samples before an instant.
    pub(super) fn drop_before(&mut self, time_ns: u64) {
        let old = self.live().partition_point(|sample| sample.time_ns < time_ns);
        self.shrink(old);
    }

    /// Whether the second of a sample has two already, of which the later may be replaced: a counter's fall may not.
    fn is_second_full(&self, sample: Sample, is_cumulative: bool) -> bool {
        let mut latest = self.live().iter().rev();
        let (Some(last), Some(before)) = (latest.next(), latest.next()) else { return false };
        let is_one_second = before.second() == sample.second() && last.second() == sample.second();
        is_one_second && !(is_cumulative && last.value < before.value)
    }

    fn shrink(&mut self, by: usize) {
        self.dropped += by;
        if self.dropped > 0 && self.dropped * 2 >= self.samples.len() {
            self.samples.drain(..self.dropped);
            self.dropped = 0;
            self.samples.shrink_to(self.samples.len() * 2);
        }
    }
}
