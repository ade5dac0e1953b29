//! What eighty columns and twenty-four rows must still say.

use collector_api::console::{Attribute, GetSpansReply, SpanDetail, attribute::Value};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::model::Model;
use crate::model::ui::TraceUi;
use crate::msg::{Answer, Msg};
use crate::simulate::{self, Drill, FAULT_AT, Shop};
use crate::theme::{Depth, Theme};
use crate::update::update;
use crate::{Format, Screen, capture};

fn press(model: &mut Model, code: KeyCode) {
    update(model, Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)));
}

fn rows(model: &Model, size: (u16, u16)) -> Vec<String> {
    let themed = Model { theme: Theme::new(Depth::None, false), ..model.clone() };
    let picture = capture::snapshot(&themed, size, Format::Text);
    picture.lines().map(|line| line.trim_end().to_owned()).collect()
}

fn running() -> Model {
    Model { size: (80, 24), ..Shop::run(Drill::None, 30).model() }
}

#[test]
fn the_keys_leave_header_and_footer_free_and_say_that_they_scroll() {
    let mut model = running();
    let header = rows(&model, (80, 24)).remove(0);
    press(&mut model, KeyCode::Char('2'));
    press(&mut model, KeyCode::Char('?'));
    let shown = rows(&model, (80, 24));
    assert_eq!(shown[0], header);
    assert!(shown[23].starts_with(" esc cancel "), "the footer is that of the keys: {}", shown[23]);
    assert!(shown[22].contains(" 1-19 of "), "{}", shown[22]);
    let help_of = |keys: &str, help: &str| {
        let row =
            shown.iter().find(|row| row.contains(keys)).unwrap_or_else(|| panic!("{keys} is missing: {shown:#?}"));
        row.chars().collect::<String>().find(help)
    };
    let page = help_of("pgup ctrl-b / pgdn ctrl-f", "a page up and down");
    assert!(page.is_some() && page == help_of("up k / down j", "previous and next trace"), "one column: {shown:#?}");
    for _ in 0..200 {
        press(&mut model, KeyCode::Down);
    }
    let last = rows(&model, (80, 24));
    assert!(last[21].contains("load rate 300"), "{last:#?}");
    press(&mut model, KeyCode::Up);
    assert_ne!(rows(&model, (80, 24)), last, "what lies beyond the end is not scrolled back first");
}

#[test]
fn the_state_of_the_load_stays_in_the_header() {
    let mut model = running();
    let header = |model: &Model| rows(model, (80, 24)).remove(0);
    assert!(header(&model).contains("slow-replica: running 400/s"));
    model.live.runs[0].scenario = "order-burst-with-a-failing-payment".to_owned();
    assert!(header(&model).contains("load: running 400/s"), "{}", header(&model));
    model.live.runs[0].generator_limited = true;
    assert!(header(&model).contains("load: running") && header(&model).contains("generator limited"));
    press(&mut model, KeyCode::Char(' '));
    let header = header(&model);
    assert!(header.contains("FROZEN") && header.contains("load: running"), "{header}");
}

#[test]
fn the_footer_names_the_keys_that_open_a_screen() {
    let footer = rows(&running(), (80, 24)).remove(23);
    assert!(footer.starts_with(" 1-5,7 view"), "{footer}");
}

#[test]
fn a_refused_query_matches_nothing_in_the_head_of_the_list() {
    let mut model = running();
    press(&mut model, KeyCode::Char('2'));
    let reply = Shop::run(Drill::None, 30).traces();
    let generation = model.traces.generation;
    update(&mut model, Msg::Answer(Box::new(Answer::Traces { generation, reply })));
    assert!(rows(&model, (80, 24))[1].contains("9,000 of 9,000 kept"));
    press(&mut model, KeyCode::Char('/'));
    press(&mut model, KeyCode::Char('='));
    press(&mut model, KeyCode::Enter);
    let request = collector_api::console::ListTracesRequest::default();
    let ask = crate::msg::Ask::Traces { generation: model.traces.generation, request };
    update(&mut model, Msg::Refused(ask, "position 0: a field is missing".to_owned()));
    let shown = rows(&model, (80, 24));
    assert!(shown.iter().any(|row| row.contains("a field is missing")), "{shown:#?}");
    assert!(!shown[1].contains("kept"), "{}", shown[1]);
}

#[test]
fn a_query_that_is_typed_anew_replaces_the_old_one_and_an_arrow_keeps_it() {
    let mut model = running();
    model.screen = Screen::Traces;
    let line = |model: &Model| rows(model, (80, 24)).remove(22);
    for (key, expected) in [
        (KeyCode::Char('x'), " / x"),
        (KeyCode::Backspace, " /"),
        (KeyCode::Left, " / service=pay-rpc"),
        (KeyCode::End, " / service=pay-rpc"),
    ] {
        model.traces.query = "service=pay-rpc".to_owned();
        press(&mut model, KeyCode::Char('/'));
        press(&mut model, key);
        assert_eq!(line(&model), expected, "{key:?}");
        press(&mut model, KeyCode::Esc);
    }
    press(&mut model, KeyCode::Char('/'));
    update(&mut model, Msg::Paste("status=error".to_owned()));
    assert_eq!(line(&model), " / status=error");
}

#[test]
fn labels_of_an_alert_that_find_no_room_are_marked_as_cut() {
    let mut model = Shop::run(Drill::Brownout, FAULT_AT + 12).model();
    model.screen = Screen::Alerts;
    let labels = [("severity", "critical"), ("service", "order-rpc")];
    model.live.alerts[0].labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let narrow = rows(&model, (80, 24));
    assert!(narrow[2].ends_with('\u{2026}'), "{}", narrow[2]);
    let wide = rows(&model, (120, 40));
    assert!(wide[2].ends_with("service=order-rpc severity=critical"), "{}", wide[2]);
}

#[test]
fn the_details_of_a_span_show_whole_keys_and_go_on_below_with_long_values() {
    let mut model = running();
    let trace = simulate::trace();
    model.trace = Some(TraceUi { id: trace.trace_id.clone(), selected: 8, pane: true, ..TraceUi::default() });
    update(&mut model, Msg::Answer(Box::new(Answer::Trace(Box::new(trace.clone())))));
    let statement = format!("SELECT {} FROM orders", "a_long_column, ".repeat(9));
    let attribute =
        |key: &str, text: &str| Attribute { key: key.to_owned(), value: Some(Value::Text(text.to_owned())) };
    let attributes = vec![attribute("http.response.status_code", "503"), attribute("db.query.text", &statement)];
    let reply = GetSpansReply { spans: vec![SpanDetail { span_id: 8, attributes, ..SpanDetail::default() }] };
    update(&mut model, Msg::Answer(Box::new(Answer::Spans { trace_id: trace.trace_id, reply })));
    for size in [(80, 30), (120, 40), (150, 40), (200, 60)] {
        let shown = rows(&model, size);
        let status = shown.iter().find(|row| row.contains("http.response.status_code")).expect("the whole key");
        assert!(status.ends_with("503"), "{status}");
        assert!(shown.iter().any(|row| row.trim_end().ends_with("orders")), "{size:?} cuts the statement: {shown:#?}");
    }
}
