//! The user service: registration, login, and who a user is.
//!
//! It owns the user database and passwords. It issues no tokens: that is the gateway's trade.

mod cached;
mod password;
mod repository;
mod service;

pub use self::cached::CachedUsers;
pub use self::password::Passwords;
pub use self::repository::{NewUser, Profile, SqlUsers, UserRepository, UserRow};
pub use self::service::UserService;

use mall_api::shop::user_server::UserServer;
use tonic::service::Routes;

use crate::cache::Cache;
use crate::context::ServiceContext;
use crate::store::{Database, StoreError};

/// Opens the database and makes what `user-rpc` serves.
pub async fn routes(context: &ServiceContext) -> Result<Routes, StoreError> {
    let db = Database::of(context.config(), "user", context.meters().clone()).await?;
    let users = SqlUsers::new(db);
    users.warm().await?;
    let cache = Cache::on_redis(context, "user").unwrap_or_else(|| Cache::in_memory(context, "user"));
    Ok(Routes::new(UserServer::new(UserService::new(CachedUsers::new(users, cache)))))
}
