//! The breaker ledger: one row per place, holder and name.
//!
//! Counters and gauges come from metrics, the exact moment of a trip and the traces that tipped it from span events, and
//! the errors behind it from the spans that the breaker guards. Foreign go-zero services say nothing of their breakers:
//! there a rejection is recognised by its span, see [`super::foreign`].

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use collector_api::console;
use collector_api::vocabulary as words;

use super::cell::{BreakerCalls, BreakerKey};
use super::counter::Counter;
use super::episode::{Episode, SILENCE_NS, Step};
use super::foreign;
use super::seconds::Seconds;
use super::window::Window;
use crate::events::{EXEMPLAR_LIMIT, EventLog, NewEvent};
use crate::model::{MetricPoint, Span, SpanEvent, TraceId, Value};

/// Breakers that are told apart.
const ROW_LIMIT: usize = 1_024;

/// Length of the drop ratio's series, seconds.
const SERIES_S: u64 = 60;

/// How long a foreign breaker without a rejection is taken to drop still.
const FOREIGN_CALM_NS: u64 = 5_000_000_000;

/// What is known of one breaker.
#[derive(Debug, Clone)]
struct Row {
    accepts: f64,
    total: f64,
    weight: f64,
    ratio: f64,
    ok: Counter,
    failed: Counter,
    rejected: Counter,
    tripped: Counter,
    rejections: u64,
    trips: u64,
    tripped_spans: u64,
    exemplars: VecDeque<TraceId>,
    errors: Window<Arc<str>, u64>,
    episode: Episode,
    event: u64,
    is_foreign: bool,
}

impl Row {
    fn new(is_foreign: bool) -> Self {
        Self {
            accepts: 0.0,
            total: 0.0,
            weight: 0.0,
            ratio: 0.0,
            ok: Counter::default(),
            failed: Counter::default(),
            rejected: Counter::default(),
            tripped: Counter::default(),
            rejections: 0,
            trips: 0,
            tripped_spans: 0,
            exemplars: VecDeque::new(),
            errors: Window::new(120, 32),
            episode: Episode::default(),
            event: 0,
            is_foreign,
        }
    }
}

/// All rows, by place, holder and name.
#[derive(Debug, Clone, Default)]
pub struct Breakers {
    rows: BTreeMap<BreakerKey, Row>,
    guards: HashMap<(Arc<str>, Arc<str>), Vec<BreakerKey>>,
    exports: HashMap<Arc<str>, u64>,
    overflowed: u64,
}

/// Where changes of a breaker are written.
pub struct Book<'a> {
    /// Figures by second.
    pub seconds: &'a mut Seconds,
    /// Episodes as events.
    pub events: &'a mut EventLog,
    /// Version of the change.
    pub version: u64,
}

impl Breakers {
    /// Takes a point of the `breaker.*` metrics; others are left alone.
    pub fn observe_point(&mut self, point: &MetricPoint, since_ns: u64, book: &mut Book<'_>) {
        let Some(value) = point.number().filter(|_| point.name.starts_with("breaker.")) else { return };
        let Some(key) = key_of(&point.resource.instance, |word| point.get(word)) else { return };
        let exported = self.exports.entry(key.caller.clone()).or_default();
        *exported = point.time_ns.max(*exported);
        let Some(row) = self.row(&key, false) else { return };
        let second = point.time_ns / 1_000_000_000;
        let start = point.start_ns;
        let mut calls = BreakerCalls::default();
        let mut step = Step::Stay;
        match &*point.name {
            words::BREAKER_STATE_ACCEPTS => row.accepts = value,
            words::BREAKER_STATE_TOTAL => row.total = value,
            words::BREAKER_STATE_WEIGHT => row.weight = value,
            words::BREAKER_STATE_RATIO => {
                row.ratio = value;
                calls.ratio = value.max(0.0);
                step = row.episode.ratio(value, point.time_ns);
            }
            words::BREAKER_CALLS => match point.get(words::BREAKER_OUTCOME).and_then(Value::as_text) {
                Some("ok") => calls.ok = row.ok.advance(value, start, since_ns),
                _ => calls.failed = row.failed.advance(value, start, since_ns),
            },
            words::BREAKER_REJECTIONS => {
                calls.rejected = row.rejected.advance(value, start, since_ns);
                row.rejections += calls.rejected;
            }
            words::BREAKER_TRIPS => {
                let risen = row.tripped.advance(value, start, since_ns);
                row.trips += risen;
                if risen > 0 && !row.episode.is_open() {
                    step = row.episode.tripped(point.time_ns);
                }
            }
            _ => {}
        }
        count(book, second, &key, &calls);
        follow(&key, row, step, book);
    }

