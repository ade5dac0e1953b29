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
use ratatui::backend::{Backend, CrosstermBackend};
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
        clear(&mut self.terminal)
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

/// Clears the terminal and what was drawn on it. Not ratatui's own `clear`, which asks where the cursor is and fails on a
/// terminal that does not answer; a resize, to the same size too, clears without asking.
fn clear<B: Backend>(terminal: &mut Terminal<B>) -> Result<(), B::Error> {
    let size = terminal.size()?;
    terminal.resize(size.into())
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

#[cfg(test)]
mod tests {
    use ratatui::backend::{ClearType, TestBackend, WindowSize};
    use ratatui::buffer::Cell;
    use ratatui::layout::{Position, Size};

    use super::*;

    /// A terminal that never says where its cursor is.
    struct Mute {
        inner: TestBackend,
        drawn: usize,
    }

    fn sure<T>(answer: Result<T, std::convert::Infallible>) -> io::Result<T> {
        answer.map_err(|never| match never {})
    }

    impl Backend for Mute {
        type Error = io::Error;

        fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
            let drawn = &mut self.drawn;
            sure(self.inner.draw(content.inspect(|_| *drawn += 1)))
        }

        fn hide_cursor(&mut self) -> io::Result<()> {
            sure(self.inner.hide_cursor())
        }

        fn show_cursor(&mut self) -> io::Result<()> {
            sure(self.inner.show_cursor())
        }

        fn get_cursor_position(&mut self) -> io::Result<Position> {
            Err(io::Error::other("the cursor position could not be read"))
        }

        fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
            sure(self.inner.set_cursor_position(position))
        }

        fn clear(&mut self) -> io::Result<()> {
            sure(self.inner.clear())
        }

        fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
            sure(self.inner.clear_region(region))
        }

        fn size(&self) -> io::Result<Size> {
            sure(self.inner.size())
        }

        fn window_size(&mut self) -> io::Result<WindowSize> {
            sure(self.inner.window_size())
        }

        fn flush(&mut self) -> io::Result<()> {
            sure(self.inner.flush())
        }
    }

    #[test]
    fn a_terminal_that_does_not_answer_is_cleared_and_drawn_whole_again() {
        let mut terminal = Terminal::new(Mute { inner: TestBackend::new(5, 1), drawn: 0 }).expect("a terminal");
        let draw = |terminal: &mut Terminal<Mute>| {
            terminal.draw(|frame| frame.render_widget("steady", frame.area())).expect("a frame");
            std::mem::take(&mut terminal.backend_mut().drawn)
        };
        assert_eq!(draw(&mut terminal), 5);
        assert_eq!(draw(&mut terminal), 0);
        clear(&mut terminal).expect("cleared without a question");
        terminal.backend().inner.assert_buffer_lines(["     "]);
        assert_eq!(draw(&mut terminal), 5);
        terminal.backend().inner.assert_buffer_lines(["stead"]);
    }
}
