//! What must hold after any chaos.
//!
//! A pure checker: histories of load runs (what was asked and acknowledged) and a [`Snapshot`] of the databases go in, a
//! [`Report`] comes out. Its verdict has three values. `unknown` means that the shop had not come to rest, so that a
//! difference would prove nothing; it never hides a violation that holds whether at rest or not.

mod history;
mod invariants;
mod report;
mod snapshot;

use std::path::Path;
use std::time::Duration;

pub use self::history::{History, read_histories};
pub use self::invariants::check;
pub use self::report::{Counterexample, Invariant, Report, SCHEMA, Verdict};
pub use self::snapshot::{OrderFact, OutboxFact, PaymentFact, ProductFact, Snapshot};

use crate::store::{DataSources, StoreError};

const POLL: Duration = Duration::from_millis(100);

/// Why nothing could be judged.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A database could not be read.
    #[error("cannot read the shop's data: {0}")]
    Store(#[from] StoreError),
    /// The histories could not be read.
    #[error("cannot read the histories in {folder}: {source}")]
    History {
        /// Where they should be.
        folder: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// Waits until the shop is at rest, at most for `quiesce`, then judges the histories in `folder` that were made against
/// this data. The shop may be up or down, and even in use.
pub async fn run(folder: &Path, sources: &DataSources, quiesce: Duration) -> Result<Report, VerifyError> {
    let deadline = tokio::time::Instant::now() + quiesce;
    while Snapshot::read(sources).await?.unrest().is_some() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(POLL).await;
    }
    // Histories before data: what they acknowledge must then be in the snapshot, also while a run goes on.
    let data_id = crate::store::data_id(sources).await?;
    let unreadable = |source| VerifyError::History { folder: folder.display().to_string(), source };
    let histories = read_histories(folder, &data_id).map_err(unreadable)?;
    Ok(check(&histories, &Snapshot::read(sources).await?))
}
