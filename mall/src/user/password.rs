//! Password hashing, kept from blocking everything else.

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use tokio::sync::{mpsc, oneshot};

use crate::error::{AppError, AppResult, ErrorCode};

/// How many hashes may wait; who comes later waits for a place.
const WAITING: usize = 256;

type Job = Box<dyn FnOnce() + Send>;

/// Hashes and checks passwords (argon2id) on a thread of its own, one at a time.
///
/// A hash takes a core for about 20 ms, and 19 MiB. A pool of threads would keep that much for each of its threads,
/// because an allocator does not give large blocks back from every thread's heap.
#[derive(Debug, Clone)]
pub struct Passwords {
    jobs: mpsc::Sender<Job>,
}

impl Default for Passwords {
    fn default() -> Self {
        let (jobs, mut queue) = mpsc::channel::<Job>(WAITING);
        std::thread::spawn(move || {
            while let Some(job) = queue.blocking_recv() {
                job();
            }
        });
        Self { jobs }
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
        let interrupted = || AppError::new(ErrorCode::Internal, "password hashing was interrupted");
        let (reply, answer) = oneshot::channel();
        let job = move || {
            // Whoever asked may have given up meanwhile.
            let _ = reply.send(work());
        };
        self.jobs.send(Box::new(job)).await.map_err(|_| interrupted())?;
        answer.await.map_err(|_| interrupted())
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
