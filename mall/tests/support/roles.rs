//! Roles of the shop as they run in production, in the test's own process.

use super::TOKEN;
use mall::config::{Role, Secret, ServiceConfig};
use mall::serve::{ServeError, serve};
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(20);

/// A role of the shop over the databases in `folder`, known to the supervisor at `control`.
pub fn config(role: Role, folder: &Path, control: &str) -> ServiceConfig {
    let mut config = ServiceConfig::new(role.name());
    config.mall.instance = format!("{role}/1");
    control.clone_into(&mut config.mall.control.endpoint);
    config.mall.control.token = Secret::new(TOKEN);
    config.auth.access_secret = Secret::new("signs tokens of all roles");
    config.data_source = match role {
        Role::Migrate => format!("sqlite://{}", folder.display()),
        _ => format!("sqlite://{}", folder.join(role.name().replace("-rpc", ".db")).display()),
    }
    .into();
    config
}

/// A role that runs on the test's own thread, until it is stopped.
pub struct Process {
    stop: CancellationToken,
    end: tokio::task::JoinHandle<Result<(), ServeError>>,
}

impl Process {
    /// Starts the role. Must be called within a `LocalSet`.
    pub fn start(config: ServiceConfig, role: Role) -> Self {
        let stop = CancellationToken::new();
        let end = tokio::task::spawn_local(serve(role, config, stop.clone().cancelled_owned()));
        Self { stop, end }
    }

    /// Tells the role to stop, which it must do well and in time.
    pub async fn stop(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.end).await.expect("in time");
        ended.expect("does not panic").expect("ends well");
    }
}
