//! The pacer: its own thread, an absolute schedule, no spinning.
//!
//! The thread sleeps until the next intended start and hands a ticket to the workers. A ticket that no worker takes
//! waits in the queue; when the queue is full the pacer waits too. Nothing is dropped either way, because the intended
//! start of every later ticket stays where the schedule put it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flume::{Receiver, RecvTimeoutError, Sender};

use crate::pick::{Pick, Picker};
use crate::schedule::{Arrivals, Position};

/// Tickets that may wait for a worker.
pub const QUEUE: usize = 65_536;

/// One flow start.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// Number in the run, from 0.
    pub seq: u64,
    /// When it should start.
    pub intended: Instant,
    /// What it does, on which rows.
    pub pick: Pick,
    /// Whether a worker was free when it was issued: only then is its lateness the generator's own.
    pub unsaturated: bool,
}

/// Changes to a running schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Order {
    /// No more tickets until `Resume`; the schedule stands still.
    Pause,
    /// Go on.
    Resume,
    /// Scale what is left so that its highest rate equals this.
    Rate(f64),
    /// End the schedule.
    Stop,
}

/// What the pacer shows while it runs.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Tickets issued.
    pub offered: AtomicU64,
    /// Tickets taken by a worker.
    pub started: AtomicU64,
    /// Flows that a worker is busy with.
    pub in_flight: AtomicU64,
    /// Tickets done or given up.
    pub finished: AtomicU64,
    /// Whether the schedule stands still.
    pub paused: AtomicBool,
    /// The schedule was ended by an order, before its end.
    pub cut_short: AtomicBool,
    /// No ticket will follow.
    pub ended: AtomicBool,
    /// Milliseconds of the schedule that have passed, pauses left out.
    pub elapsed_ms: AtomicU64,
}

impl Gauges {
    /// Adds one.
    pub fn add(gauge: &AtomicU64) {
        gauge.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether every ticket is done and none will follow.
    pub fn drained(&self) -> bool {
        self.ended.load(Ordering::Acquire)
            && self.finished.load(Ordering::Acquire) == self.offered.load(Ordering::Acquire)
    }
}

/// What the thread works with.
pub struct Pacer {
    /// When flows start.
    pub arrivals: Arrivals,
    /// What they do.
    pub picker: Picker,
    /// Where tickets go.
    pub tickets: Sender<Ticket>,
    /// Where orders come from.
    pub orders: Receiver<Order>,
    /// What is shown.
    pub gauges: Arc<Gauges>,
    /// Size of the worker pool.
    pub workers: u64,
}

impl Pacer {
    /// Starts the thread; the schedule's zero is `start`.
    pub fn spawn(self, start: Instant) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("pacer".into()).spawn(move || self.run(start))
    }

    fn run(mut self, start: Instant) {
        // The default slack of 50 µs would be the larger part of the dispatch time. Not every kernel has it.
        if let Err(error) = nix::sys::prctl::set_timerslack(1) {
            tracing::debug!(%error, "timer slack stays as it is");
        }
        let mut zero = start;
        let mut seq = 0;
        let mut next = self.arrivals.next();
        while let Some(at_s) = next {
            let intended = zero + Duration::from_secs_f64(at_s);
            match self.orders.recv_deadline(intended) {
                Err(RecvTimeoutError::Timeout) => {
                    if !self.issue(seq, intended, zero) {
                        break;
                    }
                    seq += 1;
                    next = self.arrivals.next();
                }
                Ok(Order::Rate(rate)) => {
                    let passed = zero.elapsed().as_secs_f64();
                    // The start that was drawn already keeps its place; those behind it follow the new rate.
                    self.arrivals.rescale(passed.max(at_s), rate);
                }
                Ok(Order::Pause) => {
                    let Some(stood) = self.pause() else {
                        self.cut_short();
                        break;
                    };
                    zero += stood;
                }
                Ok(Order::Resume) => {}
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.cut_short();
                    break;
                }
            }
        }
        self.gauges.ended.store(true, Ordering::Release);
    }

    fn cut_short(&self) {
        self.gauges.cut_short.store(true, Ordering::Relaxed);
    }

    fn issue(&mut self, seq: u64, intended: Instant, zero: Instant) -> bool {
        let busy = self.gauges.in_flight.load(Ordering::Relaxed) + self.tickets.len() as u64;
        let ticket = Ticket { seq, intended, pick: self.picker.pick(), unsaturated: busy < self.workers };
        Gauges::add(&self.gauges.offered);
        self.gauges.elapsed_ms.store(zero.elapsed().as_millis() as u64, Ordering::Relaxed);
        self.tickets.send(ticket).is_ok()
    }

    /// Waits for the end of a pause; tells how long it was, or `None` when the run is to end.
    fn pause(&self) -> Option<Duration> {
        let begin = Instant::now();
        self.gauges.paused.store(true, Ordering::Relaxed);
        let ended = loop {
            match self.orders.recv() {
                Ok(Order::Resume) => break Some(begin.elapsed()),
                Ok(Order::Stop) | Err(_) => break None,
                Ok(Order::Pause | Order::Rate(_)) => {}
            }
        };
        self.gauges.paused.store(false, Ordering::Relaxed);
        ended
    }
}

