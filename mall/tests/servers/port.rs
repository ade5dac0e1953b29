//! Ports for servers that are not there all the time.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A port that nobody listens on, below those that the system gives to outgoing connections: one of them could take it
/// while its server is away.
pub fn free_port() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let low = range.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(32_768_u16).max(20_000);
    loop {
        let chance = RandomState::new().build_hasher().finish();
        let port = 10_000 + (chance % u64::from(low - 10_000)) as u16;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
