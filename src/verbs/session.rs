//! A stack that this process started and holds: the console or lines on it, and its end. Shared by `up` and `collect`.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use mall_api::control::{DetachRequest, StatusReply, StatusRequest};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tui::{Launch, Leave, Options, Summary};

use super::{down, status, watch};
use crate::exit::{Exit, Failure, Outcome};
use crate::hint;
use crate::output;
use crate::stack::client::{Client, failure};
use crate::stack::launch::{Launched, Listening};
use crate::stack::order::{Order, Report};
use crate::stack::state::StateFolder;

/// How long a stack may take to be ready in the background.
pub const READY_LIMIT: Duration = Duration::from_mins(1);

/// How long a start may take without a word about what it waits for.
const USUAL_START: Duration = Duration::from_secs(2);

/// A started stack.
pub struct Session {
    folder: StateFolder,
    launched: Launched,
    listening: Listening,
    load_exit: Option<Exit>,
}

/// Why a wait on the stack ended.
enum Heard {
    LoadEnded(Exit),
    Signal,
    Failed(Failure),
}

impl Session {
    /// Starts the supervisor and waits until its collector listens.
    pub async fn start(folder: StateFolder, order: &Order) -> Result<Self, Failure> {
        let (launched, listening) = Launched::start(folder.clone(), order).await?;
        Ok(Self { folder, launched, listening, load_exit: None })
    }

    /// Where the collector listens.
    pub fn listening(&self) -> &Listening {
        &self.listening
    }

    fn command(&self, verb: &str) -> String {
        hint::command(self.folder.stack(), verb)
    }

    async fn client(&self) -> Result<Client, Failure> {
        Client::to_address(&self.listening.addresses.console, Some(self.listening.token.clone())).await
    }

    fn console(&self, launch: Launch) -> Options {
        Options {
            token: Some(self.listening.token.clone()),
            launch,
            ..Options::new(self.listening.addresses.console.clone())
        }
    }

    /// Waits until the stack is ready, prints its status, and leaves it running.
    pub async fn detach(mut self, json: bool) -> Outcome {
        let client = self.client().await?;
        let ready = tokio::select! {
            ready = tokio::time::timeout(READY_LIMIT, self.ready()) => ready,
            never = tell_what_is_waited_for(&client) => match never {},
        };
        let Ok(ready) = ready else {
            let reply = client.control().status(StatusRequest {}).await.map_err(|s| failure(&s))?.into_inner();
            down::stop(&self.folder).await?;
            return Err(Failure::new(Exit::NotReady, format!("not ready within {READY_LIMIT:?}, so it was stopped"))
                .because(waits_for(&reply, |_| true))
                .mend(late_mend(&reply, &self.command("logs"))));
        };
        ready?;
        let facts = status::fetch(&client).await?;
        if json {
            output::json(&status::document(&facts))?;
        } else {
            output::line(&status::text(&facts));
            output::progress(&format!(
                "it runs on: {} opens the console, {} stops it",
                self.command("watch"),
                self.command("down")
            ));
        }
        Ok(Exit::Ok)
    }

    async fn ready(&mut self) -> Result<u64, Failure> {
        loop {
            if let Report::Ready { ready_ms } = self.launched.next().await? {
                return Ok(ready_ms);
            }
        }
    }

