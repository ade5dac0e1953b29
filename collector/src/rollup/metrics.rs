//! Metrics as time series, under the names that Prometheus gives them.
//!
//! Every OTLP point becomes samples of one or more series: a number one, a histogram one for each bucket (cumulative,
//! label `le`) and `_sum` and `_count`. Each process also has `target_info` with its resource's other attributes.
//!
//! **A series that is born late.** A cumulative value that appears at 5 would hide its first five events from `rate` and
//! `increase`, which only see differences. OTLP says when it began to count, so a zero is put there; where the process
//! exported without the series meanwhile, the zero stands at the last such export, since it was still zero then. The same
//! at a restart: a begin later than the last sample puts a zero between the two lives.
//!
//! Bounded: series, samples (a resolution of one second, a retention that shrinks when samples are many) and processes;
//! what does not fit is counted in [`MetricStats`].

mod labels;
mod series;

use std::collections::HashMap;
use std::sync::Arc;

pub use labels::{Labels, NAME};
pub use series::Sample;

use self::series::{Series, Stream};
use collector_api::prometheus;

use crate::model::{MetricKind, MetricPoint, MetricValue, Resource};

const SECOND: u64 = 1_000_000_000;
/// Points of one process closer together than this belong to one export.
const EXPORT_SPREAD_NS: u64 = 50_000_000;
/// A point further ahead of the collector's clock than this is refused.
const FUTURE_NS: u64 = 60 * SECOND;
/// Old samples are dropped this often.
const EXPIRY_NS: u64 = 5 * SECOND;

/// What the store may hold.
#[derive(Debug, Clone, Copy)]
pub struct MetricLimits {
    /// Series at a time.
    pub series: usize,
    /// Samples at a time, over all series; beyond it the retention shrinks.
    pub samples: usize,
    /// How long a sample is kept, nanoseconds.
    pub retain_ns: u64,
    /// Processes whose exports are followed.
    pub processes: usize,
}

impl Default for MetricLimits {
    fn default() -> Self {
        Self { series: 20_000, samples: 2_000_000, retain_ns: 600 * SECOND, processes: 1_000 }
    }
}

/// What the store holds and what it had to refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MetricStats {
    /// Series now.
    pub series: usize,
    /// Samples now.
    pub samples: usize,
    /// Samples refused because their series would have been one too many.
    pub refused_series: u64,
    /// Samples refused because they were not later than their series' last one.
    pub out_of_order: u64,
    /// Points refused because they claim a time over a minute ahead.
    pub from_future: u64,
    /// Samples dropped before their retention ended, because there were too many.
    pub trimmed: u64,
}

/// Time series in memory.
#[derive(Debug, Default)]
pub struct MetricStore {
    limits: MetricLimits,
    series: Vec<Option<Series>>,
    free: Vec<usize>,
    by_labels: HashMap<Labels, usize>,
    by_name: HashMap<Arc<str>, Vec<usize>>,
    exports: HashMap<(Arc<str>, Arc<str>), Exports>,
    expired_at_ns: u64,
    stats: MetricStats,
}

/// When a process exported.
#[derive(Debug, Clone, Copy)]
struct Exports {
    latest_ns: u64,
    previous_ns: Option<u64>,
}

impl MetricStore {
    /// An empty store.
    pub fn new(limits: MetricLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes one point in. Delta values were added up by the receiver.
    pub fn ingest(&mut self, point: &MetricPoint, now_ns: u64) {
        let time_ns = if point.time_ns == 0 { now_ns } else { point.time_ns };
        if time_ns > now_ns.saturating_add(FUTURE_NS) {
            self.stats.from_future += 1;
            return;
        }
        let previous_export_ns = self.note_export(&point.resource, time_ns);
        let kind = match point.kind {
            MetricKind::Counter => prometheus::Kind::Counter,
            MetricKind::Gauge => prometheus::Kind::Gauge,
            _ => prometheus::Kind::Other,
        };
        let name = prometheus::metric_name(&point.name, &point.unit, kind);
        let labels = Labels::of_point(&point.attributes, &point.resource);
        let is_cumulative = matches!(point.kind, MetricKind::Counter | MetricKind::Histogram);
        let zero_ns =
            if is_cumulative { previous_export_ns.max((point.start_ns > 0).then_some(point.start_ns)) } else { None };
        let stream = Stream { is_cumulative, start_ns: point.start_ns, zero_ns };
        match &point.value {
            MetricValue::Number(value) => self.push(labels.named(&name), &stream, Sample { time_ns, value: *value }),
            MetricValue::Histogram { count, sum, bounds, counts } => {
                self.push_buckets(&labels.named(&format!("{name}_bucket")), &stream, time_ns, bounds, counts);
                self.push(labels.named(&format!("{name}_sum")), &stream, Sample { time_ns, value: *sum });
                self.push(labels.named(&format!("{name}_count")), &stream, Sample { time_ns, value: *count as f64 });
            }
        }
        if now_ns >= self.expired_at_ns.saturating_add(EXPIRY_NS) {
            self.expire(now_ns);
        }
    }

    /// Series of a name (any when `None`) whose labels are accepted, with their samples in `(after_ns, to_ns]`; series
    /// without such samples are left out. Order is not defined.
    pub fn select<'a>(
        &'a self,
        name: Option<&str>,
        accepts: impl Fn(&Labels) -> bool + 'a,
        after_ns: u64,
        to_ns: u64,
    ) -> impl Iterator<Item = (&'a Labels, &'a [Sample])> {
        let named = name.map(|name| self.by_name.get(name).map(Vec::as_slice).unwrap_or_default());
        let all = if named.is_none() { 0..self.series.len() } else { 0..0 };
        let places = named.unwrap_or_default().iter().copied().chain(all);
        places
            .filter_map(|place| self.series.get(place)?.as_ref())
            .filter(move |series| accepts(series.labels()))
            .map(move |series| (series.labels(), series.between(after_ns, to_ns)))
            .filter(|(_, samples)| !samples.is_empty())
    }

