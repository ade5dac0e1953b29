//! What go-zero has no key for.

use serde::{Deserialize, Serialize};

use super::{Cache, Cors, Limit, Secret};

/// What go-zero has no key for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Mall {
    /// `pay-rpc/1`: `service.instance.id`, stable over restarts. The service name when empty.
    pub instance: String,
    /// The supervisor's control service.
    pub control: Control,
    /// Policy of breakers and balancers.
    pub policy: String,
    /// Begins every key in Redis, so that several shops can share a server: `cache:<Namespace>:user:id:1`.
    pub namespace: String,
    /// Seed of every random decision of the process.
    pub seed: u64,
    /// Which pages of other origins may call a gateway.
    pub cors: Cors,
    /// Rate limits of a gateway.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// How long the cache keeps rows.
    pub cache: Cache,
    /// Which processor share the shedder looks at: of the `process`, or of the whole `cgroup` as go-zero does.
    pub shed_by: String,
}

/// The supervisor's control service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Control {
    /// host:port; empty runs without a supervisor.
    pub endpoint: String,
    /// Token of the stack.
    pub token: Secret,
}

impl Default for Mall {
    fn default() -> Self {
        Self {
            instance: String::new(),
            control: Control::default(),
            policy: "go-zero".to_owned(),
            namespace: "mall".to_owned(),
            seed: 0,
            cors: Cors::default(),
            limits: Vec::new(),
            cache: Cache::default(),
            shed_by: "process".to_owned(),
        }
    }
}
