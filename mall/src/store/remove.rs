//! Removing what `migrate` made on a server that others use too.

use sqlx::{AssertSqlSafe, Connection as _};

use super::connection::Connection;
use super::mysql::connect;
use super::source::Source;
use super::{DataSources, StoreError};

/// Drops the databases of a server whose data is `data_id`; answers their names. A database that is missing, or that holds
/// other data, is left alone. Files are not touched: they go with their folder.
pub async fn remove(sources: &DataSources, data_id: &str) -> Result<Vec<String>, StoreError> {
    let mut removed = Vec::new();
    // The order database first: it says that the data is complete, and must not say so of what is half removed.
    for source in [&sources.order, &sources.user, &sources.pay] {
        let Source::Server(server) = Source::parse(source)? else { continue };
        let identity = match identity(source).await {
            Err(StoreError::Unprepared(_)) => continue,
            outcome => outcome?,
        };
        if identity.as_deref() != Some(data_id) {
            continue;
        }
        let mut connection = connect(&server.without_database()).await?;
        // The name was checked when the source was parsed: letters, digits, `_`, `-`.
        let drop = format!("DROP DATABASE IF EXISTS `{}`", server.database);
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await?;
        connection.close().await?;
        removed.push(server.database);
    }
    Ok(removed)
}

async fn identity(source: &str) -> Result<Option<String>, StoreError> {
    let mut connection = Connection::snapshot(source).await?;
    let identity = connection.identity().await;
    connection.close().await?;
    identity
}
