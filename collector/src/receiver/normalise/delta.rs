//! Deltas are added up to cumulative values, per stream.
//!
//! A stream is a metric of one resource with one set of attributes. A delta that does not end after the one before is a
//! repetition (senders resend when an answer is lost) and adds nothing.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use crate::model::{MetricPoint, MetricValue, Value};

/// What became of a delta.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Added {
    /// The point, cumulative now.
    Cumulative(MetricPoint),
    /// The delta was added before.
    Repeated,
    /// There are too many streams.
    Full,
}

/// Running totals.
pub(super) struct Deltas {
    limit: usize,
    // Two keyed hashes make a 128-bit identity, which spares a copy of every stream's name and attributes.
    hashers: (RandomState, RandomState),
    streams: Mutex<HashMap<(u64, u64), Stream>>,
}

struct Stream {
    start_ns: u64,
    end_ns: u64,
    total: MetricValue,
}

fn identify(hasher: &RandomState, point: &MetricPoint) -> u64 {
    let mut state = hasher.build_hasher();
    (&point.resource.service, &point.resource.instance, &point.name).hash(&mut state);
    // The order of attributes does not tell streams apart: their hashes are summed.
    let attributes = point.attributes.iter().map(|attribute| {
        let mut state = hasher.build_hasher();
        attribute.key.hash(&mut state);
        match &attribute.value {
            Value::Text(text) | Value::Json(text) => text.hash(&mut state),
            Value::Int(number) => number.hash(&mut state),
            Value::Float(number) => number.to_bits().hash(&mut state),
            Value::Bool(flag) => flag.hash(&mut state),
        }
        state.finish()
    });
    attributes.fold(0_u64, u64::wrapping_add).hash(&mut state);
    state.finish()
}

impl Deltas {
    pub fn new(limit: usize) -> Self {
        Self { limit, hashers: (RandomState::new(), RandomState::new()), streams: Mutex::default() }
    }

    /// Adds a delta to its stream.
    pub fn add(&self, mut point: MetricPoint) -> Added {
        let key = (identify(&self.hashers.0, &point), identify(&self.hashers.1, &point));
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.len() >= self.limit && !streams.contains_key(&key) {
            return Added::Full;
        }
        let stream = streams.entry(key).or_insert_with(|| Stream {
            start_ns: if point.start_ns == 0 { point.time_ns } else { point.start_ns },
            end_ns: 0,
            total: nothing(&point.value),
        });
        if point.time_ns <= stream.end_ns {
            return Added::Repeated;
        }
        stream.end_ns = point.time_ns;
        if !accumulate(&mut stream.total, &point.value) {
            // Other bucket bounds: a new stream under the old name.
            stream.start_ns = point.start_ns;
            stream.total = point.value;
        }
        point.start_ns = stream.start_ns;
        point.value = stream.total.clone();
        Added::Cumulative(point)
    }
}

fn nothing(like: &MetricValue) -> MetricValue {
    match like {
        MetricValue::Number(_) => MetricValue::Number(0.0),
        MetricValue::Histogram { bounds, counts, .. } => {
            MetricValue::Histogram { count: 0, sum: 0.0, bounds: bounds.clone(), counts: vec![0; counts.len()] }
        }
    }
}

/// Adds a delta; false when it has another shape.
fn accumulate(total: &mut MetricValue, delta: &MetricValue) -> bool {
    match (total, delta) {
        (MetricValue::Number(total), MetricValue::Number(delta)) => {
            *total += delta;
            true
        }
        (
            MetricValue::Histogram { count, sum, bounds, counts },
            MetricValue::Histogram { count: more, sum: sum_more, bounds: same, counts: counts_more },
        ) if bounds == same => {
            *count = count.saturating_add(*more);
            *sum += sum_more;
            for (total, delta) in counts.iter_mut().zip(counts_more) {
                *total = total.saturating_add(*delta);
            }
            true
        }
        _ => false,
    }
}
