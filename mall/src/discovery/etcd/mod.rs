//! etcd v3 with go-zero's layout: a replica stands at `<Key>/<lease>`, its value is host:port.
//!
//! [`Cluster`] holds one connection to one member at a time, which everything in the process shares. [`announce`] keeps a
//! replica there, [`follow`] copies the replicas of a key into a list. Both begin anew a second after any loss.

mod cluster;
mod registration;
mod view;
mod watcher;

pub(super) use cluster::Cluster;
pub(super) use registration::announce;
pub(super) use watcher::follow;

use std::time::Duration;

/// One answer.
const ANSWER: Duration = Duration::from_secs(3);
/// Pause before anything is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Why work with etcd has to begin anew.
#[derive(Debug, thiserror::Error)]
enum Lost {
    /// The member does not answer, or answers with an error.
    #[error("{}", .0.message())]
    Member(#[from] tonic::Status),
    /// The lease ended or was revoked.
    #[error("the lease is gone")]
    Lease,
    /// What was to be watched is no longer kept.
    #[error("revisions before {0} are compacted")]
    Compacted(i64),
}

/// The first key after all that begin with `prefix`, which is not empty and ends with an ASCII character.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

/// A pause of a second, up to 5 % more or less, so that the processes of a shop do not come back all at once.
fn pause() -> tokio::time::Sleep {
    tokio::time::sleep(PAUSE.mul_f64(rand::random_range(0.95..1.05)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_prefix_ends_before_its_neighbour() {
        assert_eq!(super::end_of("user.rpc/"), b"user.rpc0");
    }
}
