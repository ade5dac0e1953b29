//! What eighty columns and twenty-four rows must still say.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::model::Model;
use crate::msg::{Answer, Msg};
use crate::simulate::{Drill, Shop};
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
