//! A token bucket that counts in whole seconds.

/// Parameters of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLimit {
    /// Tokens that flow in per second, at least 1.
    pub rate: u64,
    /// Tokens that the bucket holds.
    pub burst: u64,
}

/// State of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    /// Tokens left.
    pub tokens: u64,
    /// Unix second of the last call.
    pub at_unix_s: u64,
}

impl TokenLimit {
    /// How long, in seconds, a stored bucket must outlive its last call: `⌊burst / rate · 2⌋`.
    ///
    /// It is 0 when `burst < rate / 2`; Redis refuses such an expiry, and go-zero then stays on its in-process bucket.
    pub fn ttl_s(&self) -> u64 {
        (self.burst as f64 / self.rate.max(1) as f64 * 2.0).floor() as u64
    }

    /// Takes `wanted` tokens at a unix second from what was stored (`None` is a full bucket). Returns whether they were
    /// there, and what to store. A clock that went back adds nothing, and its reading is stored all the same.
    ///
    /// Source: go-zero `core/limit/tokenscript.lua`.
    pub fn take(&self, stored: Option<TokenBucket>, now_unix_s: u64, wanted: u64) -> (bool, TokenBucket) {
        let last = stored.unwrap_or(TokenBucket { tokens: self.burst, at_unix_s: 0 });
        let passed = now_unix_s.saturating_sub(last.at_unix_s);
        let filled = self.burst.min(last.tokens.saturating_add(passed.saturating_mul(self.rate)));
        let allowed = filled >= wanted;
        let tokens = if allowed { filled - wanted } else { filled };
        (allowed, TokenBucket { tokens, at_unix_s: now_unix_s })
    }
}
