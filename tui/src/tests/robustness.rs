//! No rectangle and no answer makes a panic.

use std::sync::LazyLock;

use collector_api::console as wire;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::ui::{Overlay, TraceUi};
use crate::model::{Link, Model};
use crate::msg::{Answer, Msg};
use crate::simulate::{Drill, FAULT_AT, Shop};
use crate::tests::resilience::in_panel;
use crate::theme::{Depth, Theme};
use crate::update::update;
use crate::{Launch, Screen, view};

static MODELS: LazyLock<Vec<Model>> = LazyLock::new(|| {
    let mut models = vec![Model::new("127.0.0.1:4320", Launch::Collect)];
    models.extend(
        [Drill::None, Drill::SlowReplica, Drill::Brownout].map(|drill| Shop::run(drill, FAULT_AT + 12).model()),
    );
    models.extend((0..4).map(in_panel));
    let mut lost = models[2].clone();
    lost.link = Link::Lost { since_ns: 0, why: "connection refused".to_owned() };
    lost.overlay = Some(Overlay::Help(3));
    models.push(lost);
    models
});

fn arbitrary_trace() -> impl Strategy<Value = wire::Trace> {
    let column = || prop::collection::vec(any::<u32>(), 0..12);
    (
        prop::collection::vec(any::<u64>(), 0..12),
        prop::collection::vec(0_u32..6, 0..12),
        prop::collection::vec(any::<i64>(), 0..12),
        prop::collection::vec(any::<u64>(), 0..12),
        column(),
        column(),
        prop::collection::vec("\\PC{0,12}", 0..6),
        prop::collection::vec((0_u32..14, any::<i64>(), any::<i64>()), 0..6),
        any::<u64>(),
    )
        .prop_map(|(span_id, depth, start_ns, span_duration_ns, flags, note, strings, path, duration_ns)| {
            wire::Trace {
                trace_id: vec![7; 16],
                span_id,
                depth,
                start_ns,
                span_duration_ns,
                flags,
                operation: note.clone(),
                note,
                strings,
                duration_ns,
                critical_path: path
                    .into_iter()
                    .map(|(row, from_ns, to_ns)| wire::PathSection { row, from_ns, to_ns })
                    .collect(),
                ..Default::default()
            }
        })
}

fn draw(model: &mut Model, width: u16, height: u16) {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    model.size = (width, height);
    view::draw(model, &mut buffer);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_screen_in_any_rectangle(width in 0_u16..200, height in 0_u16..200, which in 0..MODELS.len(), screen in 0_usize..6, ascii: bool) {
        let mut model = MODELS[which].clone();
        model.screen = Screen::ALL[screen].0;
        model.theme = Theme::new(Depth::Indexed, ascii);
        draw(&mut model, width, height);
    }

    #[test]
    fn any_trace_in_any_rectangle(trace in arbitrary_trace(), width in 0_u16..200, height in 0_u16..80, keys in prop::collection::vec(0_usize..8, 0..12)) {
        let mut model = MODELS[1].clone();
        model.trace = Some(TraceUi { id: trace.trace_id.clone(), ..TraceUi::default() });
        update(&mut model, Msg::Answer(Box::new(Answer::Trace(Box::new(trace)))));
        for key in keys {
            let code = [KeyCode::Down, KeyCode::Up, KeyCode::Left, KeyCode::Right, KeyCode::Enter, KeyCode::Char('n'), KeyCode::Char('N'), KeyCode::End][key];
            update(&mut model, Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)));
            draw(&mut model, width, height);
        }
    }

    #[test]
    fn any_second_and_any_event(unix_s in any::<u64>(), now in any::<u64>(), begins in any::<u64>(), ends in any::<u64>(), index in any::<u32>(), count in 0_u64..1_000_000, ratio in any::<f64>(), phase in 0_i32..5, text in "\\PC{0,30}") {
        let sketch = Some(wire::Sketch { index: vec![index], count: vec![count], sum_us: count, max_us: count });
        let delta = wire::Delta {
            version: 1,
            now_unix_ns: now,
            seconds: vec![wire::Second {
                unix_s,
                entry_ok: sketch.clone(),
                entry_failed: sketch,
                breakers: vec![wire::BreakerCell { ratio, name: text.clone(), ..Default::default() }],
                ..Default::default()
            }],
            events: vec![wire::Event { id: 9, kind: "fault".to_owned(), phase, begins_unix_ns: begins, ends_unix_ns: ends, detail: text.clone(), ..Default::default() }],
            alerts: vec![wire::Alert { name: text, state: phase, active_unix_ns: begins, fired_unix_ns: ends, ..Default::default() }],
            ..Default::default()
        };
        let mut model = MODELS[2].clone();
        update(&mut model, Msg::Delta(Box::new(delta)));
        draw(&mut model, 120, 40);
    }
}
