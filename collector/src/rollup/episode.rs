//! Trips of a breaker, told as episodes.
//!
//! A trip is the drop ratio going from at most 0 to above 0; an episode lasts from a trip until the ratio has been at
//! most 0 for one second, and ends where that second began. People are shown episodes, because around the threshold a
//! ratio flutters. Three witnesses tell of a trip: the span that tipped the breaker (exact time), the ratio gauge and the
//! trip counter (to the second of an export). They may arrive in any order.

/// How long the ratio stays at most 0 before an episode is over.
pub const CALM_NS: u64 = 1_000_000_000;

/// How long a breaker whose gauges fell silent is still taken at its last word.
pub const SILENCE_NS: u64 = 10_000_000_000;

/// What to do with the event of an episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Stay,
    /// An episode began at this time.
    Open(u64),
    /// The episode began earlier than was known.
    Earlier(u64),
    /// The episode ended at this time.
    Close(u64),
}

/// Where a breaker stands. Times are nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Episode {
    begins: Option<u64>,
    calm_since: Option<u64>,
    heard: u64,
    last_end: u64,
}

impl Episode {
    /// Whether one is going on.
    pub fn is_open(&self) -> bool {
        self.begins.is_some()
    }

    /// A witness saw a trip at `at`.
    pub fn tripped(&mut self, at: u64) -> Step {
        self.heard = self.heard.max(at);
        match self.begins {
            Some(begins) if at < begins => {
                self.begins = Some(at);
                Step::Earlier(at)
            }
            Some(_) => {
                // A second trip inside the episode: whatever calm there was is over.
                self.calm_since = self.calm_since.filter(|since| *since >= at);
                Step::Stay
            }
            None if at <= self.last_end => Step::Stay,
            None => {
                self.begins = Some(at);
                self.calm_since = None;
                Step::Open(at)
            }
        }
    }

    /// The gauge said `ratio` at `at`. Gauges of one breaker come in order; an old one is ignored.
    pub fn ratio(&mut self, ratio: f64, at: u64) -> Step {
        if at < self.heard && self.begins.is_none() {
            return Step::Stay;
        }
        if ratio > 0.0 {
            self.calm_since = None;
            return self.tripped(at);
        }
        self.heard = self.heard.max(at);
        match (self.begins, self.calm_since) {
            (Some(begins), None) => {
                self.calm_since = Some(at.max(begins));
                Step::Stay
            }
            (Some(_), Some(since)) if at >= since.saturating_add(CALM_NS) => self.close(since),
            _ => Step::Stay,
        }
    }

    /// Time passes. An episode whose witnesses fell silent ends at their last word.
    pub fn tick(&mut self, now: u64, silence_ns: u64) -> Step {
        if self.begins.is_some() && now >= self.heard.saturating_add(silence_ns) {
            return self.close(self.calm_since.unwrap_or(self.heard));
        }
        Step::Stay
    }

    fn close(&mut self, at: u64) -> Step {
        self.begins = None;
        self.calm_since = None;
        self.last_end = at;
        Step::Close(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn an_episode_lasts_until_a_second_of_calm_and_ends_where_it_began() {
        let mut episode = Episode::default();
        assert_eq!(episode.ratio(0.0, S), Step::Stay);
        assert_eq!(episode.tripped(2 * S), Step::Open(2 * S));
        assert_eq!(episode.ratio(0.3, 3 * S), Step::Stay);
        assert_eq!(episode.ratio(-0.1, 4 * S), Step::Stay);
        assert_eq!(episode.ratio(0.1, 5 * S), Step::Stay, "fluttering is one episode");
        assert_eq!(episode.ratio(0.0, 6 * S), Step::Stay);
        assert_eq!(episode.ratio(0.0, 7 * S), Step::Close(6 * S));
        assert!(!episode.is_open());
    }

    #[test]
    fn the_exact_time_of_the_span_wins_over_the_export() {
        let mut episode = Episode::default();
        assert_eq!(episode.ratio(0.4, 3 * S), Step::Open(3 * S));
        assert_eq!(episode.tripped(2 * S + 7), Step::Earlier(2 * S + 7));
    }

    #[test]
    fn a_straggling_witness_does_not_reopen_what_is_over() {
        let mut episode = Episode::default();
        episode.tripped(2 * S);
        episode.ratio(0.0, 3 * S);
        assert_eq!(episode.ratio(0.0, 4 * S), Step::Close(3 * S));
        assert_eq!(episode.tripped(2 * S + 5), Step::Stay);
        assert_eq!(episode.tripped(5 * S), Step::Open(5 * S));
    }

    #[test]
    fn a_silent_breaker_is_taken_at_its_last_word() {
        let mut episode = Episode::default();
        episode.tripped(2 * S);
        assert_eq!(episode.tick(3 * S, SILENCE_NS), Step::Stay);
        assert_eq!(episode.tick(12 * S, SILENCE_NS), Step::Close(2 * S));
    }
}
