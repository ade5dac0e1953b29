//! The board: every process of the stack, its state, and what it uses. The one truth behind `status`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mall_api::control::Process;
use tokio::sync::watch;

use super::instance::Instance;
use super::process::{Mark, Usage};
use super::stack_file::ReplicaMark;

/// How a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It was spawned, or is about to be, and has not registered.
    Starting,
    /// It registered, so it listens.
    Ready,
    /// It ended and will start again shortly.
    Backoff,
    /// It ended five times in half a minute; it is still retried, slowly.
    CrashLoop,
    /// It was told to stop.
    Stopped,
}

impl State {
    /// The word that `status` uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Backoff => "backoff",
            Self::CrashLoop => "crashloop",
            Self::Stopped => "stopped",
        }
    }
}

/// What the board knows of a replica.
#[derive(Debug, Clone)]
pub struct Row {
    /// How it is.
    pub state: State,
    /// Its process, while there is one.
    pub mark: Option<Mark>,
    /// Where it listens, once registered.
    pub listen: String,
    /// From spawn to registered, for the current process.
    pub ready_ms: u64,
    /// Starts after the first.
    pub restarts: u32,
    /// How it last ended.
    pub last_exit: String,
    /// The last line that it wrote.
    pub last_log: String,
}

/// A process that is not ours to start but attached itself: a console, a load.
#[derive(Debug, Clone)]
pub struct Guest {
    /// `console` or `load`.
    pub role: String,
    /// The process.
    pub mark: Mark,
}

/// Processes by instance, and a version that moves with every change that people care about.
#[derive(Debug)]
pub struct Board {
    inner: Mutex<Inner>,
    version: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    phase: &'static str,
    ready_ms: Option<u64>,
    rows: BTreeMap<Instance, Row>,
    guests: BTreeMap<u64, Guest>,
    last_guest: u64,
}

impl Board {
    /// A board with these replicas, all about to start.
    pub fn new(instances: impl IntoIterator<Item = Instance>) -> Self {
        let row = Row {
            state: State::Starting,
            mark: None,
            listen: String::new(),
            ready_ms: 0,
            restarts: 0,
            last_exit: String::new(),
            last_log: String::new(),
        };
        let rows = instances.into_iter().map(|instance| (instance, row.clone())).collect();
        Self {
            inner: Mutex::new(Inner { phase: "starting", rows, ..Inner::default() }),
            version: watch::Sender::new(0),
        }
    }

    /// Changes a replica's row; unknown replicas are left alone.
    pub fn update(&self, instance: Instance, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.lock().rows.get_mut(&instance) {
            change(row);
        }
        self.changed();
    }

    /// Remembers a log line. Lines are many, so they do not count as a change.
    pub fn log_line(&self, instance: Instance, line: &str) {
        if let Some(row) = self.lock().rows.get_mut(&instance) {
            row.last_log = collector_api::text::clean(line).into_owned();
        }
    }

    /// A replica registered: it is ready if it is the process that we know. Answers whether it is.
    pub fn registered(
        &self,
        instance: Instance,
        pid: u32,
        listen: &str,
        ready_ms: impl FnOnce(Instance) -> u64,
    ) -> bool {
        let mut inner = self.lock();
        let Some(row) = inner.rows.get_mut(&instance) else { return false };
        if row.mark.is_none_or(|mark| mark.pid != pid) {
            return false;
        }
        if row.state != State::Ready {
            row.ready_ms = ready_ms(instance);
        }
        row.state = State::Ready;
        listen.clone_into(&mut row.listen);
        drop(inner);
        self.changed();
        true
    }

    /// Sets the stack's phase in words.
    pub fn set_phase(&self, phase: &'static str) {
        self.lock().phase = phase;
        self.changed();
    }

    /// Marks the stack as ready.
    pub fn set_ready(&self, ready_ms: u64) {
        let mut inner = self.lock();
        inner.phase = "ready";
        inner.ready_ms = Some(ready_ms);
        drop(inner);
        self.changed();
    }

    /// The stack's phase, and how long it took to be ready.
    pub fn phase(&self) -> (&'static str, Option<u64>) {
        let inner = self.lock();
        (inner.phase, inner.ready_ms)
    }

    /// Whether every replica is ready.
    pub fn all_ready(&self) -> bool {
        self.lock().rows.values().all(|row| row.state == State::Ready)
    }

    /// Replicas that are meant by `pay-rpc` or `pay-rpc/1`.
    pub fn meant_by(&self, target: &str) -> Vec<Instance> {
        self.lock().rows.keys().copied().filter(|instance| instance.is_meant_by(target)).collect()
    }

    /// Every replica.
    pub fn instances(&self) -> Vec<Instance> {
        self.lock().rows.keys().copied().collect()
    }

    /// A replica's row.
    pub fn row(&self, instance: Instance) -> Option<Row> {
        self.lock().rows.get(&instance).cloned()
    }

    /// Processes with their start times, for `stack.json`.
    pub fn marks(&self) -> Vec<ReplicaMark> {
        let inner = self.lock();
        let living = inner.rows.iter().filter_map(|(instance, row)| Some((instance, row.mark?)));
        living
            .map(|(instance, mark)| ReplicaMark {
                role: instance.role.name().to_owned(),
                replica: instance.replica,
                mark,
            })
            .collect()
    }

