//! The balance ledger: who was picked, at what cost, and how each replica looks to its callers.
//!
//! Picks come from `p2c.pick` events on CLIENT spans, so that each can be judged by the latency it led to; the callers'
//! live figures come from gauges.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use collector_api::console::{BalancedService, Replica};
use collector_api::vocabulary as words;

use super::cell::Picks;
use super::counter::Counter;
use super::directory::{Directory, Instance};
use super::seconds::Seconds;
use crate::model::{Kind, MetricPoint, Span, SpanEvent, Value};

/// Length of a replica's series, seconds.
const SERIES_S: u64 = 60;

/// Pairs of caller and replica that are told apart.
const VIEW_LIMIT: usize = 4_096;

/// A caller that has not exported for this long is gone.
const VIEW_AGE_NS: u64 = 10_000_000_000;

/// Share of the old weight that one export leaves: callers are weighted by their picks of about five seconds.
const WEIGHT_DECAY: f64 = 0.8;

/// One caller's figures of one replica.
#[derive(Debug, Clone, Default)]
struct View {
    inflight: f64,
    ewma_ns: f64,
    success: f64,
    load: f64,
    picks: Counter,
    forced: Counter,
    weight: f64,
    seen_ns: u64,
}

/// Live figures by caller and replica.
#[derive(Debug, Clone, Default)]
pub struct Balance {
    views: HashMap<(Arc<str>, Instance), View>,
    overflowed: u64,
}

impl Balance {
    /// Counts the picks on a span in the second of its end.
    pub fn observe_span(seconds: &mut Seconds, directory: &Directory, span: &Span, second: u64, version: u64) {
        if span.kind != Kind::Client {
            return;
        }
        for event in span.events.iter().filter(|event| &*event.name == words::P2C_PICK) {
            let Some(chosen) = event.get(words::P2C_CHOSEN).and_then(Value::as_text) else { continue };
            let replica = directory.resolve(chosen);
            let picks = seconds.cell(second, version).balance.entry(replica).or_default();
            picks.picks += 1;
            picks.forced += u64::from(event.get(words::P2C_FORCED).and_then(Value::as_bool) == Some(true));
            picks.errors += u64::from(span.is_error());
            picks.regret_ns = picks.regret_ns.saturating_add(regret_ns(event, chosen, span.duration_ns()));
        }
    }

    /// Takes a point of the `p2c.*` metrics; others are left alone.
    pub fn observe_point(&mut self, point: &MetricPoint, since_ns: u64) {
        let Some(value) = point.number().filter(|_| point.name.starts_with("p2c.")) else { return };
        let text = |key: &str| point.get(key).and_then(Value::as_text).map(Arc::<str>::from);
        let (Some(service), Some(instance)) = (text(words::P2C_SERVICE), text(words::P2C_INSTANCE)) else { return };
        let key = (point.resource.instance.clone(), Instance { service, instance });
        if self.views.len() >= VIEW_LIMIT && !self.views.contains_key(&key) {
            self.overflowed += 1;
            return;
        }
        let view = self.views.entry(key).or_default();
        view.seen_ns = view.seen_ns.max(point.time_ns);
        match &*point.name {
            words::P2C_INFLIGHT => view.inflight = value,
            words::P2C_EWMA => view.ewma_ns = value,
            words::P2C_SUCCESS => view.success = value,
            words::P2C_LOAD => view.load = value,
            words::P2C_PICKS => {
                let is_forced = point.get(words::P2C_FORCED).is_some_and(|value| value.to_string() == "true");
                let counter = if is_forced { &mut view.forced } else { &mut view.picks };
                let risen = counter.advance(value, point.start_ns, since_ns);
                view.weight = if is_forced { view.weight } else { view.weight * WEIGHT_DECAY } + risen as f64;
            }
            _ => {}
        }
    }

