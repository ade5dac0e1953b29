//! One picture of a screen, for documents and for eyes without a terminal.

mod render;

use std::time::Duration;

use collector_api::console as wire;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::ui::TraceUi;
use crate::model::{Link, Model};
use crate::msg::{Answer, Msg};
use crate::shell::Shell;
use crate::theme::{Depth, Theme};
use crate::{Format, Launch, Options, Screen, TuiError, update, view};

/// Longest wait for a collector to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// How long answers are collected after the first delta: one round of the screen's questions.
const SETTLE: Duration = Duration::from_millis(1_500);

/// Connects, waits until the screen has its answers, and draws it once.
pub async fn capture(options: Options, size: (u16, u16), screen: Screen, format: Format) -> Result<String, TuiError> {
    let address = options.address.clone();
    let mut shell = Shell::start(&Options { screen: Some(screen), ..options })?;
    shell.model.size = size;
    let heard = tokio::time::timeout(ANSWER, async {
        while shell.model.live.version == 0 {
            let Some(msg) = shell.next().await else { break };
            shell.take(msg);
        }
    })
    .await;
    if heard.is_err() || shell.model.live.version == 0 {
        let why = match &shell.model.link {
            Link::Connecting { why } | Link::Lost { why, .. } if !why.is_empty() => why.clone(),
            _ => "it sent nothing within 5 s".to_owned(),
        };
        return Err(TuiError::Unreachable { address, why });
    }
    let until = tokio::time::Instant::now() + SETTLE;
    while let Ok(Some(msg)) = tokio::time::timeout_at(until, shell.next()).await {
        shell.take(msg);
    }
    Ok(snapshot(&shell.model, size, format))
}

/// A trace at a size, as its waterfall.
pub fn trace(trace: wire::Trace, size: (u16, u16), format: Format) -> String {
    let mut model = Model::new("", Launch::Watch);
    model.theme = Theme::new(Depth::True, false);
    model.trace = Some(TraceUi { id: trace.trace_id.clone(), ..TraceUi::default() });
    let _ = update::update(&mut model, Msg::Answer(Box::new(Answer::Trace(Box::new(trace)))));
    snapshot(&model, size, format)
}

/// The model at a size, deterministic.
pub fn snapshot(model: &Model, size: (u16, u16), format: Format) -> String {
    let mut model = model.clone();
    model.size = size;
    if format == Format::Text {
        // Without colours the glyphs carry the intensities.
        model.theme = Theme::new(Depth::None, model.theme.is_ascii());
    }
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
    view::draw(&model, &mut buffer);
    match format {
        Format::Text => render::text(&buffer),
        Format::Ansi => render::ansi(&buffer),
        Format::Svg => render::svg(&buffer),
    }
}
