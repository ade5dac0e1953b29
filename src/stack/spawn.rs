//! Processes that the supervisor starts: this same executable, its output collected, its life tied to ours.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, Command};

use super::logs::{LogFile, MAX_BYTES};
use super::process::Mark;

/// How long a process may take to stop before it is killed: its own drain takes five seconds at most.
pub const STOP_LIMIT: Duration = Duration::from_millis(5_500);

/// A running child.
#[derive(Debug)]
pub struct Spawned {
    /// The process, to wait for.
    pub child: Child,
    /// Which process it is, to signal it.
    pub mark: Option<Mark>,
    /// Its standard input: the child ends when this closes, also because we were killed.
    _parent_pipe: Option<ChildStdin>,
}

/// Starts `mallctl` with arguments; both output streams go line by line to `log` and to `on_line`.
pub fn spawn(args: &[&str], log: &Path, on_line: impl FnMut(&str) + Send + 'static) -> io::Result<Spawned> {
    let (reader, writer) = io::pipe()?;
    // The running file itself, so that a rebuild under a running stack does not mix versions.
    let mut command = Command::new("/proc/self/exe");
    command.arg0("mallctl").args(args).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // The command still holds our copies of the writing end; the log would never end.
    drop(command);
    let mark = child.id().and_then(Mark::of);
    let parent_pipe = child.stdin.take();
    let log = LogFile::open(log, MAX_BYTES)?;
    tokio::spawn(copy_lines(pipe::Receiver::from_owned_fd(reader.into())?, log, on_line));
    Ok(Spawned { child, mark, _parent_pipe: parent_pipe })
}

impl Spawned {
    /// Asks with a signal, waits, and kills when that takes too long. Answers how it ended.
    pub async fn stop(&mut self, ask: Signal) -> String {
        if let Some(mark) = self.mark {
            mark.signal(ask);
        }
        if let Ok(status) = tokio::time::timeout(STOP_LIMIT, self.child.wait()).await {
            return describe(status);
        }
        // An error here means that it ended meanwhile.
        let _ = self.child.start_kill();
        describe(self.child.wait().await)
    }
}

/// How a process ended: `exit 1`, `signal 9`.
pub fn describe(status: io::Result<std::process::ExitStatus>) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "ended".to_owned(),
        },
        Err(error) => format!("lost: {error}"),
    }
}

async fn copy_lines(output: pipe::Receiver, mut log: LogFile, mut on_line: impl FnMut(&str)) {
    let mut reader = BufReader::new(output);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match reader.read_until(b'\n', &mut bytes).await {
            Ok(1..) => {
                let line = String::from_utf8_lossy(&bytes);
                let line = line.trim_end_matches(['\n', '\r']);
                if let Err(error) = log.line(line) {
                    tracing::warn!(%error, "cannot write a log, its lines are lost: free space in the state folder");
                }
                on_line(line);
            }
            _ => return,
        }
    }
}
