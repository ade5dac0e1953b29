//! The address under which others reach this process.

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Variable that tells a container its address.
const POD_IP: &str = "POD_IP";

/// Where others reach a process that listens on `bound`: the same, unless it listens on every interface. Then the host is
/// `POD_IP`, or else the first address of an interface that is up and no loopback, as in go-zero.
pub fn reachable(bound: SocketAddr) -> String {
    if !bound.ip().is_unspecified() {
        return bound.to_string();
    }
    let host = std::env::var(POD_IP).ok().filter(|host| !host.is_empty());
    at_host(host, bound.port())
}

fn at_host(told: Option<String>, port: u16) -> String {
    match told {
        Some(host) if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
        Some(host) => format!("{host}:{port}"),
        None => SocketAddr::new(first_internal().unwrap_or(Ipv4Addr::LOCALHOST.into()), port).to_string(),
    }
}

fn first_internal() -> Option<IpAddr> {
    getifaddrs().ok()?.find_map(|interface| {
        let is_used =
            interface.flags.contains(InterfaceFlags::IFF_UP) && !interface.flags.contains(InterfaceFlags::IFF_LOOPBACK);
        let address = interface.address.filter(|_| is_used)?;
        address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definite_address_stays() {
        for address in ["127.0.0.1:8080", "10.1.2.3:80", "[::1]:9"] {
            assert_eq!(reachable(address.parse().expect("an address")), address);
        }
    }

    #[test]
    fn every_interface_becomes_one_that_others_reach() {
        let address: SocketAddr = at_host(None, 8080).parse().expect("an address");
        assert!(!address.ip().is_unspecified());
        assert_eq!(address.port(), 8080);
    }

    #[test]
    fn a_container_knows_its_own() {
        assert_eq!(at_host(Some("10.1.2.3".into()), 8080), "10.1.2.3:8080");
        assert_eq!(at_host(Some("fd00::7".into()), 8080), "[fd00::7]:8080");
    }
}
