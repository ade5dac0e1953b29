//! What one second holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use collector_api::console;
use collector_api::sketch::Sketch;

use super::directory::Instance;

/// Requests, errors and latencies of one instance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Red {
    /// Entry spans that ended.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// Durations of all of them.
    pub latency: Sketch,
}

impl Red {
    /// Adds all that another counted.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.latency.merge(&other.latency);
    }
}

/// Requests as their callers saw them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry {
    /// Latencies of those that succeeded.
    pub ok: Sketch,
    /// Latencies of those that failed.
    pub failed: Sketch,
}

impl Entry {
    /// Counts a request.
    pub fn record(&mut self, latency_ns: u64, is_ok: bool) {
        let sketch = if is_ok { &mut self.ok } else { &mut self.failed };
        sketch.record_ns(latency_ns);
    }
}

/// Picks of one replica.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Picks {
    /// All picks.
    pub picks: u64,
    /// Picks of the worse candidate because it had waited too long.
    pub forced: u64,
    /// Calls after a pick that failed. Not sent by second.
    pub errors: u64,
    /// Sum of max(0, measured latency - the other candidate's average).
    pub regret_ns: u64,
}

/// Identity of a breaker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BreakerKey {
    /// `client`, `server` or `route`.
    pub place: Arc<str>,
    /// Instance that holds it.
    pub caller: Arc<str>,
    /// What it guards.
    pub name: Arc<str>,
}

/// Calls of one breaker.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BreakerCalls {
    /// Calls that ran and succeeded.
    pub ok: u64,
    /// Calls that ran and failed.
    pub failed: u64,
    /// Calls that were refused.
    pub rejected: u64,
    /// The largest drop ratio that was reported.
    pub ratio: f64,
}

/// Everything that happened in one second.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SecondCell {
    /// RED by instance, of spans.
    pub services: BTreeMap<Instance, Red>,
    /// RED by instance, of metrics: only where spans do not show all requests, and then this is what counts.
    pub by_metrics: BTreeMap<Instance, Red>,
    /// Requests of load tools.
    pub load: Entry,
    /// Roots of traces without a load tool.
    pub roots: Entry,
    /// What a load run said of this second.
    pub run: Option<console::RunCell>,
    /// Picks by replica.
    pub balance: BTreeMap<Instance, Picks>,
    /// Calls by breaker.
    pub breakers: BTreeMap<BreakerKey, BreakerCalls>,
}

impl SecondCell {
    /// As the console protocol says it. While a load runs, its requests are the entry, else the roots of traces.
    pub fn to_wire(&self, unix_s: u64, is_load_driven: bool) -> console::Second {
        let entry = if is_load_driven { &self.load } else { &self.roots };
        let sketch = |sketch: &Sketch| (sketch.count() > 0).then(|| sketch.into());
        console::Second {
            unix_s,
            services: self.services_to_wire(),
            entry_ok: sketch(&entry.ok),
            entry_failed: sketch(&entry.failed),
            run: self.run.clone(),
            balance: self.balance.iter().map(picks_to_wire).collect(),
            breakers: self.breakers.iter().map(breaker_to_wire).collect(),
        }
    }

    fn services_to_wire(&self) -> Vec<console::ServiceCell> {
        let by_spans = self.services.iter().filter(|(key, _)| !self.by_metrics.contains_key(key));
        let by_spans = by_spans.map(|(key, red)| service_to_wire(key, red, false));
        by_spans.chain(self.by_metrics.iter().map(|(key, red)| service_to_wire(key, red, true))).collect()
    }

    /// The reverse of [`SecondCell::to_wire`], as far as the protocol says it.
    pub fn from_wire(second: &console::Second, is_load_driven: bool) -> Self {
        let sketch = |wire: &Option<console::Sketch>| wire.as_ref().map(Sketch::from).unwrap_or_default();
        let entry = Entry { ok: sketch(&second.entry_ok), failed: sketch(&second.entry_failed) };
        let (load, roots) = if is_load_driven { (entry, Entry::default()) } else { (Entry::default(), entry) };
        let instance = |service: &str, instance: &str| Instance { service: service.into(), instance: instance.into() };
        let red = |cell: &console::ServiceCell| {
            let red = Red { requests: cell.requests, errors: cell.errors, latency: sketch(&cell.latency) };
            (instance(&cell.service, &cell.instance), red)
        };
        let picks = |cell: &console::BalanceCell| {
            let picks = Picks { picks: cell.picks, forced: cell.forced, errors: 0, regret_ns: cell.regret_ns };
            (instance(&cell.service, &cell.instance), picks)
        };
        let breaker = |cell: &console::BreakerCell| {
            let key = BreakerKey {
                place: cell.place.as_str().into(),
                caller: cell.caller.as_str().into(),
                name: cell.name.as_str().into(),
            };
            (key, BreakerCalls { ok: cell.ok, failed: cell.failed, rejected: cell.rejected, ratio: cell.ratio })
        };
        Self {
            services: second.services.iter().filter(|cell| !cell.from_metrics).map(red).collect(),
            by_metrics: second.services.iter().filter(|cell| cell.from_metrics).map(red).collect(),
            load,
            roots,
            run: second.run.clone(),
            balance: second.balance.iter().map(picks).collect(),
            breakers: second.breakers.iter().map(breaker).collect(),
        }
    }
}

fn service_to_wire(key: &Instance, red: &Red, from_metrics: bool) -> console::ServiceCell {
    console::ServiceCell {
        service: key.service.to_string(),
        instance: key.instance.to_string(),
        requests: red.requests,
        errors: red.errors,
        latency: Some((&red.latency).into()),
        from_metrics,
    }
}

fn picks_to_wire((key, picks): (&Instance, &Picks)) -> console::BalanceCell {
    console::BalanceCell {
        service: key.service.to_string(),
        instance: key.instance.to_string(),
        picks: picks.picks,
        forced: picks.forced,
        regret_ns: picks.regret_ns,
    }
}

fn breaker_to_wire((key, calls): (&BreakerKey, &BreakerCalls)) -> console::BreakerCell {
    console::BreakerCell {
        place: key.place.to_string(),
        caller: key.caller.to_string(),
        name: key.name.to_string(),
        ok: calls.ok,
        failed: calls.failed,
        rejected: calls.rejected,
        ratio: calls.ratio,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_survives_the_wire() {
        let instance = Instance { service: "pay-rpc".into(), instance: "pay-rpc/1".into() };
        let mut cell = SecondCell::default();
        cell.services.entry(instance.clone()).or_default().latency.record_us(900);
        cell.balance.entry(instance).or_default().picks = 7;
        let sampled = Instance { service: "legacy".into(), instance: "legacy/1".into() };
        cell.by_metrics.entry(sampled).or_default().requests = 9;
        cell.load.record(1_000_000, false);
        let key = BreakerKey { place: "client".into(), caller: "gateway".into(), name: "pay".into() };
        cell.breakers.entry(key).or_default().ratio = 0.25;
        assert_eq!(SecondCell::from_wire(&cell.to_wire(5, true), true), cell);
    }
}