    /// Drops samples that are too old and series that are empty.
    pub fn expire(&mut self, now_ns: u64) {
        self.expired_at_ns = now_ns;
        self.drop_before(now_ns.saturating_sub(self.limits.retain_ns));
        if self.stats.samples > self.limits.samples {
            let oldest_ns = self.series.iter().flatten().filter_map(Series::oldest_ns).min().unwrap_or(now_ns);
            let share = self.limits.samples as f64 / self.stats.samples as f64;
            let span_ns = now_ns.saturating_sub(oldest_ns) as f64;
            let held = self.stats.samples;
            self.drop_before(now_ns.saturating_sub((span_ns * share * 0.9) as u64));
            self.stats.trimmed += (held - self.stats.samples) as u64;
        }
    }

    /// What is held and what was refused.
    pub fn stats(&self) -> MetricStats {
        self.stats
    }

    /// The last export of the process before the one that this point belongs to.
    fn note_export(&mut self, resource: &Resource, time_ns: u64) -> Option<u64> {
        let key = (Arc::clone(&resource.service), Arc::clone(&resource.instance));
        let has_room = self.exports.len() < self.limits.processes;
        let is_new_export = match self.exports.get_mut(&key) {
            Some(exports) if time_ns > exports.latest_ns.saturating_add(EXPORT_SPREAD_NS) => {
                *exports = Exports { latest_ns: time_ns, previous_ns: Some(exports.latest_ns) };
                true
            }
            Some(exports) => {
                exports.latest_ns = exports.latest_ns.max(time_ns);
                false
            }
            None if has_room => {
                self.exports.insert(key.clone(), Exports { latest_ns: time_ns, previous_ns: None });
                true
            }
            None => return None,
        };
        if is_new_export {
            let gauge = Stream { is_cumulative: false, start_ns: 0, zero_ns: None };
            self.push(Labels::of_target(resource), &gauge, Sample { time_ns, value: 1.0 });
        }
        self.exports.get(&key)?.previous_ns.filter(|&previous| previous < time_ns)
    }

    fn push_buckets(&mut self, labels: &Labels, stream: &Stream, time_ns: u64, bounds: &[f64], counts: &[u64]) {
        let mut at_most = 0;
        let open_end = std::iter::once("+Inf".to_owned());
        for (count, bound) in counts.iter().zip(bounds.iter().map(ToString::to_string).chain(open_end)) {
            at_most += count;
            self.push(labels.with("le", &bound), stream, Sample { time_ns, value: at_most as f64 });
        }
    }

    fn push(&mut self, labels: Labels, stream: &Stream, sample: Sample) {
        let Some(place) = self.place(labels) else {
            self.stats.refused_series += 1;
            return;
        };
        let Some(series) = self.series.get_mut(place).and_then(Option::as_mut) else { return };
        let held = series.len();
        if !series.push(stream, sample) {
            self.stats.out_of_order += 1;
        }
        self.stats.samples = self.stats.samples + series.len() - held;
    }

    /// Where a series stands, made when it is new and fits.
    fn place(&mut self, labels: Labels) -> Option<usize> {
        if let Some(&place) = self.by_labels.get(&labels) {
            return Some(place);
        }
        if self.stats.series >= self.limits.series {
            return None;
        }
        let name = labels.shared(NAME)?;
        let series = Some(Series::new(labels.clone()));
        let place = self.free.pop().unwrap_or(self.series.len());
        match self.series.get_mut(place) {
            Some(slot) => *slot = series,
            None => self.series.push(series),
        }
        self.by_name.entry(name).or_default().push(place);
        self.by_labels.insert(labels, place);
        self.stats.series += 1;
        Some(place)
    }

    fn drop_before(&mut self, time_ns: u64) {
        for place in 0..self.series.len() {
            let Some(slot) = self.series.get_mut(place) else { continue };
            let Some(series) = slot else { continue };
            let held = series.len();
            series.drop_before(time_ns);
            self.stats.samples -= held - series.len();
            if series.len() == 0 {
                let labels = series.labels().clone();
                *slot = None;
                self.forget(place, &labels);
            }
        }
        self.exports.retain(|_, exports| exports.latest_ns >= time_ns);
    }

    fn forget(&mut self, place: usize, labels: &Labels) {
        self.by_labels.remove(labels);
        self.free.push(place);
        self.stats.series -= 1;
        let Some(name) = labels.get(NAME) else { return };
        if let Some(places) = self.by_name.get_mut(name) {
            places.retain(|&other| other != place);
            if places.is_empty() {
                self.by_name.remove(name);
            }
        }
    }
}