    /// The console in the foreground until the user leaves it.
    pub async fn console_until_left(mut self, launch: Launch) -> Outcome {
        // The client speaks for this process in `status`; the parent's pipe is what keeps the stack.
        let client = self.client().await?;
        let attached = client.attach("console").await?;
        let mut terminate = listen(SignalKind::terminate())?;
        let console = tui::run(self.console(launch));
        tokio::pin!(console);
        let mut load_exit = None;
        let left = loop {
            tokio::select! {
                left = &mut console => break left.map_err(|error| watch::failure(&error)),
                heard = self.hear() => match heard {
                    Heard::LoadEnded(exit) => load_exit = Some(exit),
                    // Dropping the console restores the terminal.
                    Heard::Failed(failure) => break Err(failure),
                    Heard::Signal => {}
                },
                _ = terminate.recv() => break Ok((Leave::Stop, Summary::default())),
            }
        };
        self.load_exit = load_exit;
        drop(attached);
        match left {
            // A collector in the foreground ends with its console; `-d` is there for the other wish.
            Ok((Leave::KeepRunning, summary)) if launch != Launch::Collect => {
                client.control().detach(DetachRequest {}).await.map_err(|status| failure(&status))?;
                self.summarise(&summary, true);
            }
            Ok((Leave::KeepRunning | Leave::Stop, summary)) => {
                self.stop().await?;
                self.summarise(&summary, false);
                return Ok(self.load_exit.unwrap_or(Exit::Ok));
            }
            Ok((Leave::Disconnected, _)) => {
                let watch = self.command("watch");
                output::progress(&format!("the console was cut off; the stack waits 60 s for {watch}, then stops"));
            }
            Err(failure) => return Err(failure),
        }
        Ok(self.load_exit.unwrap_or(Exit::Ok))
    }

    /// Lines on standard output until a signal, the end of the load, or `until`; then the stack stops.
    pub async fn lines_until_done(
        mut self,
        json: bool,
        ends_with_load: bool,
        until: impl Future<Output = Exit>,
    ) -> Result<(Exit, Summary), Failure> {
        let done = CancellationToken::new();
        let options = self.console(Launch::Watch);
        let over = done.clone().cancelled_owned();
        // With --json standard output belongs to the result.
        let lines: tokio::task::JoinHandle<_> = if json {
            tokio::spawn(tui::lines(options, std::io::stderr(), over))
        } else {
            tokio::spawn(tui::lines(options, std::io::stdout(), over))
        };
        let mut terminate = listen(SignalKind::terminate())?;
        let mut interrupt = listen(SignalKind::interrupt())?;
        tokio::pin!(until);
        let heard = loop {
            let heard = tokio::select! {
                heard = self.hear() => heard,
                _ = terminate.recv() => Heard::Signal,
                _ = interrupt.recv() => Heard::Signal,
                exit = &mut until => break Ok(exit),
            };
            match heard {
                Heard::LoadEnded(exit) if ends_with_load => break Ok(exit),
                Heard::LoadEnded(_) => {}
                Heard::Signal if ends_with_load => break Ok(Exit::Interrupted),
                Heard::Signal => break Ok(Exit::Ok),
                Heard::Failed(failure) => break Err(failure),
            }
        };
        done.cancel();
        let summary = match lines.await {
            Ok(Ok(summary)) => summary,
            Ok(Err(error)) => {
                output::progress(&format!("no live lines: {error}"));
                Summary::default()
            }
            Err(_) => Summary::default(),
        };
        let exit = heard?;
        self.stop().await?;
        Ok((exit, summary))
    }

    async fn hear(&mut self) -> Heard {
        loop {
            match self.launched.next().await {
                Ok(Report::LoadEnded { exit }) => return Heard::LoadEnded(Exit::from_code(exit)),
                Ok(_) => {}
                Err(failure) => return Heard::Failed(failure),
            }
        }
    }

    /// Stops the stack in order, with a line for every step. A second Ctrl-C kills the supervisor, and so everything.
    pub async fn stop(&mut self) -> Result<(), Failure> {
        let mut interrupt = listen(SignalKind::interrupt())?;
        tokio::select! {
            stopped = down::stop(&self.folder) => stopped.map(|_| ()),
            _ = interrupt.recv() => {
                output::progress("killing what is left");
                self.launched.kill().await;
                Err(Failure::new(Exit::Interrupted, "stopped by force"))
            }
        }
    }

    /// Five lines about what was seen, and what to do next.
    fn summarise(&self, summary: &Summary, runs_on: bool) {
        output::progress(&summary_text(summary));
        if let Some(run) = &summary.run {
            output::progress(&format!("  {}", self.folder.runs().join(format!("{}.json", run.run_id)).display()));
        }
        output::progress(&if runs_on {
            format!("next: {} opens the console again, {} stops the stack", self.command("watch"), self.command("down"))
        } else {
            format!(
                "next: {} shows the last run, {} judges its orders",
                self.command("report latest"),
                self.command("verify")
            )
        });
    }
}

