//! Tests against real servers: each test names the servers that it needs, and where one is missing it is reported as
//! ignored, by name, never as passed.
//!
//! A server is given by its variable; `deploy/local/servers start FOLDER` starts them and prints the variables.

#![allow(dead_code, reason = "each test binary uses some of it")]

pub mod port;
pub mod private;
pub mod redis;

use libtest_mimic::{Arguments, Trial};
use std::future::Future;

/// A server that a test needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// MariaDB, which stands for MySQL as well: `mysql://root@127.0.0.1:3306`, with the right to make databases.
    Mysql,
    /// `redis://127.0.0.1:6379`.
    Redis,
    /// host:port of an etcd v3.
    Etcd,
    /// The program `nginx`: each test starts its own.
    Nginx,
}

impl Server {
    /// The variable that gives it.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Mysql => "MALL_TEST_MYSQL",
            Self::Redis => "MALL_TEST_REDIS",
            Self::Etcd => "MALL_TEST_ETCD",
            Self::Nginx => "MALL_TEST_NGINX",
        }
    }

    fn value(self) -> Option<String> {
        std::env::var(self.variable()).ok().filter(|value| !value.is_empty())
    }

    /// What the variable says; only for tests that named the server.
    pub fn address(self) -> String {
        self.value().unwrap_or_else(|| panic!("{} is not set: the test did not name the server", self.variable()))
    }
}

/// One test: its name, what it needs, and what it does, on a runtime of its own.
pub fn test<F>(name: &str, needs: &[Server], body: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = ()>,
{
    let missing: Vec<&str> =
        needs.iter().filter(|server| server.value().is_none()).map(|server| server.variable()).collect();
    let kind = if missing.is_empty() { String::new() } else { format!("skipped, needs {}", missing.join(" and ")) };
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Within the runtime, for a body may need it before its first await.
        runtime.block_on(async { body().await });
        Ok(())
    };
    Trial::test(name, run).with_kind(kind).with_ignored_flag(!missing.is_empty())
}

/// Runs the tests as `cargo test` would, and ends the process.
pub fn run(trials: Vec<Trial>) -> ! {
    libtest_mimic::run(&Arguments::from_args(), trials).exit()
}