    /// Takes the breaker events of a span, and what its outcome says of the breakers that guard it.
    pub fn observe_span(&mut self, span: &Span, second: u64, book: &mut Book<'_>) {
        let mut is_rejected = false;
        for event in &span.events {
            match &*event.name {
                words::BREAKER_TRIPPED => self.tripped(span, event, book),
                words::BREAKER_REJECTED => is_rejected = true,
                _ => {}
            }
        }
        if !span.is_error() || is_rejected {
            return;
        }
        // A process that exports its breakers needs no recognising; its spans may pass the same message on.
        let is_silent = !self.exports.contains_key(&span.resource.instance);
        if let Some(place) = foreign::rejected_at(span).filter(|_| is_silent) {
            self.foreign_rejection(span, place, second, book);
        } else if foreign::is_breaker_failure(span) {
            self.failed(span, second);
        }
    }

    /// Ends episodes whose breakers fell silent.
    pub fn tick(&mut self, now_ns: u64, book: &mut Book<'_>) {
        self.exports.retain(|_, at| at.saturating_add(SILENCE_NS) >= now_ns);
        for (key, row) in &mut self.rows {
            let silence = if row.is_foreign { FOREIGN_CALM_NS } else { SILENCE_NS };
            let step = row.episode.tick(now_ns, silence);
            follow(key, row, step, book);
        }
    }

    /// The ledger: figures of the seconds `(now - window, now]`, trips since the start.
    pub fn list(&self, seconds: &Seconds, now_s: u64, window_s: u64) -> Vec<console::Breaker> {
        let from = now_s.saturating_sub(window_s.saturating_sub(1));
        let series_from = now_s.saturating_sub(SERIES_S - 1);
        let mut rows: BTreeMap<&BreakerKey, console::Breaker> =
            self.rows.iter().map(|(key, row)| (key, row_to_wire(key, row, from, now_s))).collect();
        for (second, cell) in seconds.live_range(series_from.min(from), now_s) {
            for (key, calls) in &cell.breakers {
                let Some(row) = rows.get_mut(key) else { continue };
                if second >= from {
                    row.ok += calls.ok;
                    row.failed += calls.failed;
                    row.rejected += calls.rejected;
                }
                let at = second.checked_sub(series_from).and_then(|at| row.series.get_mut(at as usize));
                if let Some(ratio) = at {
                    *ratio = calls.ratio;
                }
            }
        }
        rows.into_values().collect()
    }

    /// Whether every process that holds breakers has exported since `since_ns`, except those silent for too long.
    pub fn has_exported_since(&self, since_ns: u64, now_ns: u64) -> bool {
        self.exports.values().all(|at| *at >= since_ns || at.saturating_add(SILENCE_NS) < now_ns)
    }

    /// Rejections since the start by place, from the processes' own counters and foreign spans.
    pub fn rejections_by_place(&self) -> BTreeMap<String, u64> {
        let mut places = BTreeMap::new();
        for (key, row) in &self.rows {
            *places.entry(key.place.to_string()).or_insert(0) += row.rejections;
        }
        places
    }

    /// Breakers that did not fit.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    fn row(&mut self, key: &BreakerKey, is_foreign: bool) -> Option<&mut Row> {
        if !self.rows.contains_key(key) {
            if self.rows.len() >= ROW_LIMIT {
                self.overflowed += 1;
                return None;
            }
            self.rows.insert(key.clone(), Row::new(is_foreign));
            self.guards.clear();
        }
        self.rows.get_mut(key)
    }

    fn tripped(&mut self, span: &Span, event: &SpanEvent, book: &mut Book<'_>) {
        let Some(key) = key_of(&span.resource.instance, |word| event.get(word)) else { return };
        let Some(row) = self.row(&key, false) else { return };
        let number = |word: &str, old: f64| event.get(word).and_then(Value::as_float).unwrap_or(old);
        row.tripped_spans += 1;
        if !row.episode.is_open() {
            row.accepts = number(words::BREAKER_ACCEPTS, row.accepts);
            row.total = number(words::BREAKER_TOTAL, row.total);
            row.weight = number(words::BREAKER_WEIGHT, row.weight);
            row.ratio = number(words::BREAKER_RATIO, row.ratio);
        }
        if row.exemplars.len() >= EXEMPLAR_LIMIT {
            row.exemplars.pop_front();
        }
        row.exemplars.push_back(span.trace_id);
        let step = row.episode.tripped(event.unix_ns);
        follow(&key, row, step, book);
        book.events.add_exemplar(row.event, span.trace_id, book.version);
    }

    fn foreign_rejection(&mut self, span: &Span, place: &'static str, second: u64, book: &mut Book<'_>) {
        let key =
            BreakerKey { place: Arc::from(place), caller: span.resource.instance.clone(), name: span.name.clone() };
        let Some(row) = self.row(&key, true) else { return };
        row.rejections += 1;
        let was_open = row.episode.is_open();
        let step = row.episode.tripped(span.end_ns);
        row.trips += u64::from(!was_open && row.episode.is_open());
        count(book, second, &key, &BreakerCalls { rejected: 1, ..BreakerCalls::default() });
        follow(&key, row, step, book);
        book.events.add_exemplar(row.event, span.trace_id, book.version);
    }

    /// A guarded call failed: its status counts among the last errors of its breakers.
    fn failed(&mut self, span: &Span, second: u64) {
        let call = (span.resource.instance.clone(), span.name.clone());
        if !self.guards.contains_key(&call) {
            if self.guards.len() >= 4 * ROW_LIMIT {
                self.guards.clear();
            }
            let guards = self.rows.keys().filter(|key| foreign::guards(key, span)).cloned().collect();
            self.guards.insert(call.clone(), guards);
        }
        let code = foreign::status_code(span);
        for key in self.guards.get(&call).into_iter().flatten() {
            let Some(row) = self.rows.get_mut(key) else { continue };
            if let Some(errors) = row.errors.cell(second, code.clone(), |_| super::names::other()) {
                *errors += 1;
            }
        }
    }
}

