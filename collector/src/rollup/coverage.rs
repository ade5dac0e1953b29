//! Which services show only a part of their requests in spans, and what their metrics say instead.
//!
//! A process that head-samples says so by `mall.sampler.ratio` on its resource. A foreign one is found out by comparing:
//! its request metrics count every request, its spans the sampled ones. From then on the figures by second of such a
//! service are its metrics', as far as it sends them; span figures remain those of sampled traces.
//!
//! Metrics that are understood: `http.server.request.duration`, `rpc.server.call.duration` and `rpc.server.duration` of
//! the conventions, and go-zero's `http_server_requests_*` and `rpc_server_requests_*`. Of several that count the same
//! protocol of one process, the first that came is taken.
//!
//! Processes come and go, each under a name of its own where pods are rolled out: who was silent for long is forgotten, so
//! that successors find room.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use collector_api::{console, vocabulary as words};

use super::SECOND_NS;
use super::cell::Red;
use super::counter::Counter;
use super::directory::Instance;
use crate::model::{MetricPoint, MetricValue, Resource, Span, Value, find};

/// Services that are watched.
const SERVICE_LIMIT: usize = 512;

/// Streams of request metrics (sets of attributes of one process) that are told apart.
const STREAM_LIMIT: usize = 8_192;

/// Histograms that are counted: one of each protocol of a process.
const SOURCE_LIMIT: usize = 1_024;

/// Who was silent for this long is gone. Twice the slowest interval of export that is usual, so that nobody who is only
/// slow begins anew each time.
const SILENCE_NS: u64 = 600 * SECOND_NS;

/// Requests by metrics from which a comparison with spans means something.
const ENOUGH: u64 = 100;

/// Both counts are halved here, so that a change of the ratio shows.
const MUCH: u64 = 20_000;

/// Metrics that count this many times what spans show are no accident of timing.
const FAR_MORE: f64 = 1.5;

#[derive(Debug, Clone, Default)]
struct Service {
    declared: Option<f64>,
    by_spans: u64,
    by_metrics: u64,
    has_metrics: bool,
    seen_ns: u64,
}

impl Service {
    fn observed(&self) -> Option<f64> {
        let is_short = self.by_metrics >= ENOUGH && self.by_metrics as f64 > self.by_spans as f64 * FAR_MORE;
        is_short.then(|| self.by_spans as f64 / self.by_metrics as f64)
    }

    fn ratio(&self) -> Option<f64> {
        self.declared.filter(|ratio| *ratio < 1.0).or_else(|| self.observed())
    }
}

/// A request metric: what it counts, and how long a unit of its buckets is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Form {
    protocol: &'static str,
    micros: f64,
}

/// The histogram that counts a protocol of a process.
#[derive(Debug, Clone)]
struct Source {
    name: Arc<str>,
    says_outcome: bool,
    /// Counters that began before are only a base when they are met for the first time.
    since_ns: u64,
    seen_ns: u64,
}

#[derive(Debug, Clone, Default)]
struct Stream {
    counter: Counter,
    buckets: Vec<Counter>,
    seen_ns: u64,
}

/// Spans against metrics, by service.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    services: BTreeMap<Arc<str>, Service>,
    sources: HashMap<(Arc<str>, &'static str), Source>,
    streams: HashMap<u64, Stream>,
    /// When the last of those that are forgotten was seen.
    forgotten_ns: u64,
    overflowed: u64,
}

impl Coverage {
    /// Takes what a process says of its sampler, and counts a span that answers a request.
    pub fn observe_span(&mut self, span: &Span, now_ns: u64) {
        let declared = declared(&span.resource);
        if declared.is_none() && !span.is_entry() {
            return;
        }
        if let Some(service) = self.service(&span.resource.service, now_ns) {
            service.declared = declared;
            service.by_spans += u64::from(span.is_entry());
        }
    }

