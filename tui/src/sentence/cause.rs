//! What coincided with a moment, and where the time or the failures are.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use collector_api::console as wire;

use crate::fmt;
use crate::model::data::{Data, SECOND_NS, is_open};
use crate::model::seconds::ratio;

/// Seconds that an effect may trail a fault, a restart or a change of load.
const TRAIL_S: u64 = 6;

/// A fault in words: `latency pay-rpc/1`.
pub fn fault_label(event: &wire::Event) -> String {
    let kind = event.fields.get("kind").or_else(|| event.fields.get("fault.kind"));
    let target = if event.target.is_empty() { &event.service } else { &event.target };
    match kind {
        Some(kind) => format!("{kind} {target}").trim_end().to_owned(),
        None => event.detail.split_whitespace().take(2).collect::<Vec<_>>().join(" "),
    }
}

/// What a load event asked for, from words such as `stage 2/3, 400/s` or `50 users`; nothing while it prepares, pauses or
/// ends.
fn goal(event: &wire::Event) -> f64 {
    let figure = event.detail.rsplit(", ").next().unwrap_or_default();
    let number = figure.strip_suffix("/s").or_else(|| figure.strip_suffix(" users"));
    number.and_then(|number| number.replace(',', "").parse().ok()).unwrap_or(0.0)
}

/// Whether a load event asked for more than the one before it in the same run: less load makes nothing worse.
fn rises(data: &Data, event: &wire::Event) -> bool {
    let earlier = data.events.range(..event.id).rev().map(|(_, earlier)| earlier);
    let before = earlier.filter(|earlier| earlier.kind == "load").find(|earlier| earlier.run_id == event.run_id);
    goal(event) > before.map_or(0.0, goal)
}

/// The event that began with a second, in words: a fault, else a process that started anew, else a load that grew.
pub fn coincidence(data: &Data, second: u64) -> Option<String> {
    let began = |event: &&wire::Event| {
        let begin = event.begins_unix_ns / SECOND_NS;
        begin <= second + 1 && begin + TRAIL_S >= second
    };
    let last_of =
        |kinds: &[&str]| data.events.values().filter(|event| kinds.contains(&event.kind.as_str())).rfind(began);
    if let Some(fault) = last_of(&["fault"]) {
        return Some(format!("when fault '{}' began (injected)", fault_label(fault)));
    }
    let words = |event: &wire::Event| {
        if event.detail.is_empty() { format!("{} {}", event.kind, event.target) } else { event.detail.clone() }
    };
    if let Some(server) = last_of(&["server"]) {
        return Some(format!("when {} at {} stopped answering", server.service, server.target));
    }
    if let Some(event) = last_of(&["restart", "scale"]) {
        return Some(format!("when {}", words(event).trim()));
    }
    let grown = data.events_of(&["load"]).filter(|event| rises(data, event)).filter(began).last();
    grown.map(|event| format!("when the load became {}", words(event).trim()))
}

/// The event that ended with a second, in words.
pub fn ended(data: &Data, second: u64) -> Option<String> {
    let ended = |event: &&wire::Event| {
        let end = event.ends_unix_ns / SECOND_NS;
        event.ends_unix_ns > 0 && event.ends_unix_ns <= data.now_ns && end <= second + 2 && end + 2 * TRAIL_S >= second
    };
    if let Some(fault) = data.events_of(&["fault"]).filter(ended).last() {
        return Some(format!("after fault '{}' ended", fault_label(fault)));
    }
    let server = data.events_of(&["server"]).filter(ended).last()?;
    Some(format!("after {} at {} answered again", server.service, server.target))
}

/// What a shedder, else a limit, refuses now, in words.
pub fn refusing(data: &Data) -> Option<String> {
    let open = |kind| data.events_of(kind).filter(|event| is_open(event, data.now_ns)).last();
    open(&["shed"]).or_else(|| open(&["limiter"])).map(|event| event.detail.clone())
}

/// The largest share of the slowest requests' time, when it is large enough to be called the cause's place.
pub fn slowest(data: &Data) -> Option<String> {
    let cohort = data.cause.as_ref().filter(|cohort| cohort.count > 0)?;
    let mut places: Vec<(&str, u64)> = Vec::new();
    for segment in &cohort.segments {
        let place = place_of(segment);
        match places.iter_mut().find(|(name, _)| *name == place) {
            Some((_, sum)) => *sum += segment.sum_ns,
            None => places.push((place, segment.sum_ns)),
        }
    }
    let (place, sum) = places.into_iter().max_by_key(|(_, sum)| *sum)?;
    let share = ratio(sum, cohort.sum_ns);
    (share >= 0.3).then(|| format!("{} of the slowest 1 % is {place}", fmt::percent(share)))
}

/// Where a segment was: the replica, else the service, else its kind.
pub fn place_of(segment: &wire::Segment) -> &str {
    [&segment.instance, &segment.service, &segment.kind]
        .into_iter()
        .find(|name| !name.is_empty())
        .map_or("?", |name| name)
}

/// A replica that gets far from its fair share of picks.
#[derive(Debug, Clone, PartialEq)]
pub struct Skew {
    /// The replica.
    pub instance: String,
    /// Its share now.
    pub share: f64,
    /// One over the number of replicas.
    pub fair: f64,
    /// Its share in the twenty seconds before, when there were picks enough to have one.
    pub before: Option<f64>,
}

