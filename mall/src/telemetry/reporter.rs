//! What the resilience algorithms decide, as span events and counters.

use super::{Meters, span};
use collector_api::vocabulary as word;
use governance::breaker::Snapshot;
use governance::{BreakerReport, Observer, PickReport, ShedReport};
use opentelemetry::KeyValue;
use std::sync::Arc;

/// Listens to every breaker, balancer and shedder of the process. An event lands on the span that is current when the decision is
/// made: the CLIENT span of a call, the SERVER span of a request.
pub struct Reporter {
    meters: Meters,
}

impl Reporter {
    /// A reporter that counts on `meters`.
    pub fn new(meters: Meters) -> Self {
        Self { meters }
    }

    /// Creates the counters of a breaker at zero.
    pub fn breaker_created(&self, place: &'static str, name: &Arc<str>) {
        let key = breaker_key(place, name);
        self.meters.trips().add(0, &key);
        self.meters.rejections().add(0, &key);
        for is_ok in [true, false] {
            self.meters.calls().add(0, &outcome_key(place, name, is_ok));
        }
    }

    /// Counts a call that ran.
    pub fn breaker_call(&self, place: &'static str, name: &Arc<str>, is_ok: bool) {
        self.meters.calls().add(1, &outcome_key(place, name, is_ok));
    }

    /// Creates the pick counters of a replica at zero.
    pub fn replica_joined(&self, service: &Arc<str>, instance: &Arc<str>) {
        for forced in [false, true] {
            self.meters.picks().add(0, &pick_key(service, instance, forced));
        }
    }

    /// Creates the counters of a shedder at zero.
    pub fn shed_created(&self, place: &'static str) {
        self.meters.shed_drops().add(0, &[KeyValue::new(word::SHED_PLACE, place)]);
        self.meters.shed_passes().add(0, &[KeyValue::new(word::SHED_PLACE, place)]);
    }

    /// Counts a request that a shedder let pass.
    pub fn shed_passed(&self, place: &'static str) {
        self.meters.shed_passes().add(1, &[KeyValue::new(word::SHED_PLACE, place)]);
    }

    /// Counts a refusal by a shedder, and makes it an event of the current span.
    pub fn shed_dropped(&self, place: &'static str, report: &ShedReport) {
        let place = KeyValue::new(word::SHED_PLACE, place);
        self.meters.shed_drops().add(1, std::slice::from_ref(&place));
        let ShedReport { cpu, limit, flying, avg_flying } = *report;
        span::event(word::SHED_DROP, || {
            vec![
                place,
                KeyValue::new(word::SHED_CPU, i64::from(cpu)),
                KeyValue::new(word::SHED_LIMIT, limit),
                KeyValue::new(word::SHED_FLYING, flying),
                KeyValue::new(word::SHED_AVG_FLYING, avg_flying),
            ]
        });
    }
}

impl Observer for Reporter {
    fn picked(&self, report: &PickReport) {
        let chosen = report.chosen();
        self.meters.picks().add(1, &pick_key(&report.service, &chosen.instance, report.forced));
        span::event(word::P2C_PICK, || {
            let mut attributes = Vec::with_capacity(8);
            attributes.push(KeyValue::new(word::P2C_A_TARGET, report.a.address.clone()));
            attributes.push(KeyValue::new(word::P2C_A_LOAD, signed(report.a.load)));
            attributes.push(KeyValue::new(word::P2C_A_EWMA_NS, signed(report.a.lag_ns)));
            if let Some(b) = &report.b {
                attributes.push(KeyValue::new(word::P2C_B_TARGET, b.address.clone()));
                attributes.push(KeyValue::new(word::P2C_B_LOAD, signed(b.load)));
                attributes.push(KeyValue::new(word::P2C_B_EWMA_NS, signed(b.lag_ns)));
            }
            attributes.push(KeyValue::new(word::P2C_CHOSEN, chosen.address.clone()));
            attributes.push(KeyValue::new(word::P2C_FORCED, report.forced));
            attributes
        });
    }

    fn breaker_tripped(&self, report: &BreakerReport) {
        self.meters.trips().add(1, &breaker_key(report.place, &report.name));
        span::event(word::BREAKER_TRIPPED, || decision(report));
    }

    fn breaker_rejected(&self, report: &BreakerReport) {
        self.meters.rejections().add(1, &breaker_key(report.place, &report.name));
        span::event(word::BREAKER_REJECTED, || decision(report));
    }
}

/// `breaker.place` and `breaker.name`.
pub(crate) fn breaker_key(place: &'static str, name: &Arc<str>) -> [KeyValue; 2] {
    [KeyValue::new(word::BREAKER_PLACE, place), KeyValue::new(word::BREAKER_NAME, Arc::clone(name))]
}

fn outcome_key(place: &'static str, name: &Arc<str>, is_ok: bool) -> [KeyValue; 3] {
    let [place, name] = breaker_key(place, name);
    [place, name, KeyValue::new(word::BREAKER_OUTCOME, if is_ok { "ok" } else { "failed" })]
}

fn pick_key(service: &Arc<str>, instance: &Arc<str>, forced: bool) -> [KeyValue; 3] {
    let [service, instance] = replica_key(service, instance);
    [service, instance, KeyValue::new(word::P2C_FORCED, forced)]
}

/// `p2c.service` and `p2c.instance`.
pub(crate) fn replica_key(service: &Arc<str>, instance: &Arc<str>) -> [KeyValue; 2] {
    [KeyValue::new(word::P2C_SERVICE, Arc::clone(service)), KeyValue::new(word::P2C_INSTANCE, Arc::clone(instance))]
}

fn decision(report: &BreakerReport) -> Vec<KeyValue> {
    let Snapshot { accepts, total, weight, ratio, .. } = report.snapshot;
    let [place, name] = breaker_key(report.place, &report.name);
    vec![
        place,
        name,
        KeyValue::new(word::BREAKER_ACCEPTS, accepts),
        KeyValue::new(word::BREAKER_TOTAL, total),
        KeyValue::new(word::BREAKER_WEIGHT, weight),
        KeyValue::new(word::BREAKER_RATIO, ratio),
    ]
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
