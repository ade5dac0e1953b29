//! The run's stream to the collector: ticks go up, the join and commands come down.
//!
//! A run never depends on it: when the stream cannot be opened or breaks, the load goes on and the join is unknown.

use std::net::SocketAddr;
use std::time::Duration;

use collector_api::console::runs_client::RunsClient;
use collector_api::console::{
    Join, RunDown, RunFinish, RunPhase, RunSettled, RunStart, RunTick, RunUp, run_command, run_down, run_up,
};
use flume::Sender;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Endpoint;
use tonic::{Request, Streaming};

use crate::pacer::Order;

/// Messages that may wait for a slow collector; a tick a second makes this two minutes.
const QUEUE: usize = 128;
/// Time limit for opening the stream.
const OPEN: Duration = Duration::from_secs(2);

/// A live stream.
#[derive(Debug)]
pub struct Drive {
    up: mpsc::Sender<RunUp>,
    join: watch::Receiver<Option<Join>>,
    down: JoinHandle<Option<RunSettled>>,
}

impl Drive {
    /// Opens the stream and announces the run. The error says why there is none, in words.
    pub async fn open(
        address: SocketAddr,
        token: Option<&str>,
        start: RunStart,
        orders: Sender<Order>,
    ) -> Result<Self, String> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| error.to_string())?;
        let (up, sent) = mpsc::channel(QUEUE);
        let first = up.send(RunUp { up: Some(run_up::Up::Start(start)) });
        let opened = async {
            first.await.map_err(|error| error.to_string())?;
            let channel = endpoint.connect().await.map_err(|error| error.to_string())?;
            let mut request = Request::new(ReceiverStream::new(sent));
            if let Some(token) = token {
                let bearer: MetadataValue<Ascii> =
                    format!("Bearer {token}").parse().map_err(|_| "the token is no text")?;
                request.metadata_mut().insert("authorization", bearer);
            }
            let mut client = RunsClient::new(channel).max_decoding_message_size(collector_api::MAX_MESSAGE_BYTES);
            client.drive(request).await.map_err(|status| status.message().to_owned())
        };
        let answer = tokio::time::timeout(OPEN, opened).await.map_err(|_| "no answer in time".to_owned())??;
        let (joined, join) = watch::channel(None);
        let down = tokio::spawn(listen(answer.into_inner(), joined, orders));
        Ok(Self { up, join, down })
    }

    /// Tells about one second.
    pub fn tick(&self, tick: RunTick) {
        self.send(run_up::Up::Tick(tick));
    }

    /// Tells what is going on.
    pub fn phase(&self, phase: &str, detail: String, target_rate: f64) {
        self.send(run_up::Up::Phase(RunPhase { phase: phase.to_owned(), detail, target_rate }));
    }

    /// The join as the collector last told it.
    pub fn join(&self) -> Option<Join> {
        self.join.borrow().clone()
    }

    /// Says that everything was sent. The answer comes through [`Drive::settled`].
    pub fn finish(&self, finish: RunFinish) {
        self.send(run_up::Up::Finish(finish));
    }

    /// News of the join, for whoever waits beside [`Drive::settled`].
    pub fn join_news(&self) -> watch::Receiver<Option<Join>> {
        self.join.clone()
    }

    /// Waits for the collector's last word; `None` when the stream broke or `limit` passed.
    pub async fn settled(&mut self, limit: Duration) -> Option<RunSettled> {
        let settled = tokio::time::timeout(limit, &mut self.down).await;
        settled.ok().and_then(Result::ok).flatten()
    }

    fn send(&self, up: run_up::Up) {
        // A collector that is two minutes behind, or gone, misses this; its own totals come with the next tick.
        if let Err(error) = self.up.try_send(RunUp { up: Some(up) }) {
            tracing::debug!(%error, "the collector misses news of the run");
        }
    }
}

async fn listen(
    mut stream: Streaming<RunDown>,
    joined: watch::Sender<Option<Join>>,
    orders: Sender<Order>,
) -> Option<RunSettled> {
    loop {
        let message = match stream.message().await {
            Ok(Some(message)) => message,
            Ok(None) => return None,
            Err(status) => {
                tracing::warn!(%status, "the run's stream to the collector broke; the load goes on");
                return None;
            }
        };
        match message.down {
            Some(run_down::Down::Join(join)) => {
                joined.send_replace(Some(join));
            }
            Some(run_down::Down::Command(command)) => {
                if let Some(order) = command.command.and_then(order_of) {
                    let _ = orders.try_send(order);
                }
            }
            Some(run_down::Down::Settled(settled)) => return Some(settled),
            Some(run_down::Down::Accepted(_)) | None => {}
        }
    }
}

fn order_of(command: run_command::Command) -> Option<Order> {
    match command {
        run_command::Command::Pause(pause) => pause.then_some(Order::Pause),
        run_command::Command::Resume(resume) => resume.then_some(Order::Resume),
        run_command::Command::Stop(stop) => stop.then_some(Order::Stop),
        run_command::Command::Rate(rate) => (rate > 0.0 && rate <= 100_000.0).then_some(Order::Rate(rate)),
    }
}
