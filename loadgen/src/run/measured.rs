//! The measured window: from the first intended start to the last answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use collector_api::console::{RunCell, RunTick};
use collector_api::sketch::Sketch;
use flume::{Receiver, Sender};
use tokio_util::sync::CancellationToken;

use super::abort::AbortRule;
use super::drill::Drill;
use super::interrupt::Interrupt;
use super::target::Target;
use crate::drive::Drive;
use crate::error::LoadError;
use crate::hooks::Hooks;
use crate::options::{Options, Progress, SecondSummary};
use crate::pacer::{Order, Pacer, Ticket, phase_text};
use crate::pick::Picker;
use crate::report::{self, InjectedFault};
use crate::scenario::Arrival;
use crate::schedule::{Arrivals, Schedule};
use crate::worker::{Bench, Pool};

/// Between the start of the workers and the first intended start.
const LEAD: Duration = Duration::from_millis(50);
/// How often the end is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// What the window works with.
pub struct Window<'a> {
    /// Options of the run.
    pub options: &'a Options,
    /// The world.
    pub hooks: &'a Hooks,
    /// What workers share.
    pub bench: &'a Arc<Bench>,
    /// The collector's stream.
    pub drive: Option<&'a Drive>,
    /// Where requests go.
    pub target: &'a Target,
    /// Ends the schedule.
    pub stop: &'a CancellationToken,
    /// Gives up what waits.
    pub interrupt: &'a Interrupt,
    /// Size of the worker pool.
    pub pool: u32,
}

/// What came out of it, beside what the recorder holds.
pub struct Outcome {
    /// The schedule's zero.
    pub started: Instant,
    /// From there to the end of the schedule, or to the last answer when that is what ended it.
    pub duration: Duration,
    /// Flow starts that the schedule asked for.
    pub offered: u64,
    /// Of these, taken up.
    pub taken: u64,
    /// Why the generator counts as limited.
    pub limited: Option<String>,
    /// Stopped from outside.
    pub interrupted: bool,
    /// Why the run stopped itself.
    pub aborted: Option<String>,
    /// Faults asked for.
    pub faults: Vec<InjectedFault>,
}

impl Window<'_> {
    /// Drives the schedule to its end.
    pub async fn run(
        &self,
        picker: Picker,
        tickets: Sender<Ticket>,
        orders: Sender<Order>,
        ordered: Receiver<Order>,
        progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<Outcome, LoadError> {
        let pool = Pool::start(self.bench.clone(), self.pool).await?;
        let scenario = &self.options.scenario;
        let start = Instant::now() + LEAD;
        let planned = scenario.length();
        let (uncut, highest_rate) = (scenario.uncut, scenario.arrival.highest_rate());
        progress(Progress::Started { planned, uncut, highest_rate });
        let drill =
            Drill::begin(&scenario.faults, self.hooks.faults.as_ref(), &self.options.run_id, start, self.bench.clock);
        if self.bench.closed.is_none() {
            let pacer = Pacer {
                arrivals: Arrivals::new(&scenario.arrival, self.options.seed),
                picker,
                tickets,
                orders: ordered,
                gauges: self.bench.gauges.clone(),
                workers: u64::from(self.pool),
            };
            pacer.spawn(start).map_err(|error| LoadError::Workers(error.to_string()))?;
        } else {
            drop(tickets);
            self.end_closed(start + planned, ordered);
        }
        let mut watch = Watch::new(self, start);
        watch.until_drained(&orders, progress).await;
        self.bench.over.cancel();
        watch.last_second(progress);
        let faults = drill.end().await;
        pool.stop().await;
        Ok(watch.outcome(faults))
    }

    /// A closed run has no schedule to end it; a timer does.
    fn end_closed(&self, at: Instant, orders: Receiver<Order>) {
        let gauges = self.bench.gauges.clone();
        tokio::spawn(async move {
            let stopped = async {
                while let Ok(order) = orders.recv_async().await {
                    if order == Order::Stop {
                        break;
                    }
                }
            };
            let early = tokio::time::timeout_at(at.into(), stopped).await.is_ok();
            gauges.cut_short.store(early, Ordering::Relaxed);
            gauges.ended.store(true, Ordering::Release);
        });
    }
}

/// Follows a running window second by second.
struct Watch<'a> {
    window: &'a Window<'a>,
    schedule: Schedule,
    start: Instant,
    next_second: u64,
    offered_before: u64,
    started_in_time: Option<u64>,
    ended_at: Option<Instant>,
    abort: AbortRule,
    aborted: Option<String>,
    interrupted: bool,
}

impl<'a> Watch<'a> {
    fn new(window: &'a Window<'a>, start: Instant) -> Self {
        Self {
            window,
            schedule: Schedule::of(&window.options.scenario.arrival),
            start,
            next_second: window.bench.clock.unix_ns(start) / 1_000_000_000 + 1,
            offered_before: 0,
            started_in_time: None,
            ended_at: None,
            abort: AbortRule::default(),
            aborted: None,
            interrupted: false,
        }
    }

