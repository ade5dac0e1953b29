//! The end of a run: waiting for the traces of its last requests.

use std::time::Duration;

use collector_api::console::{RunFinish, RunSettled};

use super::interrupt::Interrupt;
use crate::drive::Drive;
use crate::options::{Options, Progress, Settle};
use crate::record::Totals;

/// How long the collector may wait when nobody says.
const AUTO: Duration = Duration::from_secs(15);
/// What the answer may take beyond that.
const MARGIN: Duration = Duration::from_secs(5);

/// Says that everything was sent, and waits for the collector's last word.
pub async fn wait(
    mut drive: Drive,
    options: &Options,
    totals: &Totals,
    generator_limited: bool,
    interrupt: &Interrupt,
    progress: &mut (impl FnMut(Progress) + Send),
) -> Option<RunSettled> {
    let limit = match options.settle {
        Settle::Auto => AUTO,
        Settle::For(limit) => limit,
    };
    let sampled = totals.counts.sampled;
    drive.phase("settling", "waiting for the last traces".into(), 0.0);
    drive.finish(RunFinish { sampled, generator_limited, settle_limit_ns: limit.as_nanos() as u64 });
    let mut news = drive.join_news();
    let settled = drive.settled(limit + MARGIN);
    tokio::pin!(settled);
    let mut telling = true;
    loop {
        tokio::select! {
            settled = &mut settled => {
                if settled.is_none() {
                    progress(Progress::Notice("the collector did not say how the run's traces ended: the join is unknown".into()));
                }
                return settled;
            }
            () = interrupt.given_up().cancelled() => return None,
            changed = news.changed(), if telling => {
                telling = changed.is_ok();
                let join = news.borrow_and_update().clone().unwrap_or_default();
                progress(Progress::Settling { sampled, joined: join.joined, waiting: join.waiting });
            }
        }
    }
}