    /// The ledger of the seconds `(now - window, now]`.
    pub fn list(&self, seconds: &Seconds, directory: &Directory, now_ns: u64, window_s: u64) -> Vec<BalancedService> {
        let now_s = now_ns / 1_000_000_000;
        let from = now_s.saturating_sub(window_s.saturating_sub(1));
        let series_from = now_s.saturating_sub(SERIES_S - 1);
        let mut totals: BTreeMap<Instance, (Picks, Vec<u64>)> = BTreeMap::new();
        for (second, cell) in seconds.live_range(series_from.min(from), now_s) {
            for (replica, picks) in &cell.balance {
                let (total, series) = totals.entry(replica.clone()).or_insert_with(empty_totals);
                if second >= from {
                    add(total, picks);
                }
                let at = second.checked_sub(series_from).and_then(|at| series.get_mut(at as usize));
                if let Some(count) = at {
                    *count += picks.picks;
                }
            }
        }
        let views = self.live_views(directory, now_ns);
        for (replica, _) in &views {
            totals.entry(replica.clone()).or_insert_with(empty_totals);
        }
        let mut services: BTreeMap<Arc<str>, Vec<Replica>> = BTreeMap::new();
        for (replica, (picks, series)) in totals {
            let row = row(&replica, &picks, series, &views, directory);
            services.entry(replica.service).or_default().push(row);
        }
        let wire =
            |(service, replicas): (Arc<str>, Vec<Replica>)| BalancedService { service: service.to_string(), replicas };
        services.into_iter().map(wire).collect()
    }

    /// Pairs of caller and replica that did not fit.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Forgets callers that are gone.
    pub fn age(&mut self, now_ns: u64) {
        self.views.retain(|_, view| view.seen_ns.saturating_add(6 * VIEW_AGE_NS) > now_ns);
    }

    /// Every live view with the replica that it is of. A caller that found it in a registry of addresses knows only where it
    /// listens; the directory may learn its name later than the figures, so it is asked each time.
    fn live_views(&self, directory: &Directory, now_ns: u64) -> Vec<(Instance, &View)> {
        let live = self.views.iter().filter(|(_, view)| is_live(view, now_ns));
        live.map(|((_, replica), view)| (directory.named(replica), view)).collect()
    }
}

fn row(
    replica: &Instance,
    picks: &Picks,
    series: Vec<u64>,
    views: &[(Instance, &View)],
    directory: &Directory,
) -> Replica {
    let views: Vec<&View> = views.iter().filter(|(of, _)| of == replica).map(|(_, view)| *view).collect();
    // A caller that never picked still has an opinion; a small weight lets it speak when nobody else does.
    let weight_of = |view: &View| view.weight.max(1e-6);
    let weight: f64 = views.iter().map(|view| weight_of(view)).sum();
    let mean = |figure: fn(&View) -> f64| {
        let sum: f64 = views.iter().map(|view| figure(view) * weight_of(view)).sum();
        if weight > 0.0 { sum / weight } else { 0.0 }
    };
    Replica {
        instance: replica.instance.to_string(),
        picks: picks.picks,
        forced: picks.forced,
        errors: picks.errors,
        regret_ns: picks.regret_ns,
        inflight: views.iter().map(|view| view.inflight).sum(),
        ewma_ns: mean(|view| view.ewma_ns),
        success: mean(|view| view.success),
        load: views.iter().map(|view| view.load).sum(),
        series,
        address: directory.address_of(&replica.instance).map(|address| address.to_string()).unwrap_or_default(),
    }
}

/// max(0, measured latency - the other candidate's average when picked); 0 with a single candidate.
fn regret_ns(event: &SpanEvent, chosen: &str, latency_ns: u64) -> u64 {
    let is_b = event.get(words::P2C_B_TARGET).and_then(Value::as_text) == Some(chosen);
    let is_a = event.get(words::P2C_A_TARGET).and_then(Value::as_text) == Some(chosen);
    let other = if is_b && !is_a { words::P2C_A_EWMA_NS } else { words::P2C_B_EWMA_NS };
    let Some(ewma_ns) = event.get(other).and_then(Value::as_int) else { return 0 };
    latency_ns.saturating_sub(ewma_ns.max(0) as u64)
}

fn is_live(view: &View, now_ns: u64) -> bool {
    view.seen_ns.saturating_add(VIEW_AGE_NS) > now_ns
}

fn empty_totals() -> (Picks, Vec<u64>) {
    (Picks::default(), vec![0; SERIES_S as usize])
}

fn add(total: &mut Picks, picks: &Picks) {
    total.picks += picks.picks;
    total.forced += picks.forced;
    total.errors += picks.errors;
    total.regret_ns = total.regret_ns.saturating_add(picks.regret_ns);
}
