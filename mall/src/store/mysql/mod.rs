//! MySQL and MariaDB: a pool of connections to one database of a server.
//!
//! The pool is our own, over the library's connections: the library's pool repeats a refused connection until its timeout,
//! pings at every return, and knows no limit of idle connections. Ours fails at once when the server is not there, trusts
//! a connection that was used a moment ago, and counts like Go's `database/sql`.
//!
//! A connection is handed back only after a complete answer. A statement that was cut off (a deadline, a lost connection)
//! costs its connection, whose end makes the server roll back.

mod gauges;
mod lease;
mod pool;
mod server;
mod version;
mod wait;

pub(super) use self::lease::Lease;
pub(super) use self::pool::Pool;
pub(super) use self::server::{Server, connect, with_database, without_password};
pub use self::version::system_of;
