//! Password hashing, kept from blocking everything else.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use tokio::sync::Semaphore;

use crate::error::{AppError, AppResult, ErrorCode};

/// How many hashes are computed at a time in one process: each takes a core for about 20 ms, and 19 MiB.
const AT_ONCE: usize = 2;

/// Hashes and checks passwords (argon2id) on the blocking pool, a few at a time.
#[derive(Debug, Clone)]
pub struct Passwords {
    slots: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { slots: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Passwords {
    /// The hash to store for a password.
    pub async fn hash(&self, password: String) -> AppResult<String> {
        self.compute(move || {
            let salt = SaltString::generate(&mut OsRng);
            Argon2::default().hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string())
        })
        .await?
        .map_err(|error| {
            tracing::error!(%error, "password hashing failed");
            AppError::internal()
        })
    }

    /// Whether the password is the one behind the hash. A missing hash costs the same time, and is never right.
    pub async fn matches(&self, password: String, hash: Option<String>) -> AppResult<bool> {
        self.compute(move || {
            let Some(hash) = hash else {
                let salt = SaltString::generate(&mut OsRng);
                let _same_cost = Argon2::default().hash_password(password.as_bytes(), &salt);
                return false;
            };
            PasswordHash::new(&hash)
                .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
        })
        .await
    }

    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> AppResult<T> {
        let slot = self.slots.clone().acquire_owned().await.map_err(|_| AppError::internal())?;
        let run = move || {
            let outcome = work();
            drop(slot);
            outcome
        };
        tokio::task::spawn_blocking(run)
            .await
            .map_err(|_| AppError::new(ErrorCode::Internal, "password hashing was interrupted"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_matches() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse".into()).await.expect("hashes");
        assert!(passwords.matches("correct horse".into(), Some(hash.clone())).await.expect("checks"));
        assert!(!passwords.matches("battery staple".into(), Some(hash)).await.expect("checks"));
        assert!(!passwords.matches("anything".into(), None).await.expect("checks"));
        assert!(!passwords.matches("anything".into(), Some("no hash".into())).await.expect("checks"));
    }
}
