//! Golden screens at three sizes: in colour (characters and a digest of the styles), without colour, and in ASCII.

use std::hash::{DefaultHasher, Hash, Hasher};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::Model;
use crate::model::ui::{MapCursor, Overlay, TraceUi};
use crate::msg::{Answer, Msg};
use crate::simulate::{self, Drill, FAULT_AT, Shop};
use crate::tests::resilience::in_panel;
use crate::theme::{Depth, Theme};
use crate::update::update;
use crate::{Format, Launch, Screen, capture, view};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn digest(model: &Model, size: (u16, u16)) -> u64 {
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
    let model = Model { size, ..model.clone() };
    view::draw(&model, &mut buffer);
    let mut hasher = DefaultHasher::new();
    for cell in buffer.content() {
        format!("{:?}", cell.style()).hash(&mut hasher);
    }
    hasher.finish()
}

/// One file a screen and size: the characters, digests of the styles in colour and without, and the ASCII twin.
fn check(name: &str, model: &Model) {
    for size in SIZES {
        let themed = |depth, ascii| Model { theme: Theme::new(depth, ascii), ..model.clone() };
        let plain = capture::snapshot(&themed(Depth::None, false), size, Format::Text);
        let ascii = capture::snapshot(&themed(Depth::None, true), size, Format::Text);
        assert!(ascii.is_ascii(), "{name} {size:?} draws more than ASCII: {:?}", ascii.chars().find(|c| !c.is_ascii()));
        let styles = [Depth::True, Depth::Indexed, Depth::Ansi, Depth::None]
            .map(|depth| format!("{:016x}", digest(&themed(depth, false), size)));
        let picture = format!("{plain}\nASCII\n{ascii}\nstyles {}", styles.join(" "));
        insta::assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), picture);
    }
}

fn with_screen(mut model: Model, screen: Screen) -> Model {
    model.screen = screen;
    model
}

#[test]
fn overview_of_a_slow_replica() {
    check("overview-slow-replica", &Shop::run(Drill::SlowReplica, FAULT_AT + 8).model());
}

#[test]
fn overview_of_a_brownout_with_a_cursor() {
    let shop = Shop::run(Drill::Brownout, FAULT_AT + 20);
    let mut model = shop.model();
    let end_s = shop.head_s() - 5;
    model.overview.cursor = Some(MapCursor { unix_s: end_s, band: 1 });
    let past = Answer::Attribution { end_s: Some(end_s), cohort: Some(shop.cohort()) };
    update(&mut model, Msg::Answer(Box::new(past)));
    check("overview-brownout", &model);
}

#[test]
fn an_overload_on_the_overview_and_among_what_protects() {
    let model = Shop::run(Drill::Overload, FAULT_AT + 12).model();
    check("overview-overload", &model);
    check("resilience-overload", &with_screen(model, Screen::Resilience));
}

#[test]
fn what_spans_do_not_show_and_what_is_kept_is_said() {
    let mut model = Shop::run(Drill::None, 30).model();
    let kept = [("error", 120), ("slow", 40), ("payment", 800), ("rest", 90)];
    let store = collector_api::console::StoreStats {
        keep_ratio: 0.01,
        sampled_out_traces: 8_950,
        kept_by_reason: kept.map(|(reason, count)| (reason.to_owned(), count)).into(),
        ..Default::default()
    };
    let delta = |coverage| collector_api::console::Delta { store: Some(store.clone()), coverage, ..Default::default() };
    update(&mut model, Msg::Delta(Box::new(delta(Vec::new()))));
    let kept = "kept 10.5 % of 10000 traces: 120 errors, 40 slow, 800 payments, 90 of the rest";
    for screen in [Screen::Overview, Screen::Services] {
        let picture = capture::snapshot(&with_screen(model.clone(), screen), (120, 40), Format::Text);
        assert!(picture.contains(kept), "{picture}");
    }
    let sampled = collector_api::console::Coverage {
        service: "pay-rpc".to_owned(),
        ratio: 0.1,
        declared: true,
        from_metrics: true,
        ..Default::default()
    };
    update(&mut model, Msg::Delta(Box::new(delta(vec![sampled]))));
    let caveat = "pay-rpc head-samples 10 %: span figures cover sampled traces only; rates come from its metrics";
    let overview = capture::snapshot(&with_screen(model.clone(), Screen::Overview), (120, 40), Format::Text);
    assert!(overview.contains(caveat) && overview.contains("pay-rpc 10 % of spans"), "{overview}");
    let services = capture::snapshot(&with_screen(model, Screen::Services), (120, 40), Format::Text);
    assert!(services.contains(caveat) && services.contains(kept), "{services}");
}

#[test]
fn overview_when_nothing_happens() {
    check("overview-steady", &Shop::run(Drill::None, 60).model());
}

#[test]
fn the_first_seconds() {
    let mut model = Model::new("127.0.0.1:4320", Launch::Up { can_stop: true });
    update(&mut model, Msg::Connected(Box::new(simulate::hello())));
    let mut status = simulate::status();
    status.ready = false;
    status.phase = "starting".to_owned();
    status.processes[3].state = "starting".to_owned();
    status.processes[5].state = "backoff".to_owned();
    status.processes[5].last_log = "cannot open the database: disk full".to_owned();
    update(&mut model, Msg::Status(Box::new(status)));
    check("start-up", &model);
}