/// The schedule's place in words: `stage 2/3, 400/s`.
pub fn phase_text(position: Option<Position>) -> String {
    match position {
        Some(Position { stage, of, goal, .. }) if of > 1 => format!("stage {stage}/{of}, {goal:.0}/s"),
        Some(Position { goal, .. }) => format!("{goal:.0}/s"),
        None => "finishing".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Arrival;

    fn pacer(rate: f64, lasts: Duration) -> (Pacer, Receiver<Ticket>, Sender<Order>) {
        let (tickets, taken) = flume::bounded(QUEUE);
        let (orders, received) = flume::bounded(16);
        let pacer = Pacer {
            arrivals: Arrivals::new(&Arrival::Constant { rate, lasts }, 1),
            picker: Picker::new(1, &[1], &[]),
            tickets,
            orders: received,
            gauges: Arc::default(),
            workers: 8,
        };
        (pacer, taken, orders)
    }

    #[test]
    fn intended_starts_are_the_schedule_whatever_the_thread_does() {
        let (pacer, taken, _orders) = pacer(1_000.0, Duration::from_millis(100));
        let gauges = pacer.gauges.clone();
        // A start in the past makes the thread late from the beginning.
        let start = Instant::now().checked_sub(Duration::from_millis(50)).unwrap();
        pacer.spawn(start).unwrap().join().unwrap();
        let tickets: Vec<Ticket> = taken.drain().collect();
        assert_eq!(tickets.len(), 100);
        for (seq, ticket) in tickets.iter().enumerate() {
            let offset = ticket.intended.duration_since(start).as_secs_f64();
            assert!((offset - seq as f64 / 1e3).abs() < 1e-6, "ticket {seq} at {offset}");
        }
        assert!(gauges.ended.load(Ordering::Relaxed) && gauges.offered.load(Ordering::Relaxed) == 100);
    }

    #[test]
    fn stop_ends_the_schedule_and_rate_changes_it() {
        let (stopped, taken, orders) = pacer(10.0, Duration::from_hours(1));
        orders.send(Order::Stop).unwrap();
        stopped.spawn(Instant::now()).unwrap().join().unwrap();
        assert!(taken.len() <= 1);

        let (faster, taken, orders) = pacer(1.0, Duration::from_secs(100));
        orders.send(Order::Rate(1_000.0)).unwrap();
        let thread = faster.spawn(Instant::now()).unwrap();
        let tickets: Vec<Ticket> = taken.iter().take(20).collect();
        orders.send(Order::Stop).unwrap();
        thread.join().unwrap();
        let gaps = tickets.windows(2).skip(1).map(|pair| pair[1].intended.duration_since(pair[0].intended));
        assert!(gaps.into_iter().all(|gap| gap.abs_diff(Duration::from_millis(1)) < Duration::from_micros(2)));
    }
}
