//! The life of one replica: spawn, watch, restart with back-off, stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use collector::NewEvent;
use nix::sys::signal::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::{Backoff, Verdict};
use super::board::State;
use super::instance::Instance;
use super::shared::{Shared, unix_ns};
use super::spawn::{Spawned, describe, spawn};

/// Asks a replica to restart; answered when its old process has ended.
pub type RestartRequest = oneshot::Sender<()>;

/// What a replica is started with.
#[derive(Debug)]
pub struct Replica {
    /// Which one.
    pub instance: Instance,
    /// Its configuration file.
    pub config: PathBuf,
    /// Requests to restart it.
    pub restarts: mpsc::Receiver<RestartRequest>,
    /// Ends it for good.
    pub stop: CancellationToken,
}

/// Why a process is not running any more.
enum Ended {
    ByItself(String),
    OnRequest(RestartRequest, String),
    Stopped,
}

impl Replica {
    /// Runs the replica until it is stopped.
    pub async fn run(mut self, shared: Arc<Shared>) {
        let instance = self.instance;
        let mut backoff = Backoff::new(shared.order.seed ^ u64::from(instance.replica) ^ hash(&instance.to_string()));
        loop {
            let started = Instant::now();
            let ended = match self.start(&shared) {
                Ok(spawned) => self.watch(spawned).await,
                Err(error) => Ended::ByItself(format!("cannot be started: {error}")),
            };
            let well_for = shared.end(instance, started);
            let pause = match ended {
                Ended::Stopped => {
                    shared.board.update(instance, |row| row.state = State::Stopped);
                    return;
                }
                Ended::OnRequest(reply, how) => {
                    shared.board.update(instance, |row| row.last_exit = how);
                    shared.tell_restart(instance, "restarted on request");
                    // Whoever asked may have gone.
                    let _ = reply.send(());
                    Duration::ZERO
                }
                Ended::ByItself(how) => {
                    let verdict = backoff.ended(Instant::now(), well_for);
                    shared.board.update(instance, |row| {
                        row.state = if verdict.crash_loop { State::CrashLoop } else { State::Backoff };
                        row.last_exit.clone_from(&how);
                    });
                    shared.tell_restart(instance, &describe_end(&how, verdict));
                    verdict.delay
                }
            };
            if !self.pause(pause).await {
                shared.board.update(instance, |row| row.state = State::Stopped);
                return;
            }
            shared.board.update(instance, |row| row.restarts += 1);
        }
    }

    fn start(&self, shared: &Arc<Shared>) -> std::io::Result<Spawned> {
        let instance = self.instance;
        let config = self.config.to_string_lossy();
        let log = shared.folder.logs().join(format!("{}.log", instance.file_stem()));
        let lines = Arc::clone(shared);
        let args = ["serve", instance.role.name(), "--config", &config, "--with-parent"];
        let spawned = spawn(&args, &log, move |line| lines.board.log_line(instance, line))?;
        shared.spawned(instance, spawned.mark);
        Ok(spawned)
    }

    async fn watch(&mut self, mut spawned: Spawned) -> Ended {
        tokio::select! {
            status = spawned.child.wait() => Ended::ByItself(describe(status)),
            () = self.stop.cancelled() => {
                spawned.stop(Signal::SIGTERM).await;
                Ended::Stopped
            }
            Some(reply) = self.restarts.recv() => {
                let how = spawned.stop(Signal::SIGTERM).await;
                Ended::OnRequest(reply, how)
            }
        }
    }

    /// Waits before the next start; a request cuts it short. False when there will be none.
    async fn pause(&mut self, pause: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            Some(reply) = self.restarts.recv() => {
                // Whoever asked may have gone; the restart happens all the same.
                let _ = reply.send(());
                true
            }
            () = tokio::time::sleep(pause) => true,
        }
    }
}

impl Shared {
    fn spawned(self: &Arc<Self>, instance: Instance, mark: Option<super::process::Mark>) {
        self.spawn_times().insert(instance, Instant::now());
        self.board.update(instance, |row| {
            row.state = State::Starting;
            row.mark = mark;
        });
        // A quick process registers before its own spawn is written down, and nobody knew it then.
        if let Some(early) = mark.and_then(|mark| self.registry.registration_of(mark.pid)) {
            self.registered(&early);
        }
    }

    /// Takes a process that ended out of the registry at once. Answers how long it had been ready.
    fn end(&self, instance: Instance, started: Instant) -> Duration {
        let row = self.board.row(instance);
        if let Some(mark) = row.as_ref().and_then(|row| row.mark) {
            self.registry.remove_process(mark.pid);
        }
        self.board.update(instance, |row| row.mark = None);
        match row {
            Some(row) if row.state == State::Ready => {
                started.elapsed().saturating_sub(Duration::from_millis(row.ready_ms))
            }
            _ => Duration::ZERO,
        }
    }

    fn tell_restart(&self, instance: Instance, detail: &str) {
        tracing::warn!(%instance, "{detail}");
        self.hub.point_event(NewEvent {
            kind: "restart".to_owned(),
            begins_unix_ns: unix_ns(),
            service: instance.role.name().to_owned(),
            target: instance.to_string(),
            detail: format!("{instance} {detail}"),
            ..NewEvent::default()
        });
    }
}

fn describe_end(how: &str, verdict: Verdict) -> String {
    let seconds = verdict.delay.as_secs_f64();
    if verdict.crash_loop {
        format!("ended ({how}) for the fifth time in 30 s, next try in {seconds:.1} s")
    } else {
        format!("ended ({how}), starts again in {seconds:.2} s")
    }
}

/// Spreads names over seeds (FNV-1a).
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
