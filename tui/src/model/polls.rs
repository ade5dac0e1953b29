//! Which questions a screen asks again and again, and when.
//!
//! A question is asked when a delta says that something changed, at most once a second, and never while its last answer
//! is under way: a slow collector gets fewer questions, not a queue of them.

use std::collections::HashMap;

use super::data::SECOND_NS;
use crate::Screen;

/// A question that is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Poll {
    /// Where the slowest requests spent their time.
    Attribution,
    /// Where those of a moment in the past did.
    Past,
    /// The list of traces.
    Traces,
    /// Operations and edges.
    Services,
    /// Balance.
    Balance,
    /// Breakers.
    Breakers,
    /// Shedders and limits.
    Refusals,
    /// Alerts.
    Alerts,
}

/// What a screen needs beyond deltas.
pub fn of_screen(screen: Screen) -> &'static [Poll] {
    match screen {
        Screen::Overview => &[Poll::Attribution],
        Screen::Traces => &[Poll::Traces],
        Screen::Services => &[Poll::Services],
        Screen::Resilience => &[Poll::Balance, Poll::Breakers, Poll::Refusals],
        Screen::Load => &[],
        Screen::Alerts => &[Poll::Alerts],
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    asked_ns: u64,
    under_way: bool,
}

/// What is under way.
#[derive(Debug, Clone, Default)]
pub struct Polls {
    states: HashMap<Poll, State>,
}

impl Polls {
    /// Takes the questions that may be asked now, and marks them as under way.
    pub fn take_due(&mut self, wanted: &[Poll], now_ns: u64) -> Vec<Poll> {
        let mut due = Vec::new();
        for poll in wanted {
            let state = self.states.entry(*poll).or_default();
            if !state.under_way && (state.asked_ns == 0 || now_ns >= state.asked_ns.saturating_add(SECOND_NS)) {
                *state = State { asked_ns: now_ns.max(1), under_way: true };
                due.push(*poll);
            }
        }
        due
    }

    /// The answer came, or none will.
    pub fn settle(&mut self, poll: Poll) {
        self.states.entry(poll).or_default().under_way = false;
    }

    /// Makes a question due as soon as its last answer is there.
    pub fn hurry(&mut self, poll: Poll) {
        self.states.entry(poll).or_default().asked_ns = 0;
    }

    /// Makes a question due at once, because the user changed it.
    pub fn hasten(&mut self, poll: Poll) {
        self.states.insert(poll, State::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_never_asked_twice_at_once() {
        let mut polls = Polls::default();
        let wanted = of_screen(Screen::Overview);
        assert_eq!(polls.take_due(wanted, 5), [Poll::Attribution]);
        assert!(polls.take_due(wanted, 10 * SECOND_NS).is_empty());
        polls.settle(Poll::Attribution);
        assert!(polls.take_due(wanted, 6).is_empty());
        assert_eq!(polls.take_due(wanted, 10 * SECOND_NS), [Poll::Attribution]);
    }

    #[test]
    fn haste_does_not_ask_twice_at_once() {
        let mut polls = Polls::default();
        let wanted = [Poll::Past];
        assert_eq!(polls.take_due(&wanted, 5), wanted);
        polls.hurry(Poll::Past);
        assert!(polls.take_due(&wanted, 6).is_empty());
        polls.settle(Poll::Past);
        assert_eq!(polls.take_due(&wanted, 7), wanted);
    }
}
