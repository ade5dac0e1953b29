//! Schema and seed: prepared once, before any replica starts.

use include_dir::{Dir, include_dir};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Row};

use super::source::options;
use super::{DataSources, StoreError, unix_ms};
use crate::config::ServiceConfig;
use crate::seed::{self, Seed};

static MIGRATIONS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/migrations/sqlite");

/// Migrates and seeds the databases around the configuration's data source (a folder, or one database in it); what is
/// there already stays as it is. Returns the identity of the data.
pub async fn migrate_and_seed(config: &ServiceConfig) -> Result<String, StoreError> {
    prepare(&DataSources::around(config.source())?, &Seed::default()).await
}

/// As [`migrate_and_seed`], with a seed of one's own (a drill about overselling has little stock).
pub async fn prepare(sources: &DataSources, seed: &Seed) -> Result<String, StoreError> {
    let mut user = open(&sources.user, "user").await?;
    let mut order = open(&sources.order, "order").await?;
    let mut pay = open(&sources.pay, "pay").await?;
    let data_id = match identity(&mut order).await? {
        Some(data_id) => data_id,
        None => uuid::Uuid::new_v4().to_string(),
    };
    seed_users(&mut user, seed, &data_id).await?;
    seed_pay(&mut pay, &data_id).await?;
    // Last: an order database that knows its identity says that all of the data is complete.
    seed_products(&mut order, seed, &data_id).await?;
    for connection in [user, order, pay] {
        connection.close().await?;
    }
    Ok(data_id)
}

/// Identity of the data behind a source, made when it was seeded; histories name it.
pub async fn data_id(sources: &DataSources) -> Result<String, StoreError> {
    let mut connection = read_only(&sources.order).await?;
    let data_id = identity(&mut connection).await?;
    connection.close().await?;
    data_id.ok_or(StoreError::Sql(sqlx::Error::RowNotFound))
}

async fn open(source: &str, service: &str) -> Result<SqliteConnection, StoreError> {
    let options: SqliteConnectOptions = options(source)?.create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    Migrator::with_migrations(migrations(service)).run_direct(None, &mut connection, false).await?;
    Ok(connection)
}

/// The embedded files of a service: `0001_users.sql` is version 1, `users`.
fn migrations(service: &str) -> Vec<Migration> {
    let files = MIGRATIONS.get_dir(service).into_iter().flat_map(Dir::files);
    files
        .filter_map(|file| {
            let (version, description) = file.path().file_stem()?.to_str()?.split_once('_')?;
            let text = file.contents_utf8()?;
            let kind = MigrationType::Simple;
            let sql = sqlx::SqlStr::from_static(text);
            Some(Migration::new(version.parse().ok()?, description.to_owned().into(), kind, sql, false))
        })
        .collect()
}

/// A connection that changes nothing.
pub(crate) async fn read_only(source: &str) -> Result<SqliteConnection, StoreError> {
    // `query_only` instead of a read-only file: a reader of a write-ahead log must be able to make its shared memory.
    let options = options(source)?.pragma("query_only", "1");
    Ok(SqliteConnection::connect_with(&options).await?)
}

/// The identity that a database remembers.
pub(crate) async fn identity(connection: &mut SqliteConnection) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT value FROM meta WHERE key = 'data_id'").fetch_optional(connection).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

async fn seed_users(connection: &mut SqliteConnection, seed: &Seed, data_id: &str) -> Result<(), StoreError> {
    if identity(connection).await?.is_some() {
        return Ok(());
    }
    let hash = seed::password_hash()?;
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    // One statement for all rows: the list travels as JSON.
    sqlx::query(
        "INSERT INTO users (id, name, mobile, password_hash, vip, created_unix_ms)
         SELECT value ->> 'id', value ->> 'name', value ->> 'mobile', ?, value ->> 'vip', ? FROM json_each(?)",
    )
    .bind(hash)
    .bind(unix_ms())
    .bind(seed::as_json(&seed.users()))
    .execute(&mut *tx)
    .await?;
    remember(&mut tx, data_id).await?;
    Ok(tx.commit().await?)
}

async fn seed_products(connection: &mut SqliteConnection, seed: &Seed, data_id: &str) -> Result<(), StoreError> {
    if identity(connection).await?.is_some() {
        return Ok(());
    }
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query(
        "INSERT INTO products (id, name, description, price, initial, available)
         SELECT value ->> 'id', value ->> 'name', value ->> 'description', value ->> 'price', ?1, ?1 FROM json_each(?2)",
    )
    .bind(seed.stock)
    .bind(seed::as_json(&seed.products()))
    .execute(&mut *tx)
    .await?;
    remember(&mut tx, data_id).await?;
    Ok(tx.commit().await?)
}

async fn seed_pay(connection: &mut SqliteConnection, data_id: &str) -> Result<(), StoreError> {
    if identity(connection).await?.is_some() { Ok(()) } else { remember(connection, data_id).await }
}

async fn remember(connection: &mut SqliteConnection, data_id: &str) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO meta (key, value) VALUES ('data_id', ?)")
        .bind(data_id.to_owned())
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn count(source: &str, text: &'static str) -> i64 {
        let mut connection = SqliteConnection::connect_with(&options(source).expect("source")).await.expect("opens");
        sqlx::query(text).fetch_one(&mut connection).await.expect("counts").get(0)
    }

    #[tokio::test]
    async fn migrating_twice_changes_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let sources = DataSources::in_folder(folder.path());
        let first = prepare(&sources, &Seed::default()).await.expect("prepares");
        let config = ServiceConfig { data_source: sources.pay.clone().into(), ..ServiceConfig::new("migrate") };
        let second = migrate_and_seed(&config).await.expect("prepares again");
        assert_eq!(first, second);
        assert_eq!(data_id(&sources).await.expect("reads"), first);
        assert_eq!(count(&sources.user, "SELECT count(*) FROM users").await, 1_000);
        assert_eq!(count(&sources.order, "SELECT count(*) FROM products WHERE available = 1000000").await, 200);
    }

    #[tokio::test]
    async fn a_missing_database_is_not_made_by_reading() {
        let folder = tempfile::tempdir().expect("folder");
        let sources = DataSources::in_folder(folder.path());
        assert!(data_id(&sources).await.is_err());
        assert!(!folder.path().join("order.db").exists());
    }
}
