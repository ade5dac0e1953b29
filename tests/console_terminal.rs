//! The console in a pseudo-terminal: it opens, asks before it leaves, and gives the terminal back whatever ends it.

mod common;

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::{Home, PATIENCE, binary};
use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

const ALTERNATE_SCREEN: &str = "\u{1b}[?1049h";
const MAIN_SCREEN: &str = "\u{1b}[?1049l";

struct Terminal {
    screen: vt100::Parser,
    raw: String,
    output: Receiver<Vec<u8>>,
    input: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
}

impl Terminal {
    fn open(home: &Home, args: &[&str]) -> Self {
        let size = PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(binary());
        command.args(args);
        command.env("MALL_STATE", home.path());
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command).expect("starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("can be read");
        let input = pair.master.take_writer().expect("can be written");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            // The master lives as long as its reader: a terminal that is not closed before its program ends.
            let _master = pair.master;
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { screen: vt100::Parser::new(30, 100, 0), raw: String::new(), output, input, child }
    }

    fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !holds(self) {
            assert!(started.elapsed() < PATIENCE, "{what} did not come:\n{}", self.screen.screen().contents());
            if let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(50)) {
                self.answer_cursor_question(&bytes);
                self.screen.process(&bytes);
                self.raw.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
    }

    /// Terminals answer where the cursor is; a console asks to learn how wide a glyph is drawn.
    fn answer_cursor_question(&mut self, bytes: &[u8]) {
        if String::from_utf8_lossy(bytes).contains("\u{1b}[6n") {
            self.input.write_all(b"\x1b[1;2R").expect("takes an answer");
        }
    }

    fn shows(&self, text: &str) -> bool {
        self.screen.screen().contents().contains(text)
    }

    fn press(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).and_then(|()| self.input.flush()).expect("takes keys");
    }

    fn ended(&mut self) -> u32 {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("can be waited for") {
                // What it said at the end may still be on its way.
                while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(200)) {
                    self.screen.process(&bytes);
                    self.raw.push_str(&String::from_utf8_lossy(&bytes));
                }
                return status.exit_code();
            }
            assert!(started.elapsed() < PATIENCE, "does not end:\n{}", self.screen.screen().contents());
            if let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(50)) {
                self.screen.process(&bytes);
                self.raw.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
    }

    fn is_restored(&self) -> bool {
        let left = self.raw.rfind(MAIN_SCREEN);
        left.is_some() && left > self.raw.rfind(ALTERNATE_SCREEN) && !self.screen.screen().hide_cursor()
    }
}

#[test]
fn q_and_s_stop_the_stack_and_give_the_terminal_back() {
    let home = Home::new();
    let mut terminal = Terminal::open(&home, &["up", "--isolated"]);
    terminal.until("the console", |terminal| terminal.raw.contains(ALTERNATE_SCREEN) && terminal.shows("ready in"));
    terminal.press("q");
    terminal.until("the question", |terminal| terminal.shows("keep running"));
    terminal.press("s");
    assert_eq!(terminal.ended(), 0);
    assert!(terminal.is_restored(), "{:?}", terminal.raw);
    assert!(terminal.raw.contains("mallctl report latest"));
    assert_eq!(home.run(&["status"]).status.code(), Some(3));
}

#[test]
fn q_and_d_leave_the_stack_running() {
    let home = Home::new();
    let mut terminal = Terminal::open(&home, &["up", "--isolated"]);
    terminal.until("the console", |terminal| terminal.raw.contains(ALTERNATE_SCREEN) && terminal.shows("ready in"));
    terminal.press("q");
    terminal.until("the question", |terminal| terminal.shows("keep running"));
    terminal.press("d");
    assert_eq!(terminal.ended(), 0);
    assert!(terminal.is_restored());
    let status = home.json(&["status"]);
    assert_eq!(status.get("mode").and_then(serde_json::Value::as_str), Some("detached"), "{status}");
}

#[test]
fn a_terminated_console_gives_the_terminal_back_and_stops_the_stack() {
    let home = Home::new();
    let mut terminal = Terminal::open(&home, &["up", "--isolated"]);
    terminal.until("the console", |terminal| terminal.raw.contains(ALTERNATE_SCREEN) && terminal.shows("ready in"));
    let pid = terminal.child.process_id().expect("runs");
    common::signal(pid, nix::sys::signal::Signal::SIGTERM);
    terminal.ended();
    assert!(terminal.is_restored(), "{:?}", terminal.raw);
    home.ok(&["wait", "--for", "down"]);
}

#[test]
fn a_killed_console_leaves_the_stack_a_minute_for_another_one() {
    let home = Home::new();
    let mut terminal = Terminal::open(&home, &["up", "--isolated"]);
    terminal.until("the console", |terminal| terminal.raw.contains(ALTERNATE_SCREEN) && terminal.shows("ready in"));
    terminal.child.kill().expect("can be killed");
    common::eventually("the grace", || {
        let status = home.json(&["status"]);
        status.get("mode").and_then(serde_json::Value::as_str) == Some("grace")
    });
    let mut second = Terminal::open(&home, &["watch"]);
    second.until("the second console", |terminal| terminal.shows("ready in"));
    common::eventually("the stack is kept", || {
        let status = home.json(&["status"]);
        status.get("mode").and_then(serde_json::Value::as_str) == Some("foreground")
    });
    second.press("q");
    assert_eq!(second.ended(), 0, "{}", second.screen.screen().contents());
    assert!(second.is_restored());
}
