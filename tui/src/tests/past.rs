//! What the overview shows of a moment in the past: under the cursor, and after the last request.

use collector_api::console as wire;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::fmt;
use crate::model::Model;
use crate::msg::{Answer, Ask, Effect, Msg};
use crate::simulate::{Drill, FAULT_AT, Shop};
use crate::theme::{Depth, Theme};
use crate::update::update;
use crate::{Format, capture};

fn press(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    update(model, Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn picture(model: &Model, size: (u16, u16)) -> String {
    let themed = Model { theme: Theme::new(Depth::None, false), ..model.clone() };
    capture::snapshot(&themed, size, Format::Text)
}

/// A model whose cursor stands so many seconds before the head.
fn looking_back(seconds: u64) -> (Model, Vec<Effect>) {
    let mut model = Shop::run(Drill::Brownout, FAULT_AT + 20).model();
    model.size = (120, 40);
    press(&mut model, KeyCode::Left);
    let effects = (0..seconds).fold(Vec::new(), |asked, _| {
        let effects = press(&mut model, KeyCode::Left);
        if effects.is_empty() { asked } else { effects }
    });
    (model, effects)
}

fn cohort(instance: &str) -> wire::Cohort {
    let segment = wire::Segment { instance: instance.to_owned(), sum_ns: 100, ..Default::default() };
    wire::Cohort { count: 7, sum_ns: 100, segments: vec![segment], ..Default::default() }
}

fn answer(model: &mut Model, end_s: u64, instance: &str) -> Vec<Effect> {
    let answer = Answer::Attribution { end_s: Some(end_s), cohort: Some(cohort(instance)) };
    update(model, Msg::Answer(Box::new(answer)))
}

#[test]
fn the_panels_describe_the_seconds_before_the_cursor() {
    let (mut model, _) = looking_back(40);
    let end_s = model.data().head_s() - 40;
    let clock = fmt::clock(end_s);
    let before = picture(&model, (120, 40));
    assert!(before.contains(&format!("services, 10 s to {clock}")), "{before}");
    assert!(before.contains(&format!("slowest 1 % to {clock}")) && before.contains("asking the collector"), "{before}");
    let gateway = before.lines().find(|line| line.starts_with(" gateway")).expect("a row of the gateway");
    assert!(gateway.contains("400    0.0"), "the fault had not begun: {gateway}");
    answer(&mut model, end_s, "user-rpc/3");
    let after = picture(&model, (120, 40));
    assert!(after.contains("100 %  user-rpc/3"), "{after}");
    assert!(picture(&model, (80, 24)).contains(&format!("10 s to {clock}")));
    press(&mut model, KeyCode::Esc);
    let now = picture(&model, (120, 40));
    assert!(!now.contains(&clock) && !now.contains("100 %  user-rpc/3"), "{now}");
}

#[test]
fn one_moment_is_asked_for_at_a_time_and_the_newest_in_the_end() {
    let (mut model, effects) = looking_back(3);
    let head = model.data().head_s();
    let asked = |end_s| vec![Effect::Ask(Ask::Attribution { end_s: Some(end_s) })];
    assert_eq!(effects, asked(head - 1), "while that is under way nothing else is asked for");
    assert_eq!(answer(&mut model, head - 1, "user-rpc/3"), asked(head - 3));
    assert!(model.overview.past.is_none(), "nobody looks at that moment any more");
    assert!(answer(&mut model, head - 3, "user-rpc/3").is_empty());
    assert_eq!(model.overview.past.map(|past| past.end_s), Some(head - 3));
}

#[test]
fn a_frozen_view_still_asks_for_the_past() {
    let mut model = Shop::run(Drill::None, 30).model();
    press(&mut model, KeyCode::Char(' '));
    press(&mut model, KeyCode::Left);
    let effects = press(&mut model, KeyCode::Left);
    assert!(matches!(effects.as_slice(), [Effect::Ask(Ask::Attribution { end_s: Some(_) })]), "{effects:?}");
}

#[test]
fn after_the_last_request_the_panels_hold_the_last_seconds_that_had_some() {
    let shop = Shop::run(Drill::None, 30);
    let mut model = shop.model();
    let last = shop.head_s();
    let clock = fmt::clock(last);
    let later = |seconds: u64| wire::Delta { now_unix_ns: (last + seconds) * 1_000_000_000, ..Default::default() };
    let asks = |effects: &[Effect]| effects.contains(&Effect::Ask(Ask::Attribution { end_s: Some(last) }));
    let effects = update(&mut model, Msg::Delta(Box::new(later(14))));
    assert!(asks(&effects), "{effects:?}");
    answer(&mut model, last, "user-rpc/3");
    update(&mut model, Msg::Delta(Box::new(later(130))));
    let empty = Answer::Attribution { end_s: None, cohort: Some(wire::Cohort::default()) };
    update(&mut model, Msg::Answer(Box::new(empty)));
    assert!(!asks(&update(&mut model, Msg::Delta(Box::new(later(132))))), "a collector knows two minutes only");
    let shown = picture(&model, (120, 40));
    assert!(shown.contains(&format!("services, last traffic, 10 s to {clock}")), "{shown}");
    assert!(
        shown.contains(" gateway") && shown.contains("400    0.0") && shown.contains("100 %  user-rpc/3"),
        "{shown}"
    );
    assert!(picture(&model, (80, 24)).contains(&format!(" last to {clock}")));
}

#[test]
fn the_time_under_the_cursor_stands_alone() {
    let mut model = Shop::run(Drill::None, 60).model();
    model.size = (80, 24);
    press(&mut model, KeyCode::Left);
    let head = model.data().head_s();
    for back in 1..43 {
        press(&mut model, KeyCode::Left);
        let shown = picture(&model, (80, 24));
        let ruler = shown.lines().find(|line| line.contains(" map ")).expect("the ruler");
        let words = ["\u{25b8}", "map", "1 column = 1 s", "last 10 s"];
        let known = [head - 42, head, head - back].map(fmt::clock);
        let rest =
            known.iter().map(String::as_str).chain(words).fold(ruler.to_owned(), |rest, word| rest.replace(word, ""));
        assert!(rest.chars().all(|character| matches!(character, '\u{2500}' | ' ')), "{back}: {ruler}");
        assert!(ruler.contains(&fmt::clock(head - back)), "{back}: {ruler}");
    }
}

#[test]
fn the_panel_that_the_arrows_move_in_is_marked() {
    let mut model = Shop::run(Drill::None, 30).model();
    let marked = |model: &Model, title: &str| picture(model, (80, 24)).contains(&format!("\u{25b8} {title} "));
    assert!(marked(&model, "map") && !marked(&model, "services"));
    press(&mut model, KeyCode::Tab);
    assert!(!marked(&model, "map") && marked(&model, "services"));
}