fn key_of<'a>(caller: &Arc<str>, get: impl Fn(&str) -> Option<&'a Value>) -> Option<BreakerKey> {
    let place = get(words::BREAKER_PLACE)?.as_text()?.into();
    let name = get(words::BREAKER_NAME)?.as_text()?.into();
    Some(BreakerKey { place, caller: caller.clone(), name })
}

fn count(book: &mut Book<'_>, second: u64, key: &BreakerKey, calls: &BreakerCalls) {
    if *calls == BreakerCalls::default() {
        return;
    }
    let cell = book.seconds.cell(second, book.version).breakers.entry(key.clone()).or_default();
    cell.ok += calls.ok;
    cell.failed += calls.failed;
    cell.rejected += calls.rejected;
    cell.ratio = cell.ratio.max(calls.ratio);
}

/// Writes what an episode did into the event log.
fn follow(key: &BreakerKey, row: &mut Row, step: Step, book: &mut Book<'_>) {
    match step {
        Step::Stay if row.episode.is_open() => {
            book.events.amend(row.event, book.version, |event| {
                let worst = event.fields.get("ratio").and_then(|ratio| ratio.parse().ok()).unwrap_or(0.0);
                if row.ratio > worst {
                    event.detail = detail(key, row);
                    event.fields = fields(key, row).into_iter().collect();
                }
            });
        }
        Step::Stay => {}
        Step::Open(at) => row.event = book.events.open(opened(key, row, at), book.version),
        Step::Earlier(at) => {
            book.events.amend(row.event, book.version, |event| event.begins_unix_ns = at);
        }
        Step::Close(at) => {
            book.events.close(row.event, at, book.version);
        }
    }
}

fn opened(key: &BreakerKey, row: &Row, at: u64) -> NewEvent {
    NewEvent {
        kind: "breaker".into(),
        begins_unix_ns: at,
        service: key.caller.rsplit_once('/').map_or(&*key.caller, |(service, _)| service).to_owned(),
        target: key.name.to_string(),
        detail: detail(key, row),
        fields: fields(key, row),
        ..NewEvent::default()
    }
}

fn detail(key: &BreakerKey, row: &Row) -> String {
    let BreakerKey { place, caller, name } = key;
    if row.is_foreign {
        return format!("{place} breaker of {caller} for {name} rejects calls (recognised by span signature)");
    }
    let dropped = row.ratio.max(0.0) * 100.0;
    format!(
        "{place} breaker of {caller} for {name} drops {dropped:.1} %, accepted {:.0} of {:.0}",
        row.accepts, row.total
    )
}

fn fields(key: &BreakerKey, row: &Row) -> BTreeMap<String, String> {
    let figures = [("accepts", row.accepts), ("total", row.total), ("weight", row.weight), ("ratio", row.ratio)];
    let mut fields: BTreeMap<String, String> =
        figures.into_iter().map(|(name, figure)| (name.to_owned(), format!("{figure:.4}"))).collect();
    fields.insert("place".into(), key.place.to_string());
    fields.insert("caller".into(), key.caller.to_string());
    fields.insert("name".into(), key.name.to_string());
    fields
}

fn row_to_wire(key: &BreakerKey, row: &Row, from: u64, to: u64) -> console::Breaker {
    console::Breaker {
        place: key.place.to_string(),
        caller: key.caller.to_string(),
        name: key.name.to_string(),
        accepts: row.accepts,
        total: row.total,
        weight: row.weight,
        ratio: row.ratio,
        trips: row.trips.max(row.tripped_spans),
        series: vec![0.0; SERIES_S as usize],
        last_errors: row.errors.merged(from, to).into_iter().map(|(code, count)| (code.to_string(), count)).collect(),
        exemplars: row.exemplars.iter().map(|trace| trace.to_bytes().to_vec()).collect(),
        ..console::Breaker::default()
    }
}
