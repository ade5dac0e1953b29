//! What the places of a topology have in common: how they are refused, and addresses.

use std::fmt;

/// A place that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPlace(pub(super) String);

impl fmt::Display for BadPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for BadPlace {}

/// host:port, when it is one.
pub(super) fn address(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    (!host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)).then(|| text.to_owned())
}