/// Once a start takes longer than usual: says what it waits for, and says it again whenever that changes.
async fn tell_what_is_waited_for(client: &Client) -> Infallible {
    tokio::time::sleep(USUAL_START).await;
    if let Ok(stream) = client.control().watch_status(StatusRequest {}).await {
        let mut stream = stream.into_inner();
        let mut told = String::new();
        while let Ok(Some(status)) = stream.message().await {
            // One that merely starts is no news; one that ended is.
            let waits = waits_for(&status, |state| state != "starting");
            if !status.ready && waits != told {
                output::progress(&format!("not ready yet: {waits}"));
                told = waits;
            }
        }
    }
    // Whoever waits for the stack hears of its end in another way.
    std::future::pending().await
}

/// What a stack that is not ready waits for: its phase, and the processes in such a state, with their last words.
fn waits_for(status: &StatusReply, is_told: impl Fn(&str) -> bool) -> String {
    let late = status.processes.iter().filter(|process| process.state != "ready" && is_told(&process.state));
    let late = late.map(|process| {
        let name = format!("{}/{} is {}", process.role, process.replica, process.state);
        if process.last_log.is_empty() { name } else { format!("{name}: {}", process.last_log) }
    });
    std::iter::once(status.phase.clone()).chain(late).collect::<Vec<_>>().join("; ")
}

/// What mends a start that took too long: where every process of ours is ready, only the proxy is missing.
fn late_mend(status: &StatusReply, logs: &str) -> String {
    if status.processes.iter().all(|process| process.state == "ready") {
        "start the proxy, or name the one that runs with --edge".to_owned()
    } else {
        format!("see {logs}")
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::runtime("cannot listen for signals").because(error))
}

fn summary_text(summary: &Summary) -> String {
    let milliseconds = |us: Option<u64>| us.map_or_else(|| "-".to_owned(), |us| format!("{:.1} ms", us as f64 / 1e3));
    let run = summary.run.as_ref().map_or_else(
        || "no load ran".to_owned(),
        |run| {
            format!(
                "{} ({}): {}, sent {}, failed {}, joined {} of {}{}",
                run.run_id,
                run.scenario,
                run.phase,
                run.sent,
                run.failed,
                run.joined,
                run.sampled,
                if run.limited { ", generator limited" } else { "" }
            )
        },
    );
    let alerts = if summary.alerts.is_empty() { "none".to_owned() } else { summary.alerts.join(", ") };
    [
        format!(
            "{} requests, {} failed, p50 {}, p99 {}",
            summary.requests,
            summary.failed,
            milliseconds(summary.p50_us),
            milliseconds(summary.p99_us)
        ),
        format!("{} traces, {} spans lost", summary.traces, summary.lost_spans),
        format!("breaker trips {}, alerts {alerts}", summary.trips),
        run,
        summary.sentence.clone(),
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use mall_api::control::Process;

    use super::*;

    #[test]
    fn a_late_start_says_its_phase_and_who_is_late_with_the_last_words() {
        let process = |replica, state: &str, last_log: &str| Process {
            role: "pay-rpc".into(),
            replica,
            state: state.into(),
            last_log: last_log.into(),
            ..Process::default()
        };
        let processes =
            vec![process(1, "ready", ""), process(2, "starting", ""), process(3, "backoff", "no such database")];
        let status = StatusReply { phase: "starting".into(), processes, ..StatusReply::default() };
        let all = "starting; pay-rpc/2 is starting; pay-rpc/3 is backoff: no such database";
        assert_eq!(waits_for(&status, |_| true), all);
        let news = "starting; pay-rpc/3 is backoff: no such database";
        assert_eq!(waits_for(&status, |state| state != "starting"), news);
        assert_eq!(late_mend(&status, "`mallctl logs`"), "see `mallctl logs`");
        let proxy = StatusReply { processes: vec![process(1, "ready", "")], ..StatusReply::default() };
        assert!(late_mend(&proxy, "`mallctl logs`").contains("--edge"));
    }
}
