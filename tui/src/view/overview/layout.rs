//! Where everything on the overview lies. Drawing and keys ask here, so a column is the same second to both.

use collector_api::sketch::Sketch;
use ratatui::layout::Rect;

use crate::axis::{Bands, TimeAxis};
use crate::model::Model;
use crate::model::data::{Data, SECOND_NS};
use crate::model::moment::Moment;
use crate::model::seconds::Red;
use crate::sentence;
use crate::view;

/// Columns before the time axis, where names of lanes and edges of bands stand.
pub const LABEL: u16 = 9;

/// A lane above the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Stages of the load run.
    Load,
    /// Requests a second.
    Rate,
    /// Failed requests.
    Errors,
    /// Injected faults and restarts.
    Fault,
    /// Drop ratios.
    Breaker,
    /// Shedders.
    Sheds,
    /// Rate and connection limits.
    Limits,
    /// Replicas far from their fair share.
    Share,
    /// Alerts.
    Alert,
}

impl Lane {
    /// Its name on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Rate => "rate",
            Self::Errors => "errors",
            Self::Fault => "fault",
            Self::Breaker => "breaker",
            Self::Sheds => "sheds",
            Self::Limits => "limits",
            Self::Share => "share",
            Self::Alert => "alert",
        }
    }
}

/// Rectangles in the body's coordinates.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The sentence, one or two rows.
    pub sentence: Rect,
    /// The time axis in words.
    pub ruler: Rect,
    /// Lanes, one row each, from this row on.
    pub lanes: Vec<(Lane, u16)>,
    /// The heat map's cells.
    pub map: Rect,
    /// The table of services with its heading.
    pub services: Rect,
    /// The panel of the slowest requests with its heading.
    pub cause: Rect,
    /// The list of events, where there is room.
    pub events: Rect,
    /// The words for the cell under the cursor.
    pub readout: Rect,
    /// Seconds and columns.
    pub axis: TimeAxis,
    /// Latencies and rows.
    pub bands: Bands,
    /// The band of the slowest requests in the newest ten seconds.
    pub slowest_band: usize,
}

/// The layout for the model's size.
pub fn of(model: &Model) -> Layout {
    let body = view::body(model.size);
    arrange(model, body.width, body.height)
}

/// The layout of a body.
pub fn arrange(model: &Model, width: u16, height: u16) -> Layout {
    let data = model.data();
    let side_width = if width >= 130 { 38 } else { 28 };
    let columns = width.saturating_sub(LABEL + side_width).max(1);
    let axis = TimeAxis { head_s: data.head_s(), columns };

    let needs_two = crate::widget::pen::text_width(&data.sentence.text()) + 4 > width;
    let sentence_rows = if needs_two && height >= 20 { 2 } else { 1 };
    let lanes = lanes_of(data, &axis);
    let services = service_rows(model).len() as u16 + 1;
    let fixed = sentence_rows + 1 + lanes.len() as u16 + 1;
    let free = height.saturating_sub(fixed);
    let services_height = services.clamp(4, (free / 2).max(4)).min(free.saturating_sub(3));
    let visible: Sketch = data.seconds.entry(axis.first_s()..=axis.head_s).all();
    let map_room = free.saturating_sub(services_height).min(15);
    let bands = Bands::fit(usize::from(map_room), &visible);
    // Figures beside the map need five rows.
    let map_height = map_room.min((bands.count() as u16).max(5));
    let spare = free.saturating_sub(services_height + map_height);
    // A few spare rows lengthen the table; many become a list of events.
    let (services_height, events_height) =
        if spare < 4 { (services_height + spare, 0) } else { (services_height, spare) };
    let slowest = data.seconds.entry(data.window()).all().max_us();
    let slowest_band = bands.band_of(slowest);

    let mut y = 0;
    let mut take = |rows: u16| {
        let from = y;
        y += rows;
        from
    };
    let row = |y: u16, height: u16| Rect { x: 0, y, width, height };
    let sentence = row(take(sentence_rows), sentence_rows);
    let ruler = row(take(1), 1);
    let first_lane = take(lanes.len() as u16);
    let lanes: Vec<(Lane, u16)> =
        lanes.into_iter().enumerate().map(|(at, lane)| (lane, first_lane + at as u16)).collect();
    let map_y = take(map_height);
    // Names and figures of the table stay near each other; what is left is for the cause's bars.
    let cause_width = (width / 3).clamp(30, 64).max(width.saturating_sub(92)).min(width / 2 + 10);
    let table_y = take(services_height);
    let table_width = width.saturating_sub(cause_width + 1);
    let events = row(take(events_height), events_height);
    let readout = row(take(1), 1);
    Layout {
        sentence,
        ruler,
        map: Rect { x: LABEL, y: map_y, width: columns, height: map_height },
        services: Rect { x: 0, y: table_y, width: table_width, height: services_height },
        cause: Rect { x: table_width + 1, y: table_y, width: cause_width, height: services_height },
        events,
        readout,
        lanes,
        axis,
        bands,
        slowest_band,
    }
}

