//! Users as rows.

use std::future::Future;

use serde::{Deserialize, Serialize};

use crate::store::{Database, Row, Statement, StoreError, statement, unix_ms};

/// A user as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Primary key.
    pub id: i64,
    /// Display name.
    pub name: String,
    /// Unique.
    pub mobile: String,
    /// argon2id, in its own text form.
    pub password_hash: String,
    /// A favoured user.
    pub vip: bool,
}

/// Who a user is: what may be told, and kept in a cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Primary key.
    pub id: i64,
    /// Display name.
    pub name: String,
    /// Unique.
    pub mobile: String,
    /// A favoured user.
    pub vip: bool,
}

impl From<UserRow> for Profile {
    fn from(row: UserRow) -> Self {
        Self { id: row.id, name: row.name, mobile: row.mobile, vip: row.vip }
    }
}

/// A user to store.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Display name.
    pub name: String,
    /// Unique.
    pub mobile: String,
    /// argon2id, in its own text form.
    pub password_hash: String,
}

/// Where users are kept.
pub trait UserRepository: Send + Sync + 'static {
    /// The user with this id.
    fn find(&self, id: i64) -> impl Future<Output = Result<Option<UserRow>, StoreError>> + Send;
    /// Who the user with this id is.
    fn profile(&self, id: i64) -> impl Future<Output = Result<Option<Profile>, StoreError>> + Send {
        async move { Ok(self.find(id).await?.map(Profile::from)) }
    }
    /// The user with this mobile number.
    fn find_by_mobile(&self, mobile: &str) -> impl Future<Output = Result<Option<UserRow>, StoreError>> + Send;
    /// Stores a user and answers its id; [`StoreError::Unique`] when the mobile number is taken.
    fn insert(&self, user: NewUser) -> impl Future<Output = Result<i64, StoreError>> + Send;
}

static FIND: Statement =
    statement!("SELECT", "users", "SELECT id, name, mobile, password_hash, vip FROM users WHERE id = ?");
static FIND_BY_MOBILE: Statement =
    statement!("SELECT", "users", "SELECT id, name, mobile, password_hash, vip FROM users WHERE mobile = ?");
static INSERT: Statement = statement!(
    "INSERT",
    "users",
    "INSERT INTO users (name, mobile, password_hash, created_unix_ms) VALUES (?, ?, ?, ?)"
);

/// Users in an SQL database.
#[derive(Clone)]
pub struct SqlUsers {
    db: Database,
}

impl SqlUsers {
    /// Over an open database.
    pub fn new(db: Database) -> Self {
        Self { db }
    }

    /// Makes the first call as fast as any other.
    pub async fn warm(&self) -> Result<(), StoreError> {
        let reads = || vec![FIND.query().bind(1_i64), FIND_BY_MOBILE.query().bind("")];
        self.db.warm(reads, &[&INSERT]).await
    }
}

impl UserRepository for SqlUsers {
    async fn find(&self, id: i64) -> Result<Option<UserRow>, StoreError> {
        let row = self.db.fetch_optional(FIND.query().bind(id)).await?;
        row.as_ref().map(from_row).transpose()
    }

    async fn find_by_mobile(&self, mobile: &str) -> Result<Option<UserRow>, StoreError> {
        let row = self.db.fetch_optional(FIND_BY_MOBILE.query().bind(mobile.to_owned())).await?;
        row.as_ref().map(from_row).transpose()
    }

    async fn insert(&self, user: NewUser) -> Result<i64, StoreError> {
        let query = INSERT.query().bind(user.name).bind(user.mobile).bind(user.password_hash).bind(unix_ms());
        Ok(self.db.execute(query).await?.last_id)
    }
}

fn from_row(row: &Row) -> Result<UserRow, StoreError> {
    Ok(UserRow {
        id: row.get("id")?,
        name: row.get("name")?,
        mobile: row.get("mobile")?,
        password_hash: row.get("password_hash")?,
        vip: row.get("vip")?,
    })
}
