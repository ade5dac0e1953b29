//! What a run asks of the world that it does not know: rows, faults, and a look at the stack.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

/// One row of a data pool: field to value.
pub type PoolRow = BTreeMap<String, String>;

/// Why a hook could not do what it was asked, in words for people: what, why, and the mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HookError(pub String);

/// Gives rows of named pools, such as the shop's seeded users.
pub trait Pools: Send + Sync {
    /// At most `size` rows of the pool.
    fn rows(&self, name: &str, size: u32) -> BoxFuture<'_, Result<Vec<PoolRow>, HookError>>;
}

/// Injects faults into a running stack.
pub trait Faults: Send + Sync {
    /// Adds a fault such as `latency pay-rpc/1 p50=200ms p99=2s` for a time; answers with its id.
    fn add(&self, spec: &str, lasts: Duration, run_id: &str) -> BoxFuture<'_, Result<String, HookError>>;
    /// Ends faults early; ids that ended already are no error.
    fn clear(&self, ids: Vec<String>) -> BoxFuture<'_, Result<(), HookError>>;
}

/// Looks at the stack that is loaded.
pub trait Stack: Send + Sync {
    /// The stack as it is now; `None` when it does not answer.
    fn snapshot(&self) -> BoxFuture<'_, Option<StackSnapshot>>;
}

/// A stack at one instant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StackSnapshot {
    /// Every process.
    pub processes: Vec<ProcessSnapshot>,
    /// Governance policy: `go-zero` or `hardened`.
    pub policy: String,
    /// Identity of the data (changes on purge).
    pub data_id: String,
    /// Seed of the stack.
    pub seed: u64,
}

/// One process of a stack.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProcessSnapshot {
    /// `gateway`, `order-rpc`, `supervisor` …
    pub role: String,
    /// Counted from 1; 0 for processes with one instance.
    pub replica: u32,
    /// Resident memory.
    pub rss_bytes: u64,
    /// Processor time since its start, seconds.
    pub cpu_s: f64,
    /// How often it was restarted.
    pub restarts: u32,
}

/// The hooks of one run. A URL target needs none of them.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Needed by `kind = "pool"`.
    pub pools: Option<Arc<dyn Pools>>,
    /// Needed by `[[fault]]`.
    pub faults: Option<Arc<dyn Faults>>,
    /// Fills `processes`, `policy` and `host` of the report.
    pub stack: Option<Arc<dyn Stack>>,
}