#[test]
fn an_empty_collector_shows_what_to_copy() {
    let mut model = Model::new("127.0.0.1:4320", Launch::Collect);
    let hello = collector_api::console::HelloReply { has_control: false, stack: String::new(), ..simulate::hello() };
    update(&mut model, Msg::Connected(Box::new(hello)));
    let supervisor =
        mall_api::control::Process { role: "supervisor".to_owned(), state: "ready".to_owned(), ..Default::default() };
    let status = mall_api::control::StatusReply { ready: true, processes: vec![supervisor], ..Default::default() };
    update(&mut model, Msg::Status(Box::new(status)));
    check("start-collect", &model);
}

#[test]
fn a_supervisor_and_its_guests_are_no_shop() {
    let process = |role: &str| mall_api::control::Process {
        role: role.to_owned(),
        state: "ready".to_owned(),
        ..Default::default()
    };
    let processes = ["supervisor", "console", "load"].map(process).to_vec();
    let status =
        mall_api::control::StatusReply { ready: true, phase: "ready".to_owned(), processes, ..Default::default() };
    for launch in [Launch::Collect, Launch::Watch] {
        let mut model = Model::new("127.0.0.1:4320", launch);
        update(&mut model, Msg::Connected(Box::new(simulate::hello())));
        update(&mut model, Msg::Status(Box::new(status.clone())));
        let picture = capture::snapshot(&model, (120, 40), Format::Text);
        for wanted in [
            "listening 127.0.0.1:4317 (gRPC) and 127.0.0.1:4318 (HTTP), 0 connections",
            "export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317",
            "Endpoint: 127.0.0.1:4317",
        ] {
            assert!(picture.contains(wanted), "{launch:?} misses {wanted}:\n{picture}");
        }
        assert!(!picture.contains("supervisor") && !picture.contains(" up "), "{launch:?}:\n{picture}");
    }
}

#[test]
fn the_list_of_traces() {
    let mut model = with_screen(Shop::run(Drill::SlowReplica, FAULT_AT + 8).model(), Screen::Traces);
    model.traces.query = "service=pay-rpc && duration>5ms".to_owned();
    model.traces.selected = Some(vec![3; 16]);
    check("traces", &model);
}

#[test]
fn a_trace_and_the_details_of_a_span() {
    let mut model = Shop::run(Drill::SlowReplica, FAULT_AT + 8).model();
    let trace = simulate::trace();
    model.trace = Some(TraceUi { id: trace.trace_id.clone(), ..TraceUi::default() });
    update(&mut model, Msg::Answer(Box::new(Answer::Trace(Box::new(trace.clone())))));
    check("trace", &model);
    let open = model.trace.as_mut().expect("a trace is open");
    open.selected = 8;
    open.pane = true;
    let spans = vec![details()];
    let reply = collector_api::console::GetSpansReply { spans };
    update(&mut model, Msg::Answer(Box::new(Answer::Spans { trace_id: trace.trace_id, reply })));
    check("trace-details", &model);
}

fn details() -> collector_api::console::SpanDetail {
    use collector_api::console::{Attribute, SpanDetail, SpanEvent, attribute::Value};
    let attribute = |key: &str, value: Value| Attribute { key: key.to_owned(), value: Some(value) };
    let begin = (simulate::BEGIN_S + FAULT_AT + 3) * 1_000_000_000;
    SpanDetail {
        span_id: 8,
        parent_id: 7,
        service: "pay-rpc".to_owned(),
        instance: "pay-rpc/1".to_owned(),
        operation: "mall.Pay/InitiatePayment".to_owned(),
        kind: "server".to_owned(),
        status: "ok".to_owned(),
        start_unix_ns: begin + 37_200_000,
        end_unix_ns: begin + 411_100_000,
        attributes: vec![
            attribute("rpc.system", Value::Text("grpc".to_owned())),
            attribute("order.id", Value::Integer(48_211)),
            attribute("payment.status", Value::Text("pending".to_owned())),
        ],
        events: vec![SpanEvent {
            name: "fault.injected".to_owned(),
            unix_ns: begin + 37_400_000,
            attributes: vec![
                attribute("kind", Value::Text("latency".to_owned())),
                attribute("delay_ns", Value::Integer(331_000_000)),
            ],
        }],
        ..SpanDetail::default()
    }
}

#[test]
fn resilience_of_a_slow_replica() {
    check(
        "resilience-slow-replica",
        &with_screen(Shop::run(Drill::SlowReplica, FAULT_AT + 12).model(), Screen::Resilience),
    );
}

#[test]
fn resilience_of_a_brownout() {
    check("resilience-brownout", &with_screen(Shop::run(Drill::Brownout, FAULT_AT + 12).model(), Screen::Resilience));
}

#[test]
fn resilience_with_a_row_of_each_list_selected() {
    for (tabs, name) in [(1, "resilience-replica"), (2, "resilience-shedder"), (3, "resilience-limit")] {
        check(name, &in_panel(tabs));
    }
}

#[test]
fn the_load_run() {
    check("load", &with_screen(Shop::run(Drill::Brownout, FAULT_AT + 12).model(), Screen::Load));
}

#[test]
fn alerts() {
    check("alerts", &with_screen(Shop::run(Drill::Brownout, FAULT_AT + 12).model(), Screen::Alerts));
}

#[test]
fn the_keys() {
    let mut model = Shop::run(Drill::None, 30).model();
    model.overlay = Some(Overlay::Help(0));
    check("help", &model);
}
