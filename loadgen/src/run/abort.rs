//! When a run stops itself.

/// Seconds of errors that end a run.
const SECONDS: usize = 10;
/// Requests that these seconds must hold, so that a quiet second cannot end a run.
const FEWEST: u64 = 20;

/// Watches the share of unexpected failures on targets beyond loopback: half of all requests for ten seconds ends it.
#[derive(Debug, Default)]
pub struct AbortRule {
    seconds: std::collections::VecDeque<(u64, u64)>,
}

impl AbortRule {
    /// Takes a second's requests and failures; tells why to stop, if so.
    pub fn second(&mut self, requests: u64, failed: u64) -> Option<String> {
        self.seconds.push_back((requests, failed));
        if self.seconds.len() > SECONDS {
            self.seconds.pop_front();
        }
        let requests: u64 = self.seconds.iter().map(|(requests, _)| requests).sum();
        let each = self.seconds.iter().all(|(requests, failed)| *requests > 0 && failed * 2 >= *requests);
        (self.seconds.len() == SECONDS && requests >= FEWEST && each)
            .then(|| format!("half of all requests failed for {SECONDS} s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_errors_for_ten_seconds_end_a_run() {
        let mut rule = AbortRule::default();
        assert!((0..9).all(|_| rule.second(100, 50).is_none()));
        assert!(rule.second(100, 50).is_some());
    }

    #[test]
    fn one_good_second_begins_anew() {
        let mut rule = AbortRule::default();
        for _ in 0..9 {
            rule.second(100, 90);
        }
        assert!(rule.second(100, 10).is_none());
        assert!((0..9).all(|_| rule.second(100, 90).is_none()));
        assert!(rule.second(100, 90).is_some());
    }
}
