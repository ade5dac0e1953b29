//! The connections of one process to one database.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::mysql::MySqlConnection;
use sqlx::{Connection as _, Row as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::lease::{Held, Lease};
use super::server::{Server, connect};
use super::version::system_of;
use super::wait::patience;
use crate::config;
use crate::store::{Done, Query, Row, Statement, StoreError};

/// How long a caller waits for a connection when all are in use.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);
/// An idle connection is asked whether it still lives unless it was used within this time.
const TRUSTED: Duration = Duration::from_secs(1);
/// How long a service waits for its database to come up, and how often it looks.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const START_POLL: Duration = Duration::from_millis(500);
/// Connections that are made ready before the first call.
const WARM: usize = 2;

/// A pool. Cheap to clone.
#[derive(Clone)]
pub(in crate::store) struct Pool {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    server: Server,
    pub(super) max_open: usize,
    max_idle: usize,
    /// `None`: a connection is used for ever.
    max_lifetime: Option<Duration>,
    pub(super) permits: Arc<Semaphore>,
    /// The one used last at the end.
    idle: Mutex<VecDeque<Idle>>,
    pub(super) counts: Counts,
    /// The last attempt to connect failed; told once.
    down: AtomicBool,
}

/// What happened since the start.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) waits: AtomicU64,
    pub(super) waited_ns: AtomicU64,
    pub(super) idle_closed: AtomicU64,
    pub(super) lifetime_closed: AtomicU64,
}

struct Idle {
    connection: MySqlConnection,
    made: Instant,
    since: Instant,
}