impl Skew {
    /// `pay-rpc/1 share 33 -> 4 %`; without a change `pay-rpc/1 share 4 % (fair 33 %)`.
    pub fn words(&self) -> String {
        let percent = |share: f64| format!("{:.0}", share * 100.0);
        let (now, fair) = (percent(self.share), percent(self.fair));
        match self.before.filter(|_| self.has_changed()) {
            Some(before) => format!("{} share {} {ARROW} {now} %", self.instance, percent(before)),
            None => format!("{} share {now} % (fair {fair} %)", self.instance),
        }
    }

    fn has_changed(&self) -> bool {
        self.before.is_some_and(|before| is_far(self.share, before))
    }

    fn distance(&self) -> f64 {
        (self.share.max(0.001) / self.fair).ln().abs()
    }
}

/// Whether a share is below half of another or above 1.3 times.
fn is_far(share: f64, from: f64) -> bool {
    share < from * 0.5 || share > from * 1.3
}

/// Picks of a service that make a share.
const PICKS_AT_LEAST: u64 = 30;

/// Between two values.
pub const ARROW: &str = "->";

/// The last ten seconds, but none before a moment.
fn window_since(data: &Data, since_s: Option<u64>) -> RangeInclusive<u64> {
    let window = data.window();
    since_s.unwrap_or(0).clamp(*window.start(), *window.end())..=*window.end()
}

/// The replica whose share is worth watching: the one that the newest fault on a single replica named, else the one that is
/// furthest from fair now.
pub fn share_subject(data: &Data) -> Option<String> {
    let replicas = data.events_of(&["fault"]).filter(|event| event.target.contains('/'));
    let blamed = replicas.max_by_key(|event| event.begins_unix_ns).map(|event| event.target.clone());
    blamed.or_else(|| furthest(skews(data, None).into_iter()).map(|skew| skew.instance))
}

/// A replica's share of its service's picks in the last ten seconds, and the fair one; `None` without picks.
pub fn share_of_replica(data: &Data, instance: &str) -> Option<(f64, f64)> {
    let picks = data.seconds.picks(data.window());
    let peers = picks.values().find(|peers| peers.contains_key(instance))?;
    Some((share_of(peers, instance)?, 1.0 / peers.len() as f64))
}

/// The furthest share that belongs to what happened at a moment: of a replica that a fault names, that holds most of the
/// failures, or whose share changed. A balancer may start uneven and stay so; that is no news.
pub fn telling_skew(data: &Data, since_s: u64) -> Option<Skew> {
    let failing = failing_replica(data, Some(since_s)).map(|(instance, _)| instance);
    let is_blamed = |skew: &Skew| data.faults().any(|event| event.target == skew.instance);
    let (blamed, others): (Vec<_>, Vec<_>) = skews(data, Some(since_s)).into_iter().partition(is_blamed);
    let telling = |skew: &Skew| skew.has_changed() || failing.as_ref() == Some(&skew.instance);
    furthest(blamed.into_iter()).or_else(|| furthest(others.into_iter().filter(telling)))
}

fn furthest(skews: impl Iterator<Item = Skew>) -> Option<Skew> {
    skews.max_by(|one, other| one.distance().total_cmp(&other.distance()))
}

/// Every replica that is far from its fair share.
fn skews(data: &Data, since_s: Option<u64>) -> Vec<Skew> {
    let picks = data.seconds.picks(window_since(data, since_s));
    let before = since_s.map(|since| data.seconds.picks(since.saturating_sub(20)..=since.saturating_sub(1)));
    let mut skews = Vec::new();
    for (service, instances) in &picks {
        let total: u64 = instances.values().sum();
        if instances.len() < 2 || total < PICKS_AT_LEAST {
            continue;
        }
        let fair = 1.0 / instances.len() as f64;
        let before = before.as_ref().and_then(|before| before.get(service));
        for (instance, count) in instances {
            let share = ratio(*count, total);
            if is_far(share, fair) {
                let before = before.and_then(|before| share_of(before, instance));
                skews.push(Skew { instance: instance.clone(), share, fair, before });
            }
        }
    }
    skews
}

fn share_of(instances: &BTreeMap<String, u64>, instance: &str) -> Option<f64> {
    let total: u64 = instances.values().sum();
    (total >= PICKS_AT_LEAST).then(|| ratio(instances.get(instance).copied().unwrap_or(0), total))
}

/// The replica that holds most of its service's failures: its name and its failed share of its own calls.
pub fn failing_replica(data: &Data, since_s: Option<u64>) -> Option<(String, f64)> {
    let mut worst: Option<(String, f64)> = None;
    for (_, instances) in
        data.seconds.services(window_since(data, since_s)).into_values().filter(|(_, instances)| instances.len() > 1)
    {
        let errors: u64 = instances.values().map(|red| red.errors).sum();
        for (instance, red) in instances {
            let own = ratio(red.errors, red.requests);
            let is_alone = red.errors >= 3 && red.errors * 10 >= errors * 6;
            if is_alone && worst.as_ref().is_none_or(|(_, held)| own > *held) {
                worst = Some((instance, own));
            }
        }
    }
    worst
}
