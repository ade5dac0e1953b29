//! What stands in front of the routes: tokens, origins, limits.

use serde::{Deserialize, Serialize};

use super::Secret;

/// Access tokens: who signs them and how long they live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Auth {
    /// HMAC key of the tokens, at least 8 characters.
    pub access_secret: Secret,
    /// Life of a token in seconds.
    pub access_expire: u64,
    /// Key that tokens were signed with before; still accepted, never signed with.
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub prev_secret: Secret,
}

impl Default for Auth {
    fn default() -> Self {
        Self { access_secret: Secret::default(), access_expire: 86_400, prev_secret: Secret::default() }
    }
}

/// Which pages of other origins may call the gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Cors {
    /// Allowed origins; each also allows its subdomains. Empty, or `*`, allows all.
    pub origins: Vec<String>,
}

/// What a rate limit counts by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// All requests of the route together.
    #[default]
    Route,
    /// The requests of each user of the route; of each client address where nobody is logged in.
    User,
}

/// A rate limit of one route, or of all. Either `Quota` in each `Period`, or `Rate` with `Burst`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Limit {
    /// `POST /api/order/create`, or `*`: each route for itself.
    pub route: String,
    /// What is counted together.
    pub per: Per,
    /// Requests in each period; 0 when the limit is a token bucket.
    #[serde(skip_serializing_if = "is_zero")]
    pub quota: u64,
    /// Length of a period in seconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub period: u64,
    /// Tokens that flow in per second; 0 when the limit is a quota.
    #[serde(skip_serializing_if = "is_zero")]
    pub rate: u64,
    /// Tokens that the bucket holds, at least half of `Rate`.
    #[serde(skip_serializing_if = "is_zero")]
    pub burst: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