/// Lanes that have something to say; rate and errors always stay.
fn lanes_of(data: &Data, axis: &TimeAxis) -> Vec<Lane> {
    let range = axis.first_s()..=axis.head_s;
    let has_event = |kinds: &[&str]| {
        data.events_of(kinds).any(|event| {
            let from = event.begins_unix_ns / SECOND_NS;
            let to = if event.ends_unix_ns == 0 { from.max(axis.head_s) } else { event.ends_unix_ns / SECOND_NS };
            axis.columns_of(from, to).is_some()
        })
    };
    let drops = || {
        data.seconds
            .range(range.clone())
            .flat_map(|second| &second.breakers)
            .any(|cell| cell.ratio > 0.0 || cell.rejected > 0)
    };
    let skewed = || {
        let subject = sentence::share_subject(data);
        subject.is_some_and(|subject| {
            data.seconds.range(range.clone()).any(|second| skew_of(second, &subject).is_some_and(is_unfair))
        })
    };
    let alerting = || data.alerts.iter().any(|alert| super::lanes::alert_span(alert, data.now_ns, axis).is_some());
    let mut lanes = Vec::new();
    if data.active_run().is_some() || has_event(&["load"]) {
        lanes.push(Lane::Load);
    }
    lanes.extend([Lane::Rate, Lane::Errors]);
    if has_event(&["fault", "server", "restart", "scale"]) {
        lanes.push(Lane::Fault);
    }
    if has_event(&["breaker"]) || drops() {
        lanes.push(Lane::Breaker);
    }
    if has_event(&["shed"]) {
        lanes.push(Lane::Sheds);
    }
    if has_event(&["limiter"]) {
        lanes.push(Lane::Limits);
    }
    if skewed() {
        lanes.push(Lane::Share);
    }
    if alerting() {
        lanes.push(Lane::Alert);
    }
    lanes
}

/// How far one replica was from its fair share in a second: share over fair; `None` when the second has too few picks to
/// say.
pub fn skew_of(second: &crate::model::seconds::Second, instance: &str) -> Option<f64> {
    let cell = second.balance.iter().find(|cell| cell.instance == instance)?;
    let peers = second.balance.iter().filter(|other| other.service == cell.service);
    let (replicas, total) = peers.fold((0_u64, 0), |(count, sum), peer| (count + 1, sum + peer.picks));
    (replicas > 1 && total >= 12 * replicas).then(|| cell.picks as f64 * replicas as f64 / total as f64)
}

/// Whether a share over the fair one is worth a sign: below a half or above 1.3.
pub fn is_unfair(relative: f64) -> bool {
    !(0.5..=1.3).contains(&relative)
}

/// A row of the table of services.
#[derive(Debug, Clone)]
pub struct ServiceRow {
    /// `pay-rpc` or `pay-rpc/1`.
    pub name: String,
    /// Whether it is an instance.
    pub is_instance: bool,
    /// The ten seconds that the overview describes.
    pub red: Red,
    /// p99 of the minute before them, microseconds.
    pub before_p99: Option<u64>,
}

/// Services, and the instances of those that are unfolded; all of them where the terminal is tall.
pub fn service_rows(model: &Model) -> Vec<ServiceRow> {
    let data = model.data();
    let window = Moment::of(model).window(data);
    let before = data.seconds.services(window.start().saturating_sub(60)..=window.start().saturating_sub(1));
    let services = data.seconds.services(window);
    let all: usize = services.values().map(|(_, instances)| instances.len() + 1).sum();
    let has_room = all + 34 <= usize::from(model.size.1);
    let mut rows = Vec::new();
    for (name, (red, instances)) in services {
        let old = before.get(&name);
        let is_open = instances.len() > 1 && (has_room || model.overview.expanded.contains(&name));
        let before_p99 = old.and_then(|(red, _)| red.latency.quantile_us(0.99));
        rows.push(ServiceRow { name, is_instance: false, red, before_p99 });
        if is_open {
            rows.extend(instances.into_iter().map(|(name, red)| {
                let before_p99 = old.and_then(|(_, old)| old.get(&name)).and_then(|red| red.latency.quantile_us(0.99));
                ServiceRow { name, is_instance: true, red, before_p99 }
            }));
        }
    }
    rows
}