    async fn until_drained(&mut self, orders: &Sender<Order>, progress: &mut (impl FnMut(Progress) + Send)) {
        let gauges = &self.window.bench.gauges;
        while !gauges.drained() {
            let wake = self.window.bench.clock.instant_of_second(self.next_second).min(Instant::now() + LOOK);
            tokio::select! {
                () = tokio::time::sleep_until(wake.into()) => {}
                () = self.window.stop.cancelled(), if !self.interrupted => {
                    self.interrupted = true;
                    progress(Progress::Notice("stopping: no new flows, waiting for what is in flight".into()));
                    self.stop(orders);
                }
                () = self.window.interrupt.given_up().cancelled() => {
                    progress(Progress::Notice("given up: requests in flight are left".into()));
                    return;
                }
            }
            if gauges.ended.load(Ordering::Acquire) && self.ended_at.is_none() {
                self.ended_at = Some(Instant::now());
                self.started_in_time = Some(gauges.started.load(Ordering::Relaxed));
            }
            if self.window.bench.clock.unix_ns(Instant::now()) >= self.next_second * 1_000_000_000 {
                self.second(progress);
                if let (Some(_), None) = (&self.aborted, self.ended_at) {
                    self.stop(orders);
                }
            }
        }
    }

    fn stop(&self, orders: &Sender<Order>) {
        self.window.bench.given_up.cancel();
        let _ = orders.try_send(Order::Stop);
    }

    /// Closes the running second and tells everybody.
    fn second(&mut self, progress: &mut (impl FnMut(Progress) + Send)) {
        let bench = self.window.bench;
        let gauges = &bench.gauges;
        let unix_s = self.next_second - 1;
        self.next_second += 1;
        let offered = gauges.offered.load(Ordering::Relaxed);
        let mut cell = bench.recorder.take_second();
        cell.run_id.clone_from(&bench.run_id);
        cell.offered = offered - self.offered_before;
        cell.in_flight = gauges.in_flight.load(Ordering::Relaxed);
        cell.waiting = bench.tickets.len() as u64;
        self.offered_before = offered;

        let counts = bench.recorder.counts();
        let position = self.schedule.position(gauges.elapsed_ms.load(Ordering::Relaxed) as f64 / 1e3);
        let paused = gauges.paused.load(Ordering::Relaxed);
        let closed = bench.closed.is_some();
        let detail = match self.ended_at {
            Some(_) => "finishing".to_owned(),
            None if paused => "paused".to_owned(),
            None if closed => format!("{} users", self.window.pool),
            None => phase_text(position),
        };
        if self.window.target.is_loopback() {
            // On this machine a run may be all errors: that is what drills are for.
        } else if self.aborted.is_none() {
            self.aborted = self.abort.second(cell.requests, cell.failed);
        }
        progress(Progress::Second(self.summary(&cell, detail.clone())));
        if let Some(drive) = self.window.drive {
            let rate = position.map_or(0.0, |position| position.rate);
            drive.tick(RunTick {
                unix_s,
                cell: Some(cell),
                sent_total: counts.sent,
                failed_total: counts.failed + counts.unsent,
                sampled_total: counts.sampled,
            });
            drive.phase(if paused { "paused" } else { "running" }, detail, rate);
        }
    }

    fn summary(&self, cell: &RunCell, phase: String) -> SecondSummary {
        let intended = cell.intended.as_ref().map(Sketch::from).unwrap_or_default();
        let join = self.window.drive.and_then(Drive::join);
        SecondSummary {
            elapsed: self.start.elapsed(),
            phase,
            offered: cell.offered,
            ok: cell.ok,
            failed: cell.failed,
            in_flight: cell.in_flight,
            waiting: cell.waiting,
            p50_us: intended.quantile_us(0.5).unwrap_or(0),
            p99_us: intended.quantile_us(0.99).unwrap_or(0),
            joined: join.map(|join| (join.joined, join.sampled)),
        }
    }

    /// What happened since the last whole second.
    fn last_second(&mut self, progress: &mut (impl FnMut(Progress) + Send)) {
        self.second(progress);
    }

    fn outcome(self, faults: Vec<InjectedFault>) -> Outcome {
        let gauges = &self.window.bench.gauges;
        let offered = gauges.offered.load(Ordering::Relaxed);
        let taken = gauges.started.load(Ordering::Relaxed);
        let planned = self.window.options.scenario.length();
        let stopped_early = gauges.cut_short.load(Ordering::Relaxed);
        let passed = self.ended_at.unwrap_or_else(Instant::now).saturating_duration_since(self.start);
        let closed = matches!(self.window.options.scenario.arrival, Arrival::Users { .. });
        let limited = if closed || stopped_early {
            None
        } else {
            report::limited(&self.window.bench.recorder.totals(), offered, self.started_in_time.unwrap_or(taken))
        };
        Outcome {
            started: self.start,
            duration: if stopped_early { passed } else { passed.max(planned) },
            offered,
            taken,
            limited,
            interrupted: self.interrupted,
            aborted: self.aborted,
            faults,
        }
    }
}
