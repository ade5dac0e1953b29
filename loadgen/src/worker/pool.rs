//! The goose attack as a pool of workers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use goose::config::GooseConfiguration;
use goose::goose::{GooseUser, Scenario, Transaction};
use goose::metrics::GooseCoordinatedOmissionMitigation;
use goose::{GooseAttack, client::GooseClientBuilder};
use tokio::task::JoinHandle;

use super::{Bench, flow};
use crate::error::LoadError;
use crate::pacer::{Gauges, Ticket};

/// Time that the pool may take to start all its workers.
const START: Duration = Duration::from_secs(10);
/// Time that it may take to end: goose looks at its switch twice a second.
const END: Duration = Duration::from_secs(5);

/// A running pool.
pub struct Pool {
    attack: JoinHandle<Result<(), String>>,
}

impl Pool {
    /// Starts so many workers and waits until all wait for tickets.
    pub async fn start(bench: Arc<Bench>, workers: u32) -> Result<Self, LoadError> {
        keep_quiet();
        let ready = Arc::new(tokio::sync::Semaphore::new(0));
        let attack = attack(bench, workers, ready.clone()).map_err(|error| LoadError::Workers(error.to_string()))?;
        let attack =
            tokio::spawn(
                async move { Box::pin(attack.execute()).await.map(|_| ()).map_err(|error| error.to_string()) },
            );
        let mut pool = Self { attack };
        tokio::select! {
            all = tokio::time::timeout(START, ready.acquire_many(workers)) => match all {
                Ok(_) => Ok(pool),
                Err(_) => Err(LoadError::Workers("not all workers started in time".into())),
            },
            ended = &mut pool.attack => Err(LoadError::Workers(match ended {
                Ok(Err(why)) => why,
                Ok(Ok(())) => "it ended at once".into(),
                Err(error) => error.to_string(),
            })),
        }
    }

    /// Ends the pool. The bench must be over, so that every worker is idle.
    pub async fn stop(mut self) {
        let deadline = Instant::now() + END;
        while Instant::now() < deadline {
            goose::trigger_killswitch("the run is over");
            if tokio::time::timeout(Duration::from_millis(250), &mut self.attack).await.is_ok() {
                return;
            }
        }
        tracing::warn!("the worker pool did not end in time");
        self.attack.abort();
    }
}

#[allow(clippy::field_reassign_with_default, reason = "goose's configuration has private fields")]
fn attack(
    bench: Arc<Bench>,
    workers: u32,
    ready: Arc<tokio::sync::Semaphore>,
) -> Result<GooseAttack, goose::GooseError> {
    let mut configuration = GooseConfiguration::default();
    configuration.host = Some(bench.base_url.clone());
    configuration.users = Some(workers as usize);
    configuration.increase_rate = Some("100000".into());
    configuration.no_telnet = true;
    configuration.no_print_metrics = true;
    // Everything is measured by the bench; goose's own tables would cost a quarter more processor time.
    configuration.no_metrics = true;
    configuration.no_transaction_metrics = true;
    configuration.no_scenario_metrics = true;
    configuration.quiet = 2;
    configuration.co_mitigation = Some(GooseCoordinatedOmissionMitigation::Disabled);
    let client = bench.client.clone();
    let enter = Transaction::new(Arc::new(move |user: &mut GooseUser| {
        user.client = client.clone();
        ready.add_permits(1);
        Box::pin(async { Ok(()) })
    }))
    .set_on_start();
    let turn = Transaction::new(Arc::new(move |user: &mut GooseUser| {
        let bench = bench.clone();
        Box::pin(async move {
            turn(user, &bench).await;
            Ok(())
        })
    }));
    let scenario = Scenario::new("workers").register_transaction(enter).register_transaction(turn);
    Ok(GooseAttack::initialize_with_config(configuration)?
        .set_client_builder_without_cookies(GooseClientBuilder::new().without_cookies())?
        .register_scenario(scenario))
}

/// Waits for a ticket and works it off. Returns in short intervals once nothing will come, so that goose can end.
async fn turn(user: &mut GooseUser, bench: &Bench) {
    let ticket = if bench.closed.is_some() {
        closed_ticket(bench)
    } else {
        tokio::select! {
            ticket = bench.tickets.recv_async() => ticket.ok(),
            () = bench.over.cancelled() => None,
        }
    };
    let Some(ticket) = ticket else {
        tokio::time::sleep(Duration::from_millis(50)).await;
        return;
    };
    if !bench.given_up.is_cancelled() {
        Gauges::add(&bench.gauges.in_flight);
        Gauges::add(&bench.gauges.started);
        let lag = ticket.intended.elapsed().as_micros() as u64;
        bench.recorder.started(ticket.unsaturated.then_some(lag));
        flow::work(user, bench, &ticket).await;
        bench.gauges.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
    bench.gauges.finished.fetch_add(1, Ordering::AcqRel);
}

/// In a closed run a worker that is free is the next arrival.
fn closed_ticket(bench: &Bench) -> Option<Ticket> {
    let picker = bench.closed.as_ref()?;
    // Counted before the end is looked at: otherwise the run could think itself drained in between.
    let seq = bench.gauges.offered.fetch_add(1, Ordering::AcqRel);
    if bench.gauges.ended.load(Ordering::Acquire) {
        bench.gauges.offered.fetch_sub(1, Ordering::AcqRel);
        return None;
    }
    let pick = picker.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pick();
    Some(Ticket { seq, intended: Instant::now(), pick, unsaturated: true })
}

/// Without any logger goose writes to standard output; with this one its words become debug events.
fn keep_quiet() {
    struct Quiet;

    impl log::Log for Quiet {
        fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
            metadata.level() <= log::Level::Warn
        }

        fn log(&self, record: &log::Record<'_>) {
            if self.enabled(record.metadata()) {
                tracing::debug!(target: "goose", "{}", record.args());
            }
        }

        fn flush(&self) {}
    }

    static QUIET: Quiet = Quiet;
    // A logger that is there already keeps goose from installing its own, which is all that is needed.
    if log::set_logger(&QUIET).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
}
