//! Redis for tests: the shared one, and private ones that may be killed.

use mall::config;
use std::process::Stdio;
use tokio::process::{Child, Command};

use super::Server;
use super::port::free_port;

/// The server that all tests share.
pub fn shared() -> config::Redis {
    let address = Server::Redis.address();
    let host = address.strip_prefix("redis://").unwrap_or(&address).trim_end_matches('/').to_owned();
    config::Redis { host, ..config::Redis::default() }
}

/// A server of one test's own, without files. It ends with the test.
pub struct PrivateRedis {
    port: u16,
    child: Child,
}

impl PrivateRedis {
    /// On a free port, answering.
    pub async fn start() -> Self {
        let port = free_port();
        Self { port, child: spawn(port).await }
    }

    /// Where it is.
    pub fn config(&self) -> config::Redis {
        config::Redis { host: format!("127.0.0.1:{}", self.port), ..config::Redis::default() }
    }

    /// SIGKILL, as a crash would end it; everything that it knew is gone.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it runs");
    }

    /// Starts it again where it was.
    pub async fn restart(&mut self) {
        self.child = spawn(self.port).await;
    }

    /// It keeps its connections and answers no more.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// It goes on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let status = std::process::Command::new("kill").args([signal, &pid]).status().expect("kill runs");
        assert!(status.success(), "kill {signal} {pid}: {status}");
    }
}

async fn spawn(port: u16) -> Child {
    let mut child = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server is installed where a Redis is given");
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        let ended = child.try_wait().expect("can be waited for");
        assert!(ended.is_none(), "redis-server on port {port} ended: {ended:?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    child
}
