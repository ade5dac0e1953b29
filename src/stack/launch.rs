//! The parent's side of starting a stack: spawn the supervisor, hand it the order, and hear what becomes of it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::logs::MAX_BYTES;
use super::order::{Order, Report};
use super::stack_file::Addresses;
use super::state::StateFolder;
use crate::exit::{Exit, Failure};

/// Lines of the supervisor's log that are shown when it ended without a word.
const LAST_LINES: usize = 5;

/// A supervisor that was started. Dropping it closes the pipe that says "the parent lives".
#[derive(Debug)]
pub struct Launched {
    folder: StateFolder,
    child: Child,
    _parent_pipe: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
}

/// A stack whose collector listens.
#[derive(Debug, Clone)]
pub struct Listening {
    /// Where it listens; the gateway's address follows when the stack is ready.
    pub addresses: Addresses,
    /// Secret of the stack.
    pub token: String,
}

impl Launched {
    /// Starts the supervisor and waits until its collector listens.
    pub async fn start(folder: StateFolder, order: &Order) -> Result<(Self, Listening), Failure> {
        folder.create()?;
        let log = log_file(&folder);
        if std::fs::metadata(&log).is_ok_and(|log| log.len() > MAX_BYTES) {
            // Without the rename the log only stays larger than wished.
            let _ = std::fs::rename(&log, log.with_extension("log.old"));
        }
        let stderr = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&log)
            .map_err(|error| Failure::runtime(format!("cannot open {}", log.display())).because(error))?;
        let cannot_start = |error| Failure::runtime("cannot start the supervisor").because(error);
        let mut child = Command::new("/proc/self/exe")
            .arg0("mallctl")
            .args(["supervise", "--stack", folder.stack()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(cannot_start)?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::runtime("cannot start the supervisor").because("it has no pipes"));
        };
        let mut line = serde_json::to_vec(order).map_err(|e| cannot_start(e.into()))?;
        line.push(b'\n');
        stdin.write_all(&line).await.map_err(cannot_start)?;
        let reports = BufReader::new(stdout).lines();
        let mut launched = Self { folder, child, _parent_pipe: stdin, reports };
        match launched.next().await? {
            Report::Listening { addresses, token } => Ok((launched, Listening { addresses, token })),
            other => Err(Failure::runtime("the supervisor spoke out of turn").because(format!("{other:?}"))),
        }
    }

    /// The next report. A failed start, and an end without a word, are failures.
    pub async fn next(&mut self) -> Result<Report, Failure> {
        match self.reports.next_line().await {
            Ok(Some(line)) => match serde_json::from_str(&line) {
                Ok(Report::Failed { exit, what, why, mend }) => {
                    Err(Failure { exit: Exit::from_code(exit), what, why, mend })
                }
                Ok(report) => Ok(report),
                Err(error) => Err(Failure::runtime("the supervisor cannot be understood").because(error)),
            },
            _ => Err(self.ended().await),
        }
    }

    /// Kills the supervisor; everything that it started ends with it.
    pub async fn kill(&mut self) {
        // It may have ended meanwhile, which is what was wanted.
        let _ = self.child.kill().await;
    }

    async fn ended(&mut self) -> Failure {
        let how = super::spawn::describe(self.child.wait().await);
        let text = std::fs::read_to_string(log_file(&self.folder)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default().join("\n  ");
        Failure::runtime(format!("the supervisor ended ({how})"))
            .because(collector_api::text::clean(&last).into_owned())
            .mend(format!("see {}", log_file(&self.folder).display()))
    }
}

fn log_file(folder: &StateFolder) -> PathBuf {
    folder.logs().join("supervisor.log")
}
