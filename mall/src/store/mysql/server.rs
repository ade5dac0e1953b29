//! Where a server is, from a URL or from a data source name as Go's driver has it.

use std::str::FromStr;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{ConnectOptions as _, Executor as _};

use super::wait::answer;
use crate::store::StoreError;

const SCHEME: &str = "mysql://";
const PORT: u16 = 3306;
/// How long a server may take to let a client in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// What each session is told. READ COMMITTED: every statement sees what is committed, so that a condition that waited for
/// a lock is judged by the row as it is now, and no gaps are locked. Strict: a value that does not fit is an error. A lock
/// is waited for half as long as a request may take, so that there is time to say that it was not to be had.
const SESSION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
     SET SESSION innodb_lock_wait_timeout = 1, SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')";

/// Parameters of Go's driver that change nothing here: times are whole numbers, text is utf8mb4, timeouts are the pool's.
const WITHOUT_EFFECT: [&str; 14] = [
    "allowCleartextPasswords",
    "allowNativePasswords",
    "charset",
    "checkConnLiveness",
    "clientFoundRows",
    "collation",
    "interpolateParams",
    "loc",
    "maxAllowedPacket",
    "multiStatements",
    "parseTime",
    "readTimeout",
    "timeout",
    "writeTimeout",
];

/// A server, and the database of it that is meant.
#[derive(Debug, Clone)]
pub(in crate::store) struct Server {
    pub(super) options: MySqlConnectOptions,
    /// host:port, for errors.
    pub(in crate::store) address: String,
    /// Empty when the source names none.
    pub(in crate::store) database: String,
}

impl Server {
    /// From `mysql://user:pass@host:3306/name` or `user:pass@tcp(host:3306)/name?parseTime=true`.
    pub(in crate::store) fn parse(source: &str) -> Result<Self, StoreError> {
        let unknown = || StoreError::Source(without_password(source));
        let (place, parameters) = source.split_once('?').unwrap_or((source, ""));
        let options = match place.strip_prefix(SCHEME) {
            Some(_) => MySqlConnectOptions::from_str(place).map_err(|_| unknown())?,
            None => of_go(place).ok_or_else(unknown)?,
        };
        let database = options.get_database().unwrap_or_default().to_owned();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if options.get_host().is_empty() || database.len() > 60 || !database.bytes().all(plain) {
            return Err(unknown());
        }
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            understood(parameter)?;
        }
        let address = format!("{}:{}", options.get_host(), options.get_port());
        let options = options.charset("utf8mb4").ssl_mode(MySqlSslMode::Disabled).statement_cache_capacity(64);
        Ok(Self { options, address, database })
    }

    /// The same server without a database, to make one.
    pub(in crate::store) fn without_database(&self) -> Self {
        // There is no way to take a name back; the one that every server has needs no rights.
        let options = self.options.clone().database("information_schema");
        Self { options, database: String::new(), ..self.clone() }
    }
}

/// `user:pass@tcp(host:3306)/name`, without its parameters; the password may contain anything.
fn of_go(place: &str) -> Option<MySqlConnectOptions> {
    let (address, database) = place.rsplit_once('/')?;
    let (login, address) = address.rsplit_once("tcp(").map_or(("", address), |(login, address)| (login, address));
    let address = address.strip_suffix(')')?;
    let login = login.strip_suffix('@').unwrap_or(login);
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (address, PORT),
    };
    let options = MySqlConnectOptions::new().host(host).port(port).username(user);
    let options = if database.is_empty() { options } else { options.database(database) };
    Some(if password.is_empty() { options } else { options.password(password) })
}

fn understood(parameter: &str) -> Result<(), StoreError> {
    let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    match (key, value.to_ascii_lowercase().as_str()) {
        ("tls", "false" | "preferred") | ("ssl-mode" | "sslmode", "disabled" | "preferred") => Ok(()),
        ("tls" | "ssl-mode" | "sslmode", _) => Err(StoreError::Unsupported(format!(
            "data source asks for `{parameter}`: connections to databases are not encrypted; take it away, and use a \
             private network or a tunnel"
        ))),
        (key, _) if WITHOUT_EFFECT.contains(&key) => Ok(()),
        _ => Err(StoreError::Unsupported(format!("data source has an unknown parameter `{parameter}`: take it away"))),
    }
}

