//! Users beside their database.

use super::{NewUser, Profile, UserRepository, UserRow};
use crate::cache::Cache;
use crate::store::StoreError;

/// Any repository with a cache in front of its profiles.
///
/// Who a user is never changes, so a profile may be in every process's memory. A password's hash is in no cache: it is no
/// part of a profile, and a login reads it from the database, where it is safe and rarely wanted.
pub struct CachedUsers<R> {
    users: R,
    cache: Cache,
}

impl<R> CachedUsers<R> {
    /// A cache in front of `users`.
    pub fn new(users: R, cache: Cache) -> Self {
        Self { users, cache }
    }
}

impl<R: UserRepository> UserRepository for CachedUsers<R> {
    async fn find(&self, id: i64) -> Result<Option<UserRow>, StoreError> {
        self.users.find(id).await
    }

    async fn profile(&self, id: i64) -> Result<Option<Profile>, StoreError> {
        Ok(self.cache.take(&self.cache.key("id", id), self.users.profile(id)).await?)
    }

    async fn find_by_mobile(&self, mobile: &str) -> Result<Option<UserRow>, StoreError> {
        self.users.find_by_mobile(mobile).await
    }

    /// Writes the new profile over what the cache may have remembered: that there is no such user. Somebody who has just
    /// registered can order at once.
    async fn insert(&self, user: NewUser) -> Result<i64, StoreError> {
        let (name, mobile) = (user.name.clone(), user.mobile.clone());
        let id = self.users.insert(user).await?;
        self.cache.put(&self.cache.key("id", id), &Profile { id, name, mobile, vip: false }).await;
        Ok(id)
    }
}