    /// Takes a point of a request metric; others are left alone. Returns what it adds to the second of its process when
    /// spans do not show all of its requests.
    pub fn observe_point(&mut self, point: &MetricPoint, since_ns: u64, now_ns: u64) -> Option<(Instance, Red)> {
        let form = form_of(&point.name)?;
        let red = match &point.value {
            MetricValue::Histogram { count, bounds, counts, .. } => {
                let failure = failure(point);
                let source = self.source(point, form, since_ns, now_ns)?;
                if source.name != point.name {
                    return None;
                }
                source.seen_ns = now_ns;
                let since_ns = source.since_ns;
                let stream = self.stream(point, now_ns)?;
                let mut red =
                    Red { requests: stream.counter.advance(*count as f64, point.start_ns, since_ns), ..Red::default() };
                red.errors = if failure == Some(true) { red.requests } else { 0 };
                stream.buckets.resize(counts.len(), Counter::default());
                for (at, (bucket, count)) in stream.buckets.iter_mut().zip(counts).enumerate() {
                    let risen = bucket.advance(*count as f64, point.start_ns, since_ns);
                    red.latency.record_many_us(middle_us(bounds, at, form.micros), risen);
                }
                red
            }
            // Where a histogram does not say the outcome, go-zero's counters do.
            MetricValue::Number(value) => {
                let since_ns = self.needs_outcome(point, form)?;
                let risen = self.stream(point, now_ns)?.counter.advance(*value, point.start_ns, since_ns);
                Red { errors: if failure(point) == Some(true) { risen } else { 0 }, ..Red::default() }
            }
        };
        let declared = declared(&point.resource);
        let service = self.service(&point.resource.service, now_ns)?;
        service.declared = declared;
        service.has_metrics |= matches!(point.value, MetricValue::Histogram { .. });
        service.by_metrics += red.requests;
        if service.by_metrics > MUCH {
            service.by_metrics /= 2;
            service.by_spans /= 2;
        }
        service.ratio()?;
        let key = Instance { service: point.resource.service.clone(), instance: point.resource.instance.clone() };
        (red.requests > 0 || red.errors > 0).then_some((key, red))
    }

    /// Services whose spans show only a part of their requests.
    pub fn list(&self) -> Vec<console::Coverage> {
        let wire = |(name, service): (&Arc<str>, &Service)| {
            Some(console::Coverage {
                service: name.to_string(),
                ratio: service.ratio()?,
                declared: service.declared.is_some_and(|ratio| ratio < 1.0),
                by_spans: service.by_spans,
                by_metrics: service.by_metrics,
                from_metrics: service.has_metrics,
            })
        };
        self.services.iter().filter_map(wire).collect()
    }

    /// Forgets processes and services that are gone.
    pub fn age(&mut self, now_ns: u64) {
        let is_recent = |seen_ns: u64| seen_ns.saturating_add(SILENCE_NS) > now_ns;
        let forgotten = self.sources.values().map(|source| source.seen_ns).filter(|seen| !is_recent(*seen)).max();
        self.forgotten_ns = self.forgotten_ns.max(forgotten.unwrap_or_default());
        self.services.retain(|_, service| is_recent(service.seen_ns));
        self.sources.retain(|_, source| is_recent(source.seen_ns));
        self.streams.retain(|_, stream| is_recent(stream.seen_ns));
    }

    /// Services, processes and streams that did not fit.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Since when a counter of outcomes counts, where the histogram of its process does not say them.
    fn needs_outcome(&self, point: &MetricPoint, form: Form) -> Option<u64> {
        let source = self.sources.get(&(point.resource.instance.clone(), form.protocol))?;
        (!source.says_outcome && point.name.ends_with("_code_total")).then_some(source.since_ns)
    }

