//! What was published and is not remembered as delivered: decisions without I/O.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// A message that is not confirmed for this long may be lost: it is looked for.
const DOUBT: Duration = Duration::from_secs(2);
/// A message that lies in the stream for this long is published again though it is there: whatever became of the consumers'
/// own state, the event gets through.
const GIVE_UP: Duration = Duration::from_secs(30);

/// Messages of one publisher, by event. Holds at most a batch: what the outbox no longer offers is forgotten.
#[derive(Debug, Default)]
pub struct Outstanding {
    messages: HashMap<String, Sent>,
}

#[derive(Debug)]
struct Sent {
    /// Id of the message in the stream.
    entry: String,
    at: Instant,
    looked_for: Instant,
    confirmed: bool,
}

impl Outstanding {
    /// Forgets every event that is not among these.
    pub fn keep<'a>(&mut self, events: impl Iterator<Item = &'a str>) {
        let mut kept = HashMap::with_capacity(self.messages.len());
        for event in events {
            kept.extend(self.messages.remove_entry(event));
        }
        self.messages = kept;
    }

    /// An event was published as this entry.
    pub fn sent(&mut self, event: &str, entry: String, now: Instant) {
        self.messages.insert(event.to_owned(), Sent { entry, at: now, looked_for: now, confirmed: false });
    }

    /// The order service has an event; false when it was not waited for.
    pub fn confirm(&mut self, event: &str) -> bool {
        let waiting = self.messages.get_mut(event).filter(|sent| !sent.confirmed);
        waiting.map(|sent| sent.confirmed = true).is_some()
    }

    /// Whether an event must be published.
    pub fn lacks(&self, event: &str) -> bool {
        !self.messages.contains_key(event)
    }

    /// Whether an event is confirmed.
    pub fn is_confirmed(&self, event: &str) -> bool {
        self.messages.get(event).is_some_and(|sent| sent.confirmed)
    }

    /// Whether anything waits for its confirmation.
    pub fn waits(&self) -> bool {
        self.messages.values().any(|sent| !sent.confirmed)
    }

    /// Events and entries that must be looked for in the stream now.
    pub fn doubtful(&self, now: Instant) -> Vec<(String, String)> {
        let doubtful = self.messages.iter().filter(|(_, sent)| !sent.confirmed && now >= sent.looked_for + DOUBT);
        doubtful.map(|(event, sent)| (event.clone(), sent.entry.clone())).collect()
    }

    /// An event was looked for. True when it is to be published again, because its message is gone unconfirmed or lay too long.
    pub fn found(&mut self, event: &str, there: bool, now: Instant) -> bool {
        let Some(sent) = self.messages.get_mut(event).filter(|sent| !sent.confirmed) else { return false };
        sent.looked_for = now;
        let lost = !there || now >= sent.at + GIVE_UP;
        if lost {
            self.messages.remove(event);
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_confirmed_event_is_never_doubted() {
        let start = Instant::now();
        let mut outstanding = Outstanding::default();
        outstanding.sent("a", "1-0".to_owned(), start);
        assert!(!outstanding.lacks("a") && outstanding.waits() && !outstanding.is_confirmed("a"));
        assert!(outstanding.confirm("a"));
        assert!(!outstanding.confirm("a"), "the second confirmation is nothing");
        assert!(!outstanding.confirm("b"), "it was not waited for");
        assert!(outstanding.is_confirmed("a") && !outstanding.waits());
        assert!(outstanding.doubtful(after(start, 100)).is_empty());
        assert!(!outstanding.found("a", false, after(start, 100)));
    }

    #[test]
    fn a_message_that_is_gone_is_published_again() {
        let start = Instant::now();
        let mut outstanding = Outstanding::default();
        outstanding.sent("a", "1-0".to_owned(), start);
        assert!(outstanding.doubtful(after(start, 1)).is_empty());
        assert_eq!(outstanding.doubtful(after(start, 2)), [("a".to_owned(), "1-0".to_owned())]);
        assert!(outstanding.found("a", false, after(start, 2)));
        assert!(outstanding.lacks("a"));
    }

    #[test]
    fn a_message_that_is_there_is_waited_for_but_not_for_ever() {
        let start = Instant::now();
        let mut outstanding = Outstanding::default();
        outstanding.sent("a", "1-0".to_owned(), start);
        assert!(!outstanding.found("a", true, after(start, 2)));
        assert!(outstanding.doubtful(after(start, 3)).is_empty(), "it was looked for a second ago");
        assert!(!outstanding.found("a", true, after(start, 29)));
        assert!(outstanding.found("a", true, after(start, 31)));
    }

    #[test]
    fn what_the_outbox_no_longer_offers_is_forgotten() {
        let start = Instant::now();
        let mut outstanding = Outstanding::default();
        outstanding.sent("a", "1-0".to_owned(), start);
        outstanding.sent("b", "2-0".to_owned(), start);
        outstanding.keep(["b", "c"].into_iter());
        assert!(outstanding.lacks("a") && !outstanding.lacks("b") && outstanding.lacks("c"));
    }
}
