//! `down --purge` on servers that others use too: only what this stack made goes.

use mall::config::Redis;
use mall::telemetry::Meters;

use super::configs::namespace;
use super::stand::Stand;
use super::state::StateFolder;
use crate::exit::Failure;
use crate::hint;
use crate::output;
use crate::topology::{CacheAt, StoreAt};

/// Drops the databases of this stack's data from MySQL, and removes its keys from Redis, wherever it was ever started.
/// Says what went, and answers the servers on which data stays because it was there before.
pub async fn purge_servers(folder: &StateFolder) -> Result<Vec<String>, Failure> {
    let mut kept = Vec::new();
    for stand in folder.read()?.map(Stand::all).unwrap_or_default() {
        if !purge(folder, &stand).await? {
            kept.push(stand.store.to_string());
        }
    }
    Ok(kept)
}

/// Whether all data of a place has gone.
async fn purge(folder: &StateFolder, stand: &Stand) -> Result<bool, Failure> {
    let Stand { data, sources, store, cache } = stand;
    if let CacheAt::Redis { host, user, pass } = cache {
        let at = Redis { host: host.clone(), user: user.clone(), pass: pass.clone() };
        let redis = mall::redis::Redis::open(&at, &Meters::disabled());
        let name = namespace(folder.stack(), &data.id);
        let keys = redis.forget(&name).await.map_err(|error| stays(folder, &cache.to_string(), &error))?;
        output::progress(&format!("{keys} keys of {name} are removed from {cache}"));
    }
    if *store == StoreAt::Sqlite {
        return Ok(true);
    }
    if !data.made_here {
        output::progress(&format!("the databases of {store} were there before this stack, so they stay"));
        return Ok(false);
    }
    let gone =
        mall::store::remove(sources, &data.id).await.map_err(|error| stays(folder, &store.to_string(), &error))?;
    // Another place of the same data may have had its turn.
    if !gone.is_empty() {
        output::progress(&format!("databases removed from {store}: {}", gone.join(", ")));
    }
    Ok(true)
}

fn stays(folder: &StateFolder, place: &str, error: &dyn std::error::Error) -> Failure {
    let stack = folder.stack();
    Failure::runtime(format!("the data of stack '{stack}' on {place} could not be removed")).because(error).mend(
        format!(
            "start the server and repeat {}, or remove {} to forget the data there",
            hint::command(stack, "down --purge"),
            folder.root().display()
        ),
    )
}