    /// Adds a process that attached itself; answers the number to remove it by.
    pub fn add_guest(&self, guest: Guest) -> u64 {
        let mut inner = self.lock();
        inner.last_guest += 1;
        let number = inner.last_guest;
        inner.guests.insert(number, guest);
        drop(inner);
        self.changed();
        number
    }

    /// Removes a process that detached.
    pub fn remove_guest(&self, number: u64) {
        self.lock().guests.remove(&number);
        self.changed();
    }

    /// Every process with what `usage` says about it: replicas, this supervisor, and guests.
    pub fn processes(&self, own: Option<Mark>, usage: impl Fn(Mark) -> Usage) -> Vec<Process> {
        let (rows, guests) = {
            let inner = self.lock();
            (inner.rows.clone(), inner.guests.clone())
        };
        let mut processes: Vec<Process> = rows.iter().map(|(instance, row)| replica(*instance, row, &usage)).collect();
        processes.extend(own.map(|mark| other("supervisor", mark, &usage)));
        // A process may attach more than once, and is one process all the same.
        let guests: BTreeMap<u32, Guest> = guests.into_values().map(|guest| (guest.mark.pid, guest)).collect();
        processes.extend(guests.values().map(|guest| other(&guest.role, guest.mark, &usage)));
        processes
    }

    /// A receiver that wakes on every change.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Tells watchers that something they see changed, which may lie outside the board.
    pub fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every statement leaves the board whole, so a panic elsewhere does not spoil it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn replica(instance: Instance, row: &Row, usage: &impl Fn(Mark) -> Usage) -> Process {
    let usage = row.mark.map(usage).unwrap_or_default();
    Process {
        role: instance.role.name().to_owned(),
        replica: instance.replica,
        pid: row.mark.map_or(0, |mark| mark.pid),
        state: row.state.name().to_owned(),
        rss_bytes: usage.rss_bytes,
        pss_bytes: usage.pss_bytes,
        cpu_s: usage.cpu_s,
        restarts: row.restarts,
        ready_ms: row.ready_ms,
        listen: row.listen.clone(),
        last_log: if row.state == State::Ready { String::new() } else { row.last_log.clone() },
        last_exit: row.last_exit.clone(),
    }
}

fn other(role: &str, mark: Mark, usage: &impl Fn(Mark) -> Usage) -> Process {
    let usage = usage(mark);
    Process {
        role: role.to_owned(),
        pid: mark.pid,
        state: State::Ready.name().to_owned(),
        rss_bytes: usage.rss_bytes,
        pss_bytes: usage.pss_bytes,
        cpu_s: usage.cpu_s,
        ..Process::default()
    }
}

#[cfg(test)]
mod tests {
    use mall::config::Role;

    use super::*;

    const PAY: Instance = Instance { role: Role::PayRpc, replica: 1 };

    fn board() -> Board {
        Board::new([PAY, Instance { role: Role::Gateway, replica: 1 }])
    }

    #[test]
    fn only_the_process_that_we_started_makes_a_replica_ready() {
        let board = board();
        assert!(!board.registered(PAY, 7, "127.0.0.1:1", |_| 5));
        board.update(PAY, |row| row.mark = Some(Mark { pid: 7, start_ticks: 1 }));
        assert!(!board.registered(PAY, 8, "127.0.0.1:1", |_| 5));
        assert!(!board.registered(Instance { replica: 9, ..PAY }, 7, "127.0.0.1:1", |_| 5));
        assert!(board.registered(PAY, 7, "127.0.0.1:1", |_| 5));
        assert!(!board.all_ready());
        assert_eq!(board.row(PAY).map(|row| (row.state, row.ready_ms)), Some((State::Ready, 5)));
    }

    #[test]
    fn registering_again_keeps_the_time_to_ready() {
        let board = board();
        board.update(PAY, |row| row.mark = Some(Mark { pid: 7, start_ticks: 1 }));
        board.registered(PAY, 7, "a", |_| 5);
        board.registered(PAY, 7, "a", |_| 900);
        assert_eq!(board.row(PAY).map(|row| row.ready_ms), Some(5));
    }

    #[test]
    fn processes_come_as_traffic_flows_and_guests_leave() {
        let board = board();
        let mark = Mark { pid: 9, start_ticks: 1 };
        let guest = board.add_guest(Guest { role: "console".into(), mark });
        let roles = |board: &Board| -> Vec<String> {
            board.processes(Some(mark), |_| Usage::default()).into_iter().map(|process| process.role).collect()
        };
        let again = board.add_guest(Guest { role: "console".into(), mark });
        assert_eq!(roles(&board), ["gateway", "pay-rpc", "supervisor", "console"]);
        board.remove_guest(guest);
        board.remove_guest(again);
        assert_eq!(roles(&board).len(), 3);
    }

    #[test]
    fn log_lines_are_shown_while_a_replica_is_not_well() {
        let board = board();
        let mut watch = board.watch();
        watch.mark_unchanged();
        board.log_line(PAY, "cannot open \u{1b}[31mdatabase");
        assert!(!watch.has_changed().expect("lives"));
        let processes = board.processes(None, |_| Usage::default());
        let line = processes.iter().find(|process| process.role == "pay-rpc").map(|process| process.last_log.clone());
        assert!(line.is_some_and(|line| line.starts_with("cannot open") && !line.contains('\u{1b}')));
    }
}
