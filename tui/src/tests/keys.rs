//! Keys do what the table says, and only what it says.

use std::sync::LazyLock;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::keymap::{Context, KEYS};
use crate::model::Model;
use crate::model::ui::{Overlay, Prompt, TraceUi};
use crate::msg::{Answer, Ask, Change, Effect, Msg};
use crate::simulate::{self, Drill, FAULT_AT, Shop};
use crate::theme::{Depth, Theme};
use crate::update::{context, handles, update};
use crate::{Format, Launch, Leave, Screen, capture};

fn press(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    update(model, Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn typed(model: &mut Model, text: &str) {
    text.chars().for_each(|character| {
        press(model, KeyCode::Char(character));
    });
}

fn model() -> Model {
    static MODEL: LazyLock<Model> = LazyLock::new(|| Shop::run(Drill::SlowReplica, FAULT_AT + 8).model());
    MODEL.clone()
}

fn in_context(context: Context) -> Model {
    let mut model = model();
    match context {
        Context::Global | Context::Overview => {}
        Context::Traces => model.screen = Screen::Traces,
        Context::Services => model.screen = Screen::Services,
        Context::Resilience => model.screen = Screen::Resilience,
        Context::Load => model.screen = Screen::Load,
        Context::Alerts => model.screen = Screen::Alerts,
        Context::Trace => {
            model.trace = Some(TraceUi { id: vec![9; 16], ..TraceUi::default() });
            update(&mut model, Msg::Answer(Box::new(Answer::Trace(Box::new(simulate::trace())))));
        }
        Context::Typing => model.overlay = Some(Overlay::Filter(Prompt::default())),
        Context::Help => model.overlay = Some(Overlay::Help(0)),
        Context::Confirm => {
            typed(&mut model, ":restart pay-rpc/1");
            press(&mut model, KeyCode::Enter);
        }
        Context::Leaving => model.overlay = Some(Overlay::Leave),
    }
    model
}

#[test]
fn every_row_of_the_table_is_handled_where_it_counts() {
    for binding in KEYS {
        let mut model = in_context(binding.context);
        if binding.context != Context::Global {
            assert_eq!(context(&model), binding.context);
        }
        assert!(handles(&mut model, binding.context, binding.action), "{:?} in {:?}", binding.action, binding.context);
    }
}

fn said(model: &Model) -> String {
    let themed = Model { theme: Theme::new(Depth::None, false), ..model.clone() };
    let picture = capture::snapshot(&themed, (80, 24), Format::Text);
    picture.lines().last().unwrap_or_default().trim().to_owned()
}

#[test]
fn a_fault_that_fails_calls_is_shown_before_it_is_injected() {
    let mut model = model();
    typed(&mut model, ":fault add error pay-rpc/1 rate=0.5");
    assert!(press(&mut model, KeyCode::Enter).is_empty());
    let Some(Overlay::Confirm(command)) = &model.overlay else { panic!("it is confirmed first") };
    assert!(command.line.starts_with("mallctl fault add error pay-rpc/1"));
    let effects = press(&mut model, KeyCode::Char('y'));
    assert!(matches!(effects.as_slice(), [Effect::Change(Change::AddFault(fault))] if fault.target == "pay-rpc/1"));
}

#[test]
fn a_fault_that_only_slows_down_is_injected_at_once() {
    let mut model = model();
    typed(&mut model, ":slow pay-rpc/1");
    let effects = press(&mut model, KeyCode::Enter);
    assert!(matches!(effects.as_slice(), [Effect::Change(Change::AddFault(fault))] if fault.kind == "latency"));
    assert!(model.overlay.is_none());
}

#[test]
fn a_line_that_is_no_command_says_why_below_itself_until_it_changes() {
    for (line, why) in [
        (":foo", "\u{2717} `foo` is no command: slow, fault, restart, load, the name of a screen or quit"),
        (":lod stop", "\u{2717} `lod` is no command: did you mean `load`?"),
        (":slow pay-rpc/9", "\u{2717} there is no pay-rpc/9: pay-rpc/1, pay-rpc/2, pay-rpc/3"),
        (":restart pay-rpc/9", "\u{2717} there is no pay-rpc/9: pay-rpc/1, pay-rpc/2, pay-rpc/3"),
    ] {
        let mut model = model();
        typed(&mut model, line);
        assert!(press(&mut model, KeyCode::Enter).is_empty());
        assert_eq!(said(&model), why);
        press(&mut model, KeyCode::Backspace);
        assert_ne!(said(&model), why, "the line is another one now");
    }
}

#[test]
fn commands_to_a_load_that_does_not_run_say_so() {
    for line in [":load resume", ":load stop", ":load rate 20"] {
        let mut model = model();
        model.live.runs.clear();
        typed(&mut model, line);
        assert!(press(&mut model, KeyCode::Enter).is_empty());
        assert!(said(&model).contains("no load runs: start one with `mallctl load"), "{line}: {}", said(&model));
    }
}

#[test]
fn without_a_token_nothing_is_changed() {
    let mut model = model();
    model.has_token = false;
    typed(&mut model, ":fault clear");
    assert!(press(&mut model, KeyCode::Enter).is_empty());
    assert!(model.overlay.is_none() && model.notice.is_some());
}

#[test]
fn leaving_asks_under_up_and_nowhere_else() {
    let mut model = model();
    assert!(press(&mut model, KeyCode::Char('q')).is_empty());
    assert_eq!(press(&mut model, KeyCode::Char('s')), [Effect::Leave(Leave::Stop)]);
    model.launch = Launch::Watch;
    assert_eq!(press(&mut model, KeyCode::Char('q')), [Effect::Leave(Leave::KeepRunning)]);
}

#[test]
fn a_selection_stays_with_its_trace_when_others_arrive() {
    let shop = Shop::run(Drill::None, 30);
    let mut model = shop.model();
    press(&mut model, KeyCode::Char('2'));
    let answer =
        |model: &Model, reply| Msg::Answer(Box::new(Answer::Traces { generation: model.traces.generation, reply }));
    let first = answer(&model, shop.traces());
    update(&mut model, first);
    press(&mut model, KeyCode::Down);
    let selected = model.traces.selected.clone().expect("a row is selected");
    let mut reply = shop.traces();
    reply.traces.insert(0, collector_api::console::TraceSummary { trace_id: vec![200; 16], ..Default::default() });
    let second = answer(&model, reply);
    update(&mut model, second);
    assert_eq!(model.traces.selected.as_ref(), Some(&selected));
    assert!(
        matches!(press(&mut model, KeyCode::Enter).as_slice(), [Effect::Ask(Ask::Trace(id)), _] if *id == selected)
    );
}

#[test]
fn an_answer_to_an_older_question_is_dropped() {
    let shop = Shop::run(Drill::None, 30);
    let mut model = shop.model();
    press(&mut model, KeyCode::Char('2'));
    let old = model.traces.generation;
    press(&mut model, KeyCode::Char('s'));
    update(&mut model, Msg::Answer(Box::new(Answer::Traces { generation: old, reply: shop.traces() })));
    assert!(model.traces.list.is_empty());
}

#[test]
fn a_frozen_view_stands_still_while_facts_arrive() {
    let shop = Shop::run(Drill::None, 30);
    let mut model = shop.model();
    press(&mut model, KeyCode::Char(' '));
    let head = model.data().head_s();
    update(&mut model, Msg::Delta(Box::new(Shop::run(Drill::None, 50).delta())));
    assert_eq!(model.data().head_s(), head);
    assert_eq!(model.live.head_s(), head + 20);
    press(&mut model, KeyCode::Char(' '));
    assert_eq!(model.data().head_s(), head + 20);
}

#[test]
fn the_next_error_opens_what_hides_it() {
    let mut model = in_context(Context::Trace);
    press(&mut model, KeyCode::Char('f'));
    assert_eq!(model.trace.as_ref().map(|open| open.folded.len()), Some(1));
    press(&mut model, KeyCode::Char('n'));
    let open = model.trace.expect("a trace is open");
    assert_eq!((open.selected, open.folded.len()), (9, 0));
}

#[test]
fn a_cell_of_the_map_becomes_a_question() {
    let mut model = model();
    press(&mut model, KeyCode::Left);
    let effects = press(&mut model, KeyCode::Enter);
    let Some(Effect::Ask(Ask::Traces { request, .. })) = effects.first() else { panic!("{effects:?}") };
    assert!(request.query.starts_with("trace.duration>=250ms"), "{}", request.query);
    assert!(request.to_unix_ns > request.from_unix_ns);
}
