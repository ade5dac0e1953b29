//! `down --purge` on servers that others use too: only what this stack made goes.

use mall::config::Redis;
use mall::telemetry::Meters;

use super::configs::namespace;
use super::state::{Data, StackFile, StateFolder};
use crate::exit::Failure;
use crate::output;
use crate::topology::{CacheAt, StoreAt, Topology};

/// Drops the databases of this stack's data from MySQL, and removes its keys from Redis. Says what went, and what stays.
pub async fn purge_servers(folder: &StateFolder) -> Result<(), Failure> {
    let Some(StackFile { data: Some(data), data_sources: Some(sources), places: Some(places), .. }) = folder.read()?
    else {
        return Ok(());
    };
    let Topology { store, cache, .. } = &places;
    if let CacheAt::Redis { host, user, pass } = cache {
        let at = Redis { host: host.clone(), user: user.clone(), pass: pass.clone() };
        let redis = mall::redis::Redis::open(&at, &Meters::disabled());
        let name = namespace(folder.stack(), &data.id);
        let keys = redis.forget(&name).await.map_err(|error| stays(folder, &cache.to_string(), &error))?;
        output::progress(&format!("{keys} keys of {name} are removed from {cache}"));
    }
    match (store, &data) {
        (StoreAt::Sqlite, _) => {}
        (StoreAt::Mysql(_), Data { made_here: false, .. }) => {
            output::progress(&format!("the databases of {store} were there before this stack, so they stay"));
        }
        (StoreAt::Mysql(_), Data { id, .. }) => {
            let gone =
                mall::store::remove(&sources, id).await.map_err(|error| stays(folder, &store.to_string(), &error))?;
            output::progress(&format!("databases removed from {store}: {}", gone.join(", ")));
        }
    }
    Ok(())
}

fn stays(folder: &StateFolder, place: &str, error: &dyn std::error::Error) -> Failure {
    let stack = folder.stack();
    Failure::runtime(format!("the data of stack '{stack}' on {place} could not be removed")).because(error).mend(
        format!(
            "start the server and repeat `mallctl down --purge --stack {stack}`, or remove {} to forget the data there",
            folder.root().display()
        ),
    )
}
