//! host:port, by the two rules there are: where a process listens, and what it connects to.

/// Whether one can listen there: the host may be empty (every address) or an IPv6 address in brackets, the port 0 (a free
/// one).
pub(crate) fn can_listen(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_host = !host.contains(['/', '@', ' ']) && (!host.contains(':') || host.starts_with('['));
    is_host && port.parse::<u16>().is_ok()
}

/// Whether one can connect to it: a host, and a port above 0.
pub(crate) fn can_connect(text: &str) -> bool {
    http::uri::Authority::try_from(text)
        .is_ok_and(|one| !one.host().is_empty() && one.port_u16().is_some_and(|port| port > 0) && !text.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_listens_on_a_host_or_on_all_and_on_a_port_or_any() {
        for good in ["127.0.0.1:80", "[::1]:80", ":80", "db.local:0"] {
            assert!(can_listen(good), "{good}");
        }
        for bad in ["127.0.0.1", "host:99999", "http://a:1", "u@h:1", "::1:80", ""] {
            assert!(!can_listen(bad), "{bad}");
        }
    }

    #[test]
    fn one_connects_to_a_host_and_a_port() {
        for good in ["127.0.0.1:80", "user-rpc:1", "[::1]:8080", "mall_redis:6379"] {
            assert!(can_connect(good), "{good}");
        }
        for bad in ["", "127.0.0.1", ":80", "host:0", "host:99999", "http://host:80", "me@host:80", "a b:1"] {
            assert!(!can_connect(bad), "{bad}");
        }
    }
}
