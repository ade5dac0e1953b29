//! The event loop: keys, messages and signals in, frames out.
//!
//! A frame is drawn only when something changed, at once after a key, at most every 33 ms otherwise. Nothing is drawn
//! while nothing changes; a clock ticks only while an age is on the screen.

use std::io::IsTerminal;
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures::StreamExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use crate::msg::Msg;
use crate::shell::{Next, Shell};
use crate::term::{self, Screen};
use crate::theme::Theme;
use crate::{Leave, Options, Summary, TuiError, summary, update};

/// Least time between frames that data cause.
const FRAME: Duration = Duration::from_millis(33);

/// Least time between frames that keys cause.
const KEY_FRAME: Duration = Duration::from_millis(8);

/// Messages that are taken in before a frame is considered again.
const BATCH: usize = 64;

/// Number of SIGCONT on Linux.
const SIGCONT: i32 = 18;

struct Signals {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
    go_on: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            go_on: signal(SignalKind::from_raw(SIGCONT))?,
        })
    }
}

/// Runs the console until the user leaves.
pub async fn run(options: Options) -> Result<(Leave, Summary), TuiError> {
    if !std::io::stdout().is_terminal() {
        return Err(TuiError::NotATerminal);
    }
    let mut signals = Signals::new()?;
    let mut shell = Shell::start(&options)?;
    let mut screen = Screen::enter()?;
    shell.model.size = screen.size()?;
    screen.draw(&shell.model)?;
    if options.ascii.is_none() {
        shell.model.theme = Theme::new(shell.model.theme.depth, screen.draws_blocks_wide().await);
        screen.forget()?;
    }
    let left = attend(&mut shell, &mut screen, &mut signals).await;
    drop(screen);
    left.map(|leave| (leave, summary::of(&shell.model)))
}

/// When to draw.
struct Frames {
    due: Option<Instant>,
    last: Instant,
}

impl Frames {
    fn want(&mut self, least: Duration) {
        let at = self.last + least;
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}

async fn attend(shell: &mut Shell, screen: &mut Screen, signals: &mut Signals) -> Result<Leave, TuiError> {
    let mut events = EventStream::new();
    let mut frames = Frames { due: Some(Instant::now()), last: Instant::now() };
    let mut tick = Instant::now() + Duration::from_secs(1);
    loop {
        let due = frames.due.unwrap_or(tick);
        let next = tokio::select! {
            biased;
            () = term::panicked() => return Err(TuiError::Panicked),
            _ = signals.terminate.recv() => return Ok(update::interrupted(shell.model.launch)),
            _ = signals.interrupt.recv() => return Ok(update::interrupted(shell.model.launch)),
            _ = signals.hang_up.recv() => return Ok(Leave::Disconnected),
            _ = signals.go_on.recv() => {
                screen.again()?;
                frames.want(Duration::ZERO);
                Next::On
            }
            event = events.next() => {
                frames.want(KEY_FRAME);
                match event {
                    Some(Ok(event)) => input(event).map_or(Next::On, |msg| shell.take(msg)),
                    Some(Err(_)) | None => return Ok(Leave::Disconnected),
                }
            }
            () = sleep_until(due), if frames.due.is_some() => {
                if screen.draw(&shell.model).is_err() {
                    return Ok(Leave::Disconnected);
                }
                frames = Frames { due: None, last: Instant::now() };
                Next::On
            }
            msg = shell.next() => {
                frames.want(FRAME);
                match msg {
                    Some(msg) => drain(shell, msg),
                    None => return Ok(Leave::Disconnected),
                }
            }
            () = sleep_until(tick), if shell.model.needs_clock() => {
                tick = Instant::now() + Duration::from_secs(1);
                frames.want(FRAME);
                shell.take(Msg::Clock(crate::shell::now_ns()))
            }
        };
        match next {
            Next::On => {}
            Next::Redraw => {
                screen.forget()?;
                frames.want(Duration::ZERO);
            }
            Next::Leave(leave) => return Ok(leave),
        }
        if tick < Instant::now() {
            tick = Instant::now() + Duration::from_secs(1);
        }
    }
}

/// Takes in what waits, so that a frame shows the newest.
fn drain(shell: &mut Shell, first: Msg) -> Next {
    let mut next = shell.take(first);
    for _ in 0..BATCH {
        match (next, shell.ready()) {
            (Next::On, Some(msg)) => next = shell.take(msg),
            _ => break,
        }
    }
    next
}

/// What an event of the terminal means.
fn input(event: Event) -> Option<Msg> {
    match event {
        Event::Key(key) => Some(Msg::Key(key)),
        Event::Paste(text) => Some(Msg::Paste(text)),
        Event::Resize(columns, rows) => Some(Msg::Resize(columns, rows)),
        Event::FocusGained | Event::FocusLost | Event::Mouse(_) => None,
    }
}