/// The same source with another database.
pub(in crate::store) fn with_database(source: &str, database: &str) -> String {
    let (place, parameters) = source.split_once('?').map_or((source, None), |(place, rest)| (place, Some(rest)));
    let (scheme, rest) = place.strip_prefix(SCHEME).map_or(("", place), |rest| (SCHEME, rest));
    let server = rest.rsplit_once('/').map_or(rest, |(server, _)| server);
    let parameters = parameters.map(|parameters| format!("?{parameters}")).unwrap_or_default();
    format!("{scheme}{server}/{database}{parameters}")
}

/// What may be shown of a source: nothing before the last `@`.
pub(in crate::store) fn without_password(source: &str) -> String {
    source.rsplit_once('@').map_or_else(|| source.to_owned(), |(_, place)| format!("…@{place}"))
}

/// One connection, its session prepared.
pub(in crate::store) async fn connect(server: &Server) -> Result<MySqlConnection, StoreError> {
    let connecting = async {
        let mut connection = server.options.connect().await?;
        connection.execute(SESSION).await?;
        Ok::<_, sqlx::Error>(connection)
    };
    answer(CONNECT_TIMEOUT, connecting).await.map_err(|error| at(&server.address, error))
}

/// Names the server in an error about reaching it.
pub(super) fn at(address: &str, error: StoreError) -> StoreError {
    match error {
        StoreError::Unreachable(why) => StoreError::Unreachable(format!("{address}: {why}")),
        StoreError::Refused(why) => StoreError::Refused(format!("{address}: {why}")),
        StoreError::Unprepared(why) => StoreError::Unprepared(format!("{address}: {why}")),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(source: &str) -> (String, String, String) {
        let server = Server::parse(source).expect("understood");
        (server.options.get_username().to_owned(), server.address, server.database)
    }

    fn triple(user: &str, address: &str, database: &str) -> (String, String, String) {
        (user.to_owned(), address.to_owned(), database.to_owned())
    }

    #[test]
    fn both_forms_name_the_same_server() {
        assert_eq!(parsed("mysql://shop:s%40c@db:3307/mall_pay"), triple("shop", "db:3307", "mall_pay"));
        let go = "shop:s@c:r/e?t@tcp(db:3307)/mall_pay";
        assert!(Server::parse(go).is_err(), "a question mark begins the parameters");
        let go = "shop:s@c:r/et@tcp(db:3307)/mall_pay?charset=utf8mb4&parseTime=True&loc=Asia%2FShanghai";
        assert_eq!(parsed(go), triple("shop", "db:3307", "mall_pay"));
        assert_eq!(parsed("mysql://root@db"), triple("root", "db:3306", ""));
        assert_eq!(parsed("root@tcp(db)/"), triple("root", "db:3306", ""));
    }

    #[test]
    fn what_is_not_understood_is_refused_without_its_password() {
        for source in ["shop:hunter2@db/mall", "mysql://shop:hunter2@db/no spaces", "shop:hunter2@tcp(db:x)/mall"] {
            let message = Server::parse(source).expect_err("refused").to_string();
            assert!(message.contains("tcp(host:3306)") && !message.contains("hunter2"), "{message}");
        }
        let message = Server::parse("mysql://db/mall?tls=true").expect_err("refused").to_string();
        assert!(message.contains("not encrypted"), "{message}");
        let message = Server::parse("a@tcp(db:1)/mall?parsTime=true").expect_err("refused").to_string();
        assert!(message.contains("`parsTime=true`"), "{message}");
    }

    #[test]
    fn another_database_of_the_same_server() {
        assert_eq!(with_database("mysql://a:b@db:1", "x"), "mysql://a:b@db:1/x");
        assert_eq!(with_database("mysql://a:b@db:1/y?tls=false", "x"), "mysql://a:b@db:1/x?tls=false");
        assert_eq!(with_database("a:b/c@tcp(db:1)/y?parseTime=true", "x"), "a:b/c@tcp(db:1)/x?parseTime=true");
    }
}
