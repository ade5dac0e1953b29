//! The stream of changes that a console follows.

use std::sync::Arc;
use std::time::Duration;

use collector_api::console::{Delta, WatchRequest};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::hub::Hub;

/// Deltas that wait for a slow console; while they do, changes are not queued but merge into the next delta.
const QUEUE: usize = 2;

/// A console hears at least this often.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Starts to send; ends when the console is gone.
pub fn follow(hub: Arc<Hub>, request: &WatchRequest, stop: CancellationToken) -> mpsc::Receiver<Result<Delta, Status>> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let (mut resume, history_s) = (request.resume_version, request.history_s);
    tokio::spawn(async move {
        let mut versions = hub.versions();
        loop {
            versions.borrow_and_update();
            let delta = hub.delta(resume, history_s);
            resume = delta.version;
            tokio::select! {
                sent = sender.send(Ok(delta)) => if sent.is_err() {
                    return;
                },
                () = stop.cancelled() => return,
            }
            tokio::select! {
                changed = tokio::time::timeout(HEARTBEAT, versions.changed()) => {
                    if matches!(changed, Ok(Err(_))) {
                        return;
                    }
                }
                () = sender.closed() => return,
                () = stop.cancelled() => return,
            }
        }
    });
    receiver
}
