//! Identities of traces and spans.

use std::fmt;

/// Identity of a trace: 16 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(u128);

/// Identity of a span inside its trace: 8 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(u64);

impl TraceId {
    /// From the wire: exactly 16 bytes, not all zero, else `None`.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_u128(u128::from_be_bytes(bytes.try_into().ok()?))
    }

    /// From a number, most significant byte first; `None` for zero.
    pub fn from_u128(number: u128) -> Option<Self> {
        (number != 0).then_some(Self(number))
    }

    /// From 32 hexadecimal digits in either case.
    pub fn from_hex(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex {
            return None;
        }
        Self::from_u128(u128::from_str_radix(text, 16).ok()?)
    }

    /// The 16 bytes, most significant first.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The number, for hashing and sharding.
    pub fn as_u128(self) -> u128 {
        self.0
    }
}

impl SpanId {
    /// From the wire: exactly 8 bytes, not all zero, else `None`.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_u64(u64::from_be_bytes(bytes.try_into().ok()?))
    }

    /// From a number, most significant byte first; `None` for zero.
    pub fn from_u64(number: u64) -> Option<Self> {
        (number != 0).then_some(Self(number))
    }

    /// The number as it crosses the console protocol.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_wrong_lengths_are_no_identities() {
        assert_eq!(TraceId::from_bytes(&[0; 16]), None);
        assert_eq!(TraceId::from_bytes(&[1; 15]), None);
        assert_eq!(SpanId::from_bytes(&[0; 8]), None);
        assert_eq!(SpanId::from_bytes(&[1; 9]), None);
    }

    #[test]
    fn hexadecimal_is_read_in_either_case_and_written_in_lower() {
        let id = TraceId::from_hex("0AF7651916CD43DD8448EB211C80319C").expect("an identity");
        assert_eq!(id.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(TraceId::from_hex("+af7651916cd43dd8448eb211c80319c"), None);
    }
}
