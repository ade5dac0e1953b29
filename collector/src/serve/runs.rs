//! Streams of load runs.

use std::sync::Arc;
use std::time::Duration;

use collector_api::console::runs_server::Runs;
use collector_api::console::{
    CommandReply, CommandRequest, RunAccepted, RunCommand, RunDown, RunStart, RunUp, run_down, run_up,
};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::{Identity, access};
use crate::hub::{CommandError, Hub};

/// Answers that wait for a slow load tool.
const QUEUE: usize = 16;

/// How often a run hears of its join.
const JOIN_INTERVAL: Duration = Duration::from_secs(1);

/// Bytes of a run's identity.
const RUN_ID_BYTES: usize = 128;

/// The service.
pub struct RunsService {
    hub: Arc<Hub>,
    stack: String,
    token: Option<String>,
    stop: CancellationToken,
}

impl RunsService {
    /// A service over a hub; its streams end with `stop`.
    pub fn new(hub: Arc<Hub>, identity: &Identity, stop: CancellationToken) -> Self {
        Self { hub, stack: identity.stack.clone(), token: identity.token.clone(), stop }
    }
}

#[tonic::async_trait]
impl Runs for RunsService {
    type DriveStream = ReceiverStream<Result<RunDown, Status>>;

    async fn drive(&self, request: Request<Streaming<RunUp>>) -> Result<Response<Self::DriveStream>, Status> {
        access::may_drive(&request, self.token.as_deref())?;
        let up = request.into_inner();
        let (down, answers) = mpsc::channel(QUEUE);
        let hub = Arc::clone(&self.hub);
        let accepted = RunAccepted { stack: self.stack.clone() };
        let stop = self.stop.clone();
        tokio::spawn(async move {
            let driven = tokio::select! {
                driven = drive(hub, accepted, up, &down) => driven,
                () = stop.cancelled() => Err(Status::unavailable("the collector stops")),
            };
            if let Err(status) = driven {
                // The load tool may be gone already; then there is nobody to tell.
                let _ = down.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn command(&self, request: Request<CommandRequest>) -> Result<Response<CommandReply>, Status> {
        access::may_command(&request, self.token.as_deref())?;
        let CommandRequest { run_id, command } = request.into_inner();
        let command = command
            .filter(|command| command.command.is_some())
            .ok_or_else(|| Status::invalid_argument("command is empty: say pause, resume, stop or rate"))?;
        match self.hub.run_command(&run_id, command) {
            Ok(()) => Ok(Response::new(CommandReply {})),
            Err(CommandError::NotFound) => Err(Status::not_found(format!("no run {run_id} is active"))),
            Err(CommandError::Busy) => {
                Err(Status::resource_exhausted(format!("run {run_id} has not taken the commands before")))
            }
        }
    }
}

/// One run's stream, from its start to its settlement or its loss.
async fn drive(
    hub: Arc<Hub>,
    accepted: RunAccepted,
    mut up: Streaming<RunUp>,
    down: &mpsc::Sender<Result<RunDown, Status>>,
) -> Result<(), Status> {
    let start = first(&mut up).await?;
    let commands = hub.run_start(&start);
    let versions = hub.versions();
    let mut stream = Drive { hub, run_id: start.run_id, up, down, commands, versions, is_finished: false };
    let ended = stream.run(accepted).await;
    if ended.is_err() || !stream.is_finished {
        stream.hub.run_lost(&stream.run_id);
    }
    ended
}

async fn first(up: &mut Streaming<RunUp>) -> Result<RunStart, Status> {
    let Some(RunUp { up: Some(run_up::Up::Start(start)) }) = up.message().await? else {
        return Err(Status::invalid_argument("the first message of a run must be its start"));
    };
    if start.run_id.is_empty() || start.run_id.len() > RUN_ID_BYTES {
        return Err(Status::invalid_argument(format!("run_id must have 1 to {RUN_ID_BYTES} bytes")));
    }
    Ok(start)
}

struct Drive<'a> {
    hub: Arc<Hub>,
    run_id: String,
    up: Streaming<RunUp>,
    down: &'a mpsc::Sender<Result<RunDown, Status>>,
    commands: mpsc::Receiver<RunCommand>,
    versions: watch::Receiver<u64>,
    is_finished: bool,
}

impl Drive<'_> {
    async fn run(&mut self, accepted: RunAccepted) -> Result<(), Status> {
        self.say(run_down::Down::Accepted(accepted)).await?;
        let mut joins = tokio::time::interval(JOIN_INTERVAL);
        loop {
            tokio::select! {
                message = self.up.message(), if !self.is_finished => match message? {
                    Some(message) => self.take(message)?,
                    None => return Ok(()),
                },
                Some(command) = self.commands.recv() => self.say(run_down::Down::Command(command)).await?,
                _ = joins.tick() => {
                    if let Some(join) = self.hub.run_join(&self.run_id) {
                        self.say(run_down::Down::Join(join)).await?;
                    }
                }
                // Joining and analysing show as changes; time alone is told by the ticks above.
                changed = self.versions.changed(), if self.is_finished => {
                    changed.map_err(|_| Status::unavailable("the collector stops"))?;
                }
            }
            if self.is_finished
                && let Some(settled) = self.hub.run_settled(&self.run_id)
            {
                return self.say(run_down::Down::Settled(settled)).await;
            }
        }
    }

    fn take(&mut self, message: RunUp) -> Result<(), Status> {
        match message.up {
            Some(run_up::Up::Tick(tick)) => self.hub.run_tick(&self.run_id, &tick),
            Some(run_up::Up::Phase(phase)) => self.hub.run_phase(&self.run_id, &phase),
            Some(run_up::Up::Finish(finish)) => {
                self.hub.run_finish(&self.run_id, &finish);
                self.is_finished = true;
            }
            Some(run_up::Up::Start(_)) => return Err(Status::invalid_argument("a run starts once per stream")),
            None => return Err(Status::invalid_argument("a message of a run is empty")),
        }
        Ok(())
    }

    async fn say(&self, down: run_down::Down) -> Result<(), Status> {
        let sent = self.down.send(Ok(RunDown { down: Some(down) })).await;
        sent.map_err(|_| Status::cancelled("the load tool went away"))
    }
}
