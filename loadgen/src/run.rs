//! One run from its options to its report.

use tokio_util::sync::CancellationToken;

use crate::error::LoadError;
use crate::hooks::Hooks;
use crate::options::{Options, Progress};
use crate::report::Report;

/// Drives a scenario at its target.
///
/// `stop` ends the schedule early; what was sent is still waited for and reported. SIGINT and SIGTERM of the process
/// cancel it too, because the worker pool would otherwise take those signals for itself.
pub async fn run(
    options: Options,
    _hooks: Hooks,
    mut progress: impl FnMut(Progress) + Send,
    _stop: CancellationToken,
) -> Result<Report, LoadError> {
    progress(Progress::Notice(format!("run {}", options.run_id)));
    Err(LoadError::Workers("this build has no worker pool yet".into()))
}
