//! The terminal: taken over, and given back whatever happens.
//!
//! Four layers give it back: the guard's drop, the panic hook (tasks of a runtime swallow panics, so the hook also wakes
//! the event loop), the signals that the event loop handles, and the next `reset`.

use std::io::{self, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::sync::Notify;

use crate::model::Model;
use crate::view;

/// Whether the terminal is ours at the moment.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Wakes the event loop after a panic anywhere.
static PANICKED: OnceLock<Arc<Notify>> = OnceLock::new();

/// How long a terminal may take to say where its cursor is.
const PROBE: Duration = Duration::from_millis(300);

/// The terminal, while it is ours.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal over: raw, alternate screen, no cursor, pastes as one event.
    pub fn enter() -> io::Result<Self> {
        hook();
        take()?;
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout())).inspect_err(|_| give_back())?;
        Ok(Self { terminal })
    }

    /// Draws a frame in one piece.
    pub fn draw(&mut self, model: &Model) -> io::Result<()> {
        queue!(io::stdout(), BeginSynchronizedUpdate)?;
        let drawn = self.terminal.draw(|frame| view::draw(model, frame.buffer_mut())).map(|_| ());
        execute!(io::stdout(), EndSynchronizedUpdate)?;
        drawn
    }

    /// Forgets what is on the terminal, so that the next frame draws everything.
    pub fn forget(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }

    /// Takes the terminal over again, after the process was stopped and went on.
    pub fn again(&mut self) -> io::Result<()> {
        take()?;
        self.forget()
    }

    /// Columns and rows.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|size| (size.width, size.height))
    }

    /// Whether block glyphs take two columns, as on terminals that draw ambiguous characters wide. A terminal that does
    /// not answer is believed to be narrow.
    pub async fn draws_blocks_wide(&self) -> bool {
        let asked = tokio::task::spawn_blocking(|| {
            execute!(io::stdout(), MoveTo(0, 0))?;
            write!(io::stdout(), "\u{2592}")?;
            io::stdout().flush()?;
            crossterm::cursor::position()
        });
        matches!(tokio::time::timeout(PROBE, asked).await, Ok(Ok(Ok((column, _)))) if column > 1)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Resolves after a panic anywhere in the process.
pub async fn panicked() {
    PANICKED.get_or_init(Arc::default).notified().await;
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(io::stdout(), EnterAlternateScreen, Hide, EnableBracketedPaste, Clear(ClearType::All))
        .inspect_err(|_| give_back())
}

/// Gives the terminal back, once. Errors have nobody to go to: the terminal is gone then.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(io::stdout(), EndSynchronizedUpdate, DisableBracketedPaste, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// Restores the terminal before a panic's message is written. Installed once; the hook before stays in force.
fn hook() {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
            PANICKED.get_or_init(Arc::default).notify_one();
        }));
    });
}
