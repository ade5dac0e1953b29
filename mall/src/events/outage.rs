//! How background work behaves while what it needs is away: it waits ever longer, and says so once.

use std::time::Duration;

use tokio::time::Instant;

const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Failures in a row.
#[derive(Debug)]
pub struct Outage {
    work: &'static str,
    began: Option<Instant>,
    failures: u32,
}

impl Outage {
    /// None so far. `work` says in logs what does not get done, such as `outbox is not drained`.
    pub fn none(work: &'static str) -> Self {
        Self { work, began: None, failures: 0 }
    }

    /// One more failure; answers how long to wait. Only the first of a row is logged.
    pub fn failed(&mut self, why: &str) -> Duration {
        if self.began.is_none() {
            self.began = Some(Instant::now());
            tracing::warn!(why, "{}: trying again until it is", self.work);
        }
        // Twice as long each time.
        let pause = SHORTEST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// It worked; the end of an outage is logged.
    pub fn over(&mut self) {
        let Some(began) = self.began.take() else { return };
        let (work, failures) = (self.work, self.failures);
        tracing::info!(outage_ms = began.elapsed().as_millis(), failures, "no longer: {work}");
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_grow_and_begin_again() {
        let mut outage = Outage::none("nothing is read");
        let waits: Vec<_> = (0..8).map(|_| outage.failed("refused").as_millis()).collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
        outage.over();
        assert_eq!(outage.failed("refused"), SHORTEST);
    }
}