    fn source(&mut self, point: &MetricPoint, form: Form, since_ns: u64, now_ns: u64) -> Option<&mut Source> {
        let key = (point.resource.instance.clone(), form.protocol);
        if !self.sources.contains_key(&key) {
            if self.sources.len() >= SOURCE_LIMIT {
                self.overflowed += 1;
                return None;
            }
            // It may be one of those that are forgotten: what it counted until now was counted before.
            let may_return = point.start_ns <= self.forgotten_ns;
            let source = Source {
                name: point.name.clone(),
                says_outcome: failure(point).is_some(),
                since_ns: if may_return { now_ns } else { since_ns },
                seen_ns: now_ns,
            };
            self.sources.insert(key.clone(), source);
        }
        self.sources.get_mut(&key)
    }

    fn service(&mut self, name: &Arc<str>, now_ns: u64) -> Option<&mut Service> {
        if !self.services.contains_key(name) {
            if self.services.len() >= SERVICE_LIMIT {
                self.overflowed += 1;
                return None;
            }
            self.services.insert(name.clone(), Service::default());
        }
        let service = self.services.get_mut(name)?;
        service.seen_ns = now_ns;
        Some(service)
    }

    fn stream(&mut self, point: &MetricPoint, now_ns: u64) -> Option<&mut Stream> {
        let key = stream_of(point);
        if self.streams.len() >= STREAM_LIMIT && !self.streams.contains_key(&key) {
            self.overflowed += 1;
            return None;
        }
        let stream = self.streams.entry(key).or_default();
        stream.seen_ns = now_ns;
        Some(stream)
    }
}

fn declared(resource: &Resource) -> Option<f64> {
    find(&resource.attributes, words::MALL_SAMPLER_RATIO).and_then(Value::as_float)
}

fn form_of(name: &str) -> Option<Form> {
    let (protocol, micros) = match name {
        "http.server.request.duration" => ("http", 1e6),
        "http_server_requests_duration_ms" => ("http", 1e3),
        "http_server_requests_code_total" => ("http", 0.0),
        "rpc.server.call.duration" => ("rpc", 1e6),
        "rpc.server.duration" | "rpc_server_requests_duration_ms" => ("rpc", 1e3),
        "rpc_server_requests_code_total" => ("rpc", 0.0),
        _ => return None,
    };
    Some(Form { protocol, micros })
}

/// gRPC codes that are the server's fault, by name and by number.
const RPC_FAILURES: [(&str, i64); 6] = [
    ("UNKNOWN", 2),
    ("DEADLINE_EXCEEDED", 4),
    ("UNIMPLEMENTED", 12),
    ("INTERNAL", 13),
    ("UNAVAILABLE", 14),
    ("DATA_LOSS", 15),
];

/// Whether the requests of a point failed, as a SERVER span would say; `None` when the point does not tell.
fn failure(point: &MetricPoint) -> Option<bool> {
    let get = |key: &str| point.get(key);
    if point.name.starts_with("http") {
        let status = get("http.response.status_code").or_else(|| get("http.status_code")).or_else(|| get("code"))?;
        return status.as_int().map(|status| status >= 500);
    }
    let code = get("rpc.response.status_code").or_else(|| get("rpc.grpc.status_code")).or_else(|| get("code"))?;
    Some(match code.as_int() {
        Some(number) => RPC_FAILURES.iter().any(|(_, failure)| *failure == number),
        None => RPC_FAILURES.iter().any(|(failure, _)| code.as_text() == Some(failure)),
    })
}

/// The middle of a bucket; of the open one its lower bound.
fn middle_us(bounds: &[f64], at: usize, micros: f64) -> u64 {
    let lower = at.checked_sub(1).and_then(|below| bounds.get(below)).copied().unwrap_or(0.0);
    let upper = bounds.get(at).copied().unwrap_or(lower);
    (f64::midpoint(lower, upper) * micros).max(0.0) as u64
}

fn stream_of(point: &MetricPoint) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&point.resource.service, &point.resource.instance, &point.name).hash(&mut hasher);
    for attribute in &point.attributes {
        attribute.key.hash(&mut hasher);
        attribute.value.to_string().hash(&mut hasher);
    }
    hasher.finish()
}
