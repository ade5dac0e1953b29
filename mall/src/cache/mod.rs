//! Rows kept beside the database, with go-zero's semantics.
//!
//! [`Cache::take`] asks the cache, then the database, and writes down what it found; [`Cache::exec`] changes rows and
//! deletes their keys. The rules, from go-zero `core/stores/cache`:
//!
//! - One look-up per key at a time in a process; the others wait for its outcome.
//! - A cache that does not answer is an error. The database is never asked instead: it would get in one moment all the
//!   load that the cache kept from it.
//! - A row that does not exist is remembered as `*`, for a shorter time, and never over a row.
//! - Every lifetime is multiplied by a number in [0.95, 1.05], so that keys written together do not end together.
//! - A deletion never fails the call; what could not be deleted is deleted later.
//!
//! One thing is added: each deletion is repeated a second later. A reader that read the row just before it changed may
//! write the old one down just after the deletion; go-zero leaves it there for up to a week.
//!
//! Nodes are Redis servers ([`RedisNode`]), or the process's memory ([`LocalNode`]), in which only rows may be that never
//! change: the memories of three replicas cannot delete each other's keys.

mod deletes;
mod error;
mod flight;
mod local;
mod node;
mod ring;
mod statistics;
mod take;
mod ttl;

pub use self::error::CacheError;
pub use self::local::LocalNode;
pub use self::node::{Node, RedisNode};
pub use self::take::Cache;
pub use self::ttl::jittered;

use crate::context::ServiceContext;

impl Cache {
    /// The cache called `name` (`user`) over the configured Redis nodes; `None` when there are none.
    pub fn on_redis(context: &ServiceContext, name: &'static str) -> Option<Self> {
        let nodes = context.config().cache_redis.iter().map(|node| {
            let at = crate::config::Redis { host: node.host.clone(), user: node.user.clone(), pass: node.pass.clone() };
            (RedisNode::new(context.redis(&at)), node.host.clone(), node.weight)
        });
        let nodes: Vec<_> = nodes.map(|(node, name, weight)| (node.shared(), name, weight)).collect();
        (!nodes.is_empty()).then(|| Self::new(context, name, nodes))
    }

    /// The cache called `name` in the process's memory. Absence is not remembered: another replica may end it.
    pub fn in_memory(context: &ServiceContext, name: &'static str) -> Self {
        Self::new(context, name, vec![(LocalNode::new().shared(), "memory".to_owned(), 100)])
    }
}
