//! Why a look-up has no outcome.

use std::sync::Arc;

use crate::redis::RedisError;
use crate::store::StoreError;

/// A look-up that failed. All who waited for it are told the same.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CacheError {
    /// The cache did not answer; the database was not asked.
    #[error("the cache failed, and the database is not asked instead: {0}")]
    Node(#[from] RedisError),
    /// The database did not answer.
    #[error(transparent)]
    Query(Arc<StoreError>),
    /// The row cannot be written as JSON, or was shared in a form that cannot be read.
    #[error("a row has no JSON form: {0}")]
    Form(String),
}
