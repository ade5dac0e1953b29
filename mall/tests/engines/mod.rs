//! Tests of what every kind of database must guarantee: each test runs on SQLite, and on a MySQL server where one is given.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::future::Future;
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use libtest_mimic::Trial;
use mall::config::ServiceConfig;
use mall::seed::Seed;
use mall::store::{DataSources, prepare};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection};

use crate::servers::{Server, test};
use crate::shop::Data;

/// A kind of database, and what was made of it for one test.
#[derive(Clone)]
pub struct Engine {
    /// URL of a server; `None` for files.
    server: Option<String>,
    made: Arc<Mutex<Vec<String>>>,
}

impl Engine {
    /// Files.
    pub fn sqlite() -> Self {
        Self { server: None, made: Arc::default() }
    }

    /// Databases of a server.
    pub fn mysql(server: String) -> Self {
        Self { server: Some(server), made: Arc::default() }
    }

    pub fn is_mysql(&self) -> bool {
        self.server.is_some()
    }

    /// A small shop: 10 users, 5 products, this many pieces of each.
    pub async fn data(&self, stock: i64) -> Data {
        let data = Data::unprepared(|folder| self.sources(folder));
        let id = prepare(&data.sources, &Seed { users: 10, products: 5, stock }).await.expect("prepares");
        Data { id, ..data }
    }

    /// Names that nobody uses.
    pub fn sources(&self, folder: &std::path::Path) -> DataSources {
        let Some(server) = &self.server else { return DataSources::in_folder(folder) };
        let prefix = format!("t{}", uuid::Uuid::new_v4().simple());
        self.made.lock().expect("not poisoned").push(prefix.clone());
        DataSources::around(&format!("{server}/{prefix}")).expect("understood")
    }

    /// Removes what was made on the server.
    pub async fn clean(&self) {
        let Some(server) = &self.server else { return };
        let mut connection = MySqlConnection::connect(server).await.expect("connects");
        let made = std::mem::take(&mut *self.made.lock().expect("not poisoned"));
        for database in made.iter().flat_map(|prefix| ["user", "order", "pay"].map(|name| format!("{prefix}_{name}"))) {
            let drop = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {database}"));
            sqlx::raw_sql(drop).execute(&mut connection).await.expect("drops");
        }
    }
}

/// The configuration of a service that uses this database.
pub fn config(name: &str, source: &str) -> ServiceConfig {
    ServiceConfig { data_source: source.into(), ..ServiceConfig::new(name) }
}

/// The test on SQLite and on a server.
pub fn on_each<F>(name: &str, body: fn(Engine) -> F) -> Vec<Trial>
where
    F: Future<Output = ()> + 'static,
{
    let files = test(&format!("sqlite: {name}"), &[], move || body(Engine::sqlite()));
    std::iter::once(files).chain(on_mysql(name, body)).collect()
}

/// The test on a server alone.
pub fn on_mysql<F>(name: &str, body: fn(Engine) -> F) -> Vec<Trial>
where
    F: Future<Output = ()> + 'static,
{
    let on_server = move || async move {
        let engine = Engine::mysql(Server::Mysql.address());
        let outcome = std::panic::AssertUnwindSafe(body(engine.clone())).catch_unwind().await;
        engine.clean().await;
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    };
    vec![test(&format!("mysql: {name}"), &[Server::Mysql], on_server)]
}

/// Makes trials of test functions, which name them: `trials!(on_each: a, b)`, `trials!(on_mysql: c)`.
#[allow(unused_macros, reason = "each test binary uses some of it")]
macro_rules! trials {
    ($place:ident: $($name:ident),+ $(,)?) => {
        Vec::from_iter([$($crate::engines::$place(stringify!($name), $name)),+].into_iter().flatten())
    };
}
#[allow(unused_imports, reason = "each test binary uses some of it")]
pub(crate) use trials;
