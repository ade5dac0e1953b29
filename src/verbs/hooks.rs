//! What a load run asks of a stack, answered over Control: rows, faults, and a look at the processes.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use loadgen::{Faults, HookError, Hooks, PoolRow, Pools, ProcessSnapshot, Stack, StackSnapshot};
use mall_api::control::{ClearFaultsRequest, PoolRequest, StatusRequest};
use tonic::Code;

use crate::stack::client::Client;
use crate::stack::stack_file::StackFile;

struct ControlHooks {
    client: Client,
    data_id: String,
}

/// Hooks of a run against this stack.
pub async fn of(client: Client, file: &StackFile) -> Hooks {
    let data_id = match &file.data_sources {
        // Without an identity the run is not judged by `verify`, which says so.
        Some(sources) => mall::store::data_id(sources).await.unwrap_or_default(),
        None => String::new(),
    };
    let hooks = Arc::new(ControlHooks { client, data_id });
    Hooks { pools: Some(hooks.clone()), faults: Some(hooks.clone()), stack: Some(hooks) }
}

/// Hooks of a run that no stack of ours takes part in: a shop elsewhere was seeded with the same rows.
pub fn without_stack() -> Hooks {
    Hooks { pools: Some(Arc::new(Seed)), ..Hooks::default() }
}

/// The rows that every shop of this version is seeded with.
struct Seed;

impl Pools for Seed {
    fn rows(&self, name: &str, size: u32) -> BoxFuture<'_, Result<Vec<PoolRow>, HookError>> {
        let rows = mall::seed::pool(name, size)
            .ok_or_else(|| HookError(format!("there is no pool '{name}'; there are {}", mall::seed::POOLS.join(", "))));
        std::future::ready(rows).boxed()
    }
}

fn hook_error(status: &tonic::Status) -> HookError {
    HookError(crate::stack::client::failure(status).to_string())
}

impl Pools for ControlHooks {
    fn rows(&self, name: &str, size: u32) -> BoxFuture<'_, Result<Vec<PoolRow>, HookError>> {
        let request = PoolRequest { name: name.to_owned(), size };
        async move {
            let reply = self.client.control().pool(request).await.map_err(|status| hook_error(&status))?;
            Ok(reply.into_inner().rows.into_iter().map(|row| row.fields.into_iter().collect()).collect())
        }
        .boxed()
    }
}

impl Faults for ControlHooks {
    fn add(&self, spec: &str, lasts: Duration, run_id: &str) -> BoxFuture<'_, Result<String, HookError>> {
        let words: Vec<String> = spec.split_whitespace().map(str::to_owned).collect();
        let run_id = run_id.to_owned();
        async move {
            let [kind, target, params @ ..] = words.as_slice() else {
                return Err(HookError(
                    "a fault names a kind and a target, such as `latency pay-rpc/1 p50=200ms`".into(),
                ));
            };
            let fault = super::fault::request(kind, target, params, lasts, &run_id)
                .map_err(|failure| HookError(failure.to_string()))?;
            let fault = self.client.control().add_fault(fault).await.map_err(|status| hook_error(&status))?;
            Ok(fault.into_inner().id)
        }
        .boxed()
    }

    fn clear(&self, ids: Vec<String>) -> BoxFuture<'_, Result<(), HookError>> {
        async move {
            // No identity at all would clear the faults of others.
            if !ids.is_empty() {
                let request = ClearFaultsRequest { ids };
                match self.client.control().clear_faults(request).await {
                    // One that ended by itself before is over as well.
                    Err(status) if status.code() != Code::NotFound => return Err(hook_error(&status)),
                    _ => {}
                }
            }
            Ok(())
        }
        .boxed()
    }
}

impl Stack for ControlHooks {
    fn snapshot(&self) -> BoxFuture<'_, Option<StackSnapshot>> {
        async move {
            let status = self.client.control().status(StatusRequest {}).await.ok()?.into_inner();
            let processes = status
                .processes
                .into_iter()
                .map(|process| ProcessSnapshot {
                    role: process.role,
                    replica: process.replica,
                    rss_bytes: process.rss_bytes,
                    cpu_s: process.cpu_s,
                    restarts: process.restarts,
                })
                .collect();
            Some(StackSnapshot { processes, policy: status.policy, data_id: self.data_id.clone(), seed: status.seed })
        }
        .boxed()
    }
}
