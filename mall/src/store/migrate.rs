//! Schema: prepared once, before any replica starts.

use include_dir::{Dir, include_dir};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::mysql::MySqlConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::connection::Connection;
use super::mysql::{Server, connect};
use super::source::Source;
use super::{DataSources, StoreError, seeding, sqlite};
use crate::config::ServiceConfig;
use crate::seed::Seed;

static SQLITE: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/migrations/sqlite");
static MYSQL: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/migrations/mysql");

/// Held on a server by whoever prepares its databases; others wait this many seconds for it. MySQL takes 64 characters.
const LOCK: &str = "SELECT get_lock(concat('mallctl ', sha1(?)), 60)";

/// Migrates and seeds the databases around the configuration's data source (see [`DataSources::around`]); what is there
/// already stays as it is. Returns the identity of the data.
pub async fn migrate_and_seed(config: &ServiceConfig) -> Result<String, StoreError> {
    prepare(&DataSources::around(config.source())?, &Seed::default()).await
}

/// As [`migrate_and_seed`], with a seed of one's own (a drill about overselling has little stock).
pub async fn prepare(sources: &DataSources, seed: &Seed) -> Result<String, StoreError> {
    let alone = alone(&sources.order).await?;
    let mut user = open(&sources.user, "user").await?;
    let mut order = open(&sources.order, "order").await?;
    let mut pay = open(&sources.pay, "pay").await?;
    let data_id = match order.identity().await? {
        Some(data_id) => data_id,
        None => uuid::Uuid::new_v4().to_string(),
    };
    seeding::users(&mut user, seed, &data_id).await?;
    seeding::pay(&mut pay, &data_id).await?;
    // Last: an order database that knows its identity says that all of the data is complete.
    seeding::products(&mut order, seed, &data_id).await?;
    for connection in [user, order, pay] {
        connection.close().await?;
    }
    if let Some(connection) = alone {
        connection.close().await?;
    }
    Ok(data_id)
}

/// Identity of the data behind a source, made when it was seeded; histories name it.
pub async fn data_id(sources: &DataSources) -> Result<String, StoreError> {
    let mut connection = Connection::snapshot(&sources.order).await?;
    let data_id = connection.identity().await?;
    connection.close().await?;
    data_id.ok_or(StoreError::Sql(sqlx::Error::RowNotFound))
}

/// On a server, waits until nobody else prepares the same databases; the lock ends with the connection.
async fn alone(source: &str) -> Result<Option<MySqlConnection>, StoreError> {
    let Source::Server(server) = Source::parse(source)? else { return Ok(None) };
    let mut connection = connect(&server.without_database()).await?;
    let row = sqlx::query(LOCK).bind(server.database).fetch_one(&mut connection).await?;
    match row.try_get::<Option<i64>, _>(0)? {
        Some(1) => Ok(Some(connection)),
        _ => Err(StoreError::Busy("somebody else has been preparing the same databases for a minute".to_owned())),
    }
}

/// Opens a service's database, made and migrated where that is needed.
async fn open(source: &str, service: &str) -> Result<Connection, StoreError> {
    match Source::parse(source)? {
        Source::File(path) => {
            let mut connection =
                SqliteConnection::connect_with(&sqlite::options(&path).create_if_missing(true)).await?;
            migrations(&SQLITE, service).run_direct(None, &mut connection, false).await?;
            Ok(Connection::Sqlite(connection))
        }
        Source::Server(server) => {
            let mut connection = match connect(&server).await {
                Err(StoreError::Unprepared(_)) => made(&server).await?,
                outcome => outcome?,
            };
            migrations(&MYSQL, service).run_direct(None, &mut connection, false).await?;
            Ok(Connection::Mysql(connection))
        }
    }
}

/// Makes a database, in which text is compared byte by byte as in SQLite.
async fn made(server: &Server) -> Result<MySqlConnection, StoreError> {
    let mut connection = connect(&server.without_database()).await?;
    let name = &server.database;
    let create = format!("CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
    // The name was checked when the source was parsed: letters, digits, `_`, `-`.
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut connection).await?;
    connection.close().await?;
    connect(server).await
}

/// The embedded files of a service: `0001_users.sql` is version 1, `users`.
fn migrations(dialect: &'static Dir<'static>, service: &str) -> Migrator {
    let files = dialect.get_dir(service).into_iter().flat_map(Dir::files);
    let found = files.filter_map(|file| {
        let (version, description) = file.path().file_stem()?.to_str()?.split_once('_')?;
        let text = file.contents_utf8()?;
        let kind = MigrationType::Simple;
        let sql = sqlx::SqlStr::from_static(text);
        Some(Migration::new(version.parse().ok()?, description.to_owned().into(), kind, sql, false))
    });
    let mut migrator = Migrator::with_migrations(found.collect());
    // Whoever prepares a server's databases is alone already.
    migrator.set_locking(false);
    migrator
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Database, Statement, statement};
    use crate::telemetry::Meters;

    static USERS: Statement = statement!("SELECT", "users", "SELECT count(*) FROM users");
    static STOCKED: Statement =
        statement!("SELECT", "products", "SELECT count(*) FROM products WHERE available = 1000000");

    async fn count(source: &str, statement: &'static Statement) -> i64 {
        let db = Database::open(source, "test", Meters::disabled()).await.expect("opens");
        db.fetch_all(statement.query()).await.expect("counts")[0].at(0).expect("a number")
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
        assert_eq!(count(&sources.user, &USERS).await, 1_000);
        assert_eq!(count(&sources.order, &STOCKED).await, 200);
    }

    #[tokio::test]
    async fn a_missing_database_is_not_made_by_reading() {
        let folder = tempfile::tempdir().expect("folder");
        let sources = DataSources::in_folder(folder.path());
        assert!(data_id(&sources).await.is_err());
        assert!(!folder.path().join("order.db").exists());
    }

    #[test]
    fn both_dialects_have_the_same_migrations() {
        for service in ["user", "order", "pay"] {
            let of = |dialect| {
                migrations(dialect, service)
                    .iter()
                    .map(|one| (one.version, one.description.clone()))
                    .collect::<Vec<_>>()
            };
            assert_eq!(of(&SQLITE), of(&MYSQL), "{service}");
            assert!(!of(&SQLITE).is_empty(), "{service}");
        }
    }
}
