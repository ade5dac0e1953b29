//! The target's address, and whether it may be loaded.

use std::net::IpAddr;

use crate::error::LoadError;

/// A target taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What paths are appended to, without a slash at its end.
    pub base_url: String,
    /// Host name or address.
    pub host: String,
    /// Port, also when it is the scheme's own.
    pub port: u16,
}

impl Target {
    /// Reads an address such as `http://127.0.0.1:8888`.
    pub fn of(base_url: &str) -> Result<Self, LoadError> {
        let wrong = |why: &str| LoadError::Target { url: base_url.to_owned(), why: why.to_owned() };
        let url = reqwest::Url::parse(base_url).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("its scheme is neither http nor https"));
        }
        let host = url.host_str().ok_or_else(|| wrong("it has no host"))?.to_owned();
        let port = url.port_or_known_default().ok_or_else(|| wrong("it has no port"))?;
        Ok(Self { base_url: base_url.trim_end_matches('/').to_owned(), host, port })
    }

    /// Whether the target is this machine by its address.
    pub fn is_loopback(&self) -> bool {
        let bare = self.host.trim_matches(['[', ']']);
        bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Load on another machine must be asked for.
    pub fn permit(&self, allow_remote: bool) -> Result<(), LoadError> {
        if self.is_loopback() || allow_remote { Ok(()) } else { Err(LoadError::Remote { host: self.host.clone() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let target = Target::of("http://127.0.0.1:8888/").unwrap();
        assert_eq!(
            (target.base_url.as_str(), target.host.as_str(), target.port),
            ("http://127.0.0.1:8888", "127.0.0.1", 8888)
        );
        assert_eq!(Target::of("https://[::1]").unwrap().port, 443);
        assert!(Target::of("ftp://a").is_err() && Target::of("127.0.0.1").is_err());
    }

    #[test]
    fn another_machine_must_be_permitted() {
        for here in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", "http://127.8.8.8"] {
            assert!(Target::of(here).unwrap().permit(false).is_ok(), "{here}");
        }
        let there = Target::of("http://example.com").unwrap();
        assert!(matches!(there.permit(false), Err(LoadError::Remote { .. })) && there.permit(true).is_ok());
    }
}