impl Pool {
    /// A pool without connections.
    pub(in crate::store) fn new(server: Server, limits: &config::Database) -> Self {
        let max_open = limits.max_open_conns.max(1) as usize;
        let inner = Inner {
            server,
            max_open,
            max_idle: max_open.min(limits.max_idle_conns as usize),
            max_lifetime: (limits.max_lifetime > 0).then(|| Duration::from_secs(limits.max_lifetime)),
            permits: Arc::new(Semaphore::new(max_open)),
            idle: Mutex::default(),
            counts: Counts::default(),
            down: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// `mariadb` or `mysql`, as the server says, if it is one that we can use; it is waited for.
    pub(in crate::store) async fn system(&self) -> Result<&'static str, StoreError> {
        let deadline = Instant::now() + START_TIMEOUT;
        let mut connection = loop {
            match connect(&self.inner.server).await {
                Err(error @ (StoreError::Unreachable(_) | StoreError::Busy(_))) if Instant::now() < deadline => {
                    self.tell_down(&error);
                    tokio::time::sleep(START_POLL).await;
                }
                outcome => break outcome?,
            }
        };
        self.tell_up();
        let row = sqlx::query("SELECT version()").fetch_one(&mut connection).await?;
        let version: String = row.try_get(0)?;
        let _ = connection.close().await;
        system_of(&version)
    }

    pub(in crate::store) async fn fetch_optional(&self, query: Query) -> Result<Option<Row>, StoreError> {
        self.acquire().await?.fetch_optional(query).await
    }

    pub(in crate::store) async fn fetch_all(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        self.acquire().await?.fetch_all(query).await
    }

    pub(in crate::store) async fn execute(&self, query: Query) -> Result<Done, StoreError> {
        self.acquire().await?.execute(query).await
    }

    pub(in crate::store) async fn begin(&self) -> Result<Lease, StoreError> {
        let mut lease = self.acquire().await?;
        lease.begin().await?;
        Ok(lease)
    }

    pub(in crate::store) async fn warm(
        &self,
        reads: impl Fn() -> Vec<Query>,
        writes: &[&'static Statement],
    ) -> Result<(), StoreError> {
        // Held together: a connection that is given back would be handed out again.
        let mut leases = Vec::with_capacity(WARM);
        for _ in 0..WARM.min(self.inner.max_open) {
            leases.push(self.acquire().await?);
        }
        for lease in &mut leases {
            for query in reads() {
                lease.fetch_all(query).await?;
            }
            for statement in writes {
                lease.prepare(statement).await?;
            }
        }
        Ok(())
    }

    /// An idle connection that lives, or a new one.
    async fn acquire(&self) -> Result<Lease, StoreError> {
        let mut permit = self.permit().await?;
        while let Some(Idle { connection, made, since }) = self.take_idle() {
            let mut lease = Lease::new(self.clone(), Held { connection, made, permit });
            if since.elapsed() < TRUSTED || lease.ping().await.is_ok() {
                return Ok(lease);
            }
            // The server went away meanwhile and may be back: every other idle connection is forgotten by now.
            drop(lease);
            permit = self.permit().await?;
        }
        // Rare, and large: on the heap.
        Box::pin(self.open(permit)).await
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let permits = Arc::clone(&self.inner.permits);
        if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            return Ok(permit);
        }
        let began = Instant::now();
        let outcome = tokio::time::timeout(patience(ACQUIRE_TIMEOUT), permits.acquire_owned()).await;
        let waited = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.inner.counts.waits.fetch_add(1, Ordering::Relaxed);
        self.inner.counts.waited_ns.fetch_add(waited, Ordering::Relaxed);
        let open = self.inner.max_open;
        let late = |_| StoreError::Busy(format!("all {open} connections were in use for too long"));
        outcome.map_err(late)?.map_err(|_| StoreError::Unreachable("the pool is closed".to_owned()))
    }

    async fn open(&self, permit: OwnedSemaphorePermit) -> Result<Lease, StoreError> {
        match connect(&self.inner.server).await {
            Ok(connection) => {
                self.tell_up();
                Ok(Lease::new(self.clone(), Held { connection, made: Instant::now(), permit }))
            }
            Err(error) => {
                if matches!(error, StoreError::Unreachable(_)) {
                    self.tell_down(&error);
                }
                Err(error)
            }
        }
    }

    /// The connection used last, so that what is too much grows old.
    fn take_idle(&self) -> Option<Idle> {
        let mut idle = self.idle();
        self.retire(&mut idle);
        idle.pop_back()
    }

    /// Makes a connection idle, or closes it when it is old or there are enough.
    pub(super) fn give_back(&self, held: Held) {
        let Held { connection, made, permit } = held;
        let mut idle = self.idle();
        idle.push_back(Idle { connection, made, since: Instant::now() });
        self.retire(&mut idle);
        while idle.len() > self.inner.max_idle {
            self.inner.counts.idle_closed.fetch_add(1, Ordering::Relaxed);
            close(idle.pop_front());
        }
        drop(idle);
        // Only now: whoever waits finds the connection.
        drop(permit);
    }

    /// Closes idle connections that are older than connections may become.
    fn retire(&self, idle: &mut VecDeque<Idle>) {
        let Some(limit) = self.inner.max_lifetime else { return };
        let mut place = 0;
        while let Some(found) = idle.get(place) {
            if found.made.elapsed() < limit {
                place += 1;
            } else {
                self.inner.counts.lifetime_closed.fetch_add(1, Ordering::Relaxed);
                close(idle.remove(place));
            }
        }
    }

    /// Drops every idle connection: the server that they lead to has gone.
    pub(super) fn forget_idle(&self) {
        self.idle().clear();
    }

    /// host:port of the server.
    pub(super) fn address(&self) -> &str {
        &self.inner.server.address
    }

    /// Idle connections now.
    pub(super) fn idle_count(&self) -> usize {
        self.idle().len()
    }

    pub(in crate::store) async fn close(&self) {
        self.inner.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for found in idle {
            // The server notices a closed socket too.
            let _ = found.connection.close().await;
        }
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        self.inner.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_down(&self, error: &StoreError) {
        if !self.inner.down.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "database is not to be reached: trying again with each request");
        }
    }

    fn tell_up(&self) {
        if self.inner.down.swap(false, Ordering::Relaxed) {
            tracing::info!(address = self.address(), "database answers again");
        }
    }
}

/// Says goodbye in the background, so that the server counts no aborted client.
fn close(idle: Option<Idle>) {
    let (Some(Idle { connection, .. }), Ok(runtime)) = (idle, tokio::runtime::Handle::try_current()) else { return };
    runtime.spawn(async move {
        // A server that does not hear it closes the connection itself.
        let _ = tokio::time::timeout(ACQUIRE_TIMEOUT, connection.close()).await;
    });
}
