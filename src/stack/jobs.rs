//! Children that end by themselves: the migration and the load.

use std::sync::Arc;
use std::time::Duration;

use mall::config::Role;
use nix::sys::signal::Signal;
use tokio_util::sync::CancellationToken;

use super::configs::Writer;
use super::order::{LoadOrder, Report};
use super::shared::Shared;
use super::spawn::{describe, spawn};
use super::stack_file::Data;
use crate::exit::{Exit, Failure};
use crate::hint;

/// How long a migration may take.
const MIGRATE_LIMIT: Duration = Duration::from_secs(30);

/// Migrates and seeds the databases; answers the identity of the data. A failure quotes the last words.
pub async fn migrate(shared: &Arc<Shared>, writer: &Writer<'_>) -> Result<String, Failure> {
    let known = shared.data();
    let found = mall::store::data_id(writer.sources()).await.ok();
    run_migration(shared, writer).await?;
    let id = mall::store::data_id(writer.sources())
        .await
        .map_err(|error| Failure::runtime("the databases were prepared and cannot be read").because(error))?;
    let was_ours = known.is_some_and(|data| data.id == id && data.made_here);
    shared.set_data(Data { id: id.clone(), made_here: was_ours || found.is_none() });
    Ok(id)
}

async fn run_migration(shared: &Arc<Shared>, writer: &Writer<'_>) -> Result<(), Failure> {
    let config = writer.migrate()?;
    let log = shared.folder.logs().join("migrate.log");
    let last_line = Arc::new(std::sync::Mutex::new(String::new()));
    let lines = Arc::clone(&last_line);
    let remember = move |line: &str| {
        if let Ok(mut last) = lines.lock() {
            line.clone_into(&mut last);
        }
    };
    let args = ["serve", Role::Migrate.name(), "--config", &config.to_string_lossy(), "--with-parent"];
    let mut spawned =
        spawn(&args, &log, remember).map_err(|error| Failure::runtime("cannot start a process").because(error))?;
    let how = match tokio::time::timeout(MIGRATE_LIMIT, spawned.child.wait()).await {
        Ok(Ok(status)) if status.success() => return Ok(()),
        Ok(status) => describe(status),
        Err(_) => spawned.stop(Signal::SIGTERM).await,
    };
    let said = last_line.lock().map(|last| last.clone()).unwrap_or_default();
    let mut mend = format!("see {}", log.display());
    if is_of_data(&said) {
        let purge = hint::command(shared.folder.stack(), "down --purge");
        mend = format!("{mend}; {purge} removes this stack's data, and the next start makes new");
    }
    Err(Failure::runtime(format!("the databases could not be prepared ({how})"))
        .because(if said.is_empty() { "it said nothing".to_owned() } else { said })
        .mend(mend))
}

/// What a migration says of data that no other login, server or second try would mend: tables of another version, a
/// migration that was cut off, a file that is no database.
const DATA_TROUBLE: [&str; 4] = ["previously applied", "partially applied", "not a database", "malformed"];

/// Whether the data itself kept a migration from ending well, so that losing it may be a way out.
fn is_of_data(said: &str) -> bool {
    DATA_TROUBLE.iter().any(|trouble| said.contains(trouble))
}

/// Runs the ordered load to its end, or until it is stopped, and reports its exit code.
pub async fn run_load(shared: Arc<Shared>, load: LoadOrder, stop: CancellationToken) {
    let out = load.out.to_string_lossy();
    let args = ["load", &load.what, "--stack", shared.folder.stack(), "--run-id", &load.run_id, "--out", &out];
    let log = shared.folder.logs().join("load.log");
    let exit = match spawn(&args, &log, |_| {}) {
        Ok(mut spawned) => tokio::select! {
            status = spawned.child.wait() => status.ok().and_then(|status| status.code()).unwrap_or(1),
            () = stop.cancelled() => {
                spawned.stop(Signal::SIGINT).await;
                i32::from(Exit::Interrupted.code())
            }
        },
        Err(error) => {
            tracing::error!(%error, "cannot start the load");
            i32::from(Exit::Failure.code())
        }
    };
    Report::LoadEnded { exit }.send();
}

#[cfg(test)]
mod tests {
    use mall::store::StoreError;

    use super::*;

    #[test]
    fn only_data_that_cannot_be_used_is_offered_to_a_purge() {
        let wrong_password = StoreError::Refused("Access denied for user 'root'@'localhost'".to_owned());
        let gone = StoreError::Unreachable("connection refused".to_owned());
        for said in [wrong_password.to_string(), gone.to_string(), String::new()] {
            assert!(!is_of_data(&said), "{said}");
        }
        assert!(is_of_data("migration failed: migration 2 was previously applied but has been modified"));
    }
}
