//! What is known of an RPC method before its first call.

use super::guard::Guard;
use crate::telemetry::RpcMethod;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Methods of one table at most: their names come from the wire.
const LARGEST: usize = 256;

/// A method with its breaker and its attributes.
pub(super) struct Method {
    pub(super) rpc: RpcMethod,
    pub(super) guard: Arc<Guard>,
}

/// Methods by request path; each is made at its first call and stays.
#[derive(Default)]
pub(super) struct Methods {
    known: RwLock<HashMap<Box<str>, Arc<Method>>>,
}

impl Methods {
    /// The method of `path`; beyond [`LARGEST`] it is made anew for each call, and its breaker is a shared one.
    pub(super) fn get(&self, path: &str, make: impl FnOnce(RpcMethod) -> Method) -> Arc<Method> {
        if let Some(method) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Arc::clone(method);
        }
        let method = Arc::new(make(RpcMethod::new(path)));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < LARGEST {
            known.insert(path.into(), Arc::clone(&method));
        }
        method
    }
}
