//! Which traces stay when not all shall: tail retention.
//!
//! Decided once per trace, when it has fallen quiet and nothing of it is missing, or [`PATIENCE_NS`] later; spans that
//! come after the decision follow it. By then every span was counted, joined and attributed, so that keeping changes no
//! figure. A trace is kept for the first of these reasons that holds:
//!
//! 1. `error`: a span failed;
//! 2. `event`: a breaker tripped or rejected, a shedder or a limit refused, or a fault was injected inside;
//! 3. `slow`: longer than the 99th percentile of the traces with its root operation before it, or than [`SLOW_NS`] unless
//!    it is a lone database call, such as a poll that waits for work;
//! 4. `payment`: a span is the payment step or names a payment;
//! 5. `vip`: a span says `user.vip`;
//! 6. `asked`: a span's `sampling.priority` is above 0;
//! 7. `cited`: it is the slowest of an operation in the last ten seconds, or pinned;
//! 8. `rest`: the last 56 bits of its id, as a number R, reach the rejection threshold T = (1 - ratio) * 2^56.
//!
//! The last rule is OpenTelemetry's consistent probability sampling: no randomness of our own, so that two collectors
//! with one ratio keep the same traces, and what a smaller ratio keeps is part of what a greater one keeps.

use std::fmt;

use collector_api::vocabulary as words;

use crate::model::{Span, TraceId};

/// A trace that takes this long is slow whatever it does: one second.
pub const SLOW_NS: u64 = 1_000_000_000;

/// How long after its last span a trace that misses something is waited for before it is decided on: as long as the
/// load tool's requests wait for their traces.
pub const PATIENCE_NS: u64 = 10_000_000_000;

/// Values of the last seven bytes of a trace id, which the W3C wants to be random.
const RANDOM_VALUES: u64 = 1 << 56;

/// Why a trace is kept; the order is that of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A span failed.
    Error,
    /// An event of a breaker, a shedder, a limit or a fault.
    Event,
    /// Slow for what it does, or slow at all.
    Slow,
    /// It pays.
    Payment,
    /// A VIP asked.
    Vip,
    /// Its `sampling.priority` asks for it.
    Asked,
    /// Figures refer to it.
    Cited,
    /// The ratio took it.
    Rest,
}

impl Reason {
    /// All, in the order of the rules.
    pub const ALL: [Self; 8] =
        [Self::Error, Self::Event, Self::Slow, Self::Payment, Self::Vip, Self::Asked, Self::Cited, Self::Rest];

    /// One word, as consoles and documents say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Event => "event",
            Self::Slow => "slow",
            Self::Payment => "payment",
            Self::Vip => "vip",
            Self::Asked => "asked",
            Self::Cited => "cited",
            Self::Rest => "rest",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Share of the traces without a better reason that stays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Keep {
    ratio: f64,
    threshold: u64,
}

impl Keep {
    /// Everything, as far as the byte budget goes.
    pub const ALL: Self = Self { ratio: 1.0, threshold: 0 };

    /// A ratio from 0 to 1; what lies outside is taken to the nearer end, and no number keeps everything.
    pub fn new(ratio: f64) -> Self {
        if ratio.is_nan() {
            return Self::ALL;
        }
        let ratio = ratio.clamp(0.0, 1.0);
        Self { ratio, threshold: ((1.0 - ratio) * RANDOM_VALUES as f64).round() as u64 }
    }

    /// The ratio.
    pub fn ratio(self) -> f64 {
        self.ratio
    }

    /// Whether nothing is ever dropped.
    pub fn is_all(self) -> bool {
        self.threshold == 0
    }

    /// Whether the ratio takes a trace: R >= T.
    pub fn takes(self, id: TraceId) -> bool {
        id.as_u128() as u64 % RANDOM_VALUES >= self.threshold
    }
}

impl Default for Keep {
    fn default() -> Self {
        Self::ALL
    }
}

/// What is known of a trace when it is decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Spans that failed.
    pub errors: u32,
    /// It holds events of a breaker, a shedder, a limit or a fault.
    pub has_events: bool,
    /// Who wants it.
    pub priority: Priority,
    /// It is slow.
    pub slow: bool,
    /// Figures refer to it.
    pub cited: bool,
}

impl Evidence {
    /// Why the trace stays; `None` when it goes.
    pub fn decide(self, id: TraceId, keep: Keep) -> Option<Reason> {
        let rules = [
            (self.errors > 0, Reason::Error),
            (self.has_events, Reason::Event),
            (self.slow, Reason::Slow),
            (self.priority.contains(Priority::PAYMENT), Reason::Payment),
            (self.priority.contains(Priority::VIP), Reason::Vip),
            (self.priority.contains(Priority::ASKED), Reason::Asked),
            (self.cited, Reason::Cited),
            (keep.takes(id), Reason::Rest),
        ];
        rules.into_iter().find(|(holds, _)| *holds).map(|(_, reason)| reason)
    }
}

/// Who wants a trace to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Priority(u8);

impl Priority {
    /// It pays.
    pub const PAYMENT: Self = Self(1);
    /// A VIP asked.
    pub const VIP: Self = Self(2);
    /// `sampling.priority` asks for it.
    pub const ASKED: Self = Self(4);

    /// What one span says.
    pub fn of(span: &Span) -> Self {
        let mut priority = Self::default();
        if &*span.name == words::INITIATE_PAYMENT_SPAN {
            priority = priority.union(Self::PAYMENT);
        }
        for attribute in &span.attributes {
            let asks = match &*attribute.key {
                words::PAYMENT_ID => Self::PAYMENT,
                words::USER_VIP if attribute.value.as_bool() == Some(true) => Self::VIP,
                words::SAMPLING_PRIORITY if attribute.value.as_float().is_some_and(|value| value > 0.0) => Self::ASKED,
                _ => continue,
            };
            priority = priority.union(asks);
        }
        priority
    }

    /// Both.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it holds all of the other.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nobody wants it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: u128) -> TraceId {
        TraceId::from_u128(number).expect("not zero")
    }

    fn evidence() -> impl Strategy<Value = Evidence> {
        (0_u32..2, any::<bool>(), 0_u8..8, any::<bool>(), any::<bool>()).prop_map(
            |(errors, has_events, priority, slow, cited)| Evidence {
                errors,
                has_events,
                priority: Priority(priority),
                slow,
                cited,
            },
        )
    }

    #[test]
    fn the_first_reason_is_named() {
        let all = Evidence { errors: 1, has_events: true, priority: Priority(7), slow: true, cited: true };
        let without = [
            all,
            Evidence { errors: 0, ..all },
            Evidence { errors: 0, has_events: false, ..all },
            Evidence { priority: Priority(7), cited: true, ..Evidence::default() },
            Evidence { priority: Priority(6), cited: true, ..Evidence::default() },
            Evidence { priority: Priority::ASKED, cited: true, ..Evidence::default() },
            Evidence { cited: true, ..Evidence::default() },
            Evidence::default(),
        ];
        let reasons: Vec<_> = without.iter().map(|evidence| evidence.decide(id(1), Keep::ALL)).collect();
        assert_eq!(reasons, Reason::ALL.map(Some));
        assert_eq!(Evidence::default().decide(id(1), Keep::new(0.0)), None);
    }

    #[test]
    fn thresholds_are_those_of_consistent_probability() {
        // The specification's own example: 10 % rejects below e6666666666666, up to the rounding of the ratio.
        assert_eq!(Keep::new(0.1).threshold >> 8, 0xe666_6666_6666);
        assert_eq!(Keep::new(0.5).threshold, 0x80_0000_0000_0000);
        assert!(Keep::new(0.5).takes(id(0x80_0000_0000_0000)) && !Keep::new(0.5).takes(id(0x7f_ffff_ffff_ffff)));
        assert!(Keep::new(7.0).is_all() && Keep::new(f64::NAN).is_all() && !Keep::new(-1.0).takes(id(u128::MAX)));
    }

    proptest! {
        #[test]
        fn only_the_rest_depends_on_the_ratio(number in 1_u128.., evidence in evidence(), ratio in 0.0..1.0_f64) {
            let all = evidence.decide(id(number), Keep::ALL).expect("a ratio of one keeps all");
            let some = evidence.decide(id(number), Keep::new(ratio));
            let none = evidence.decide(id(number), Keep::new(0.0));
            if all == Reason::Rest {
                prop_assert!(none.is_none() && some.is_none_or(|reason| reason == Reason::Rest));
            } else {
                prop_assert_eq!((some, none), (Some(all), Some(all)));
            }
        }

        #[test]
        fn a_greater_ratio_keeps_all_that_a_smaller_one_does(number in 1_u128.., a in 0.0..1.0_f64, b in 0.0..1.0_f64) {
            let (less, more) = (Keep::new(a.min(b)), Keep::new(a.max(b)));
            prop_assert!(!less.takes(id(number)) || more.takes(id(number)));
        }

        #[test]
        fn the_ratio_is_the_share_that_stays(ratio in 0.0..=1.0_f64, seed in any::<u64>()) {
            let keep = Keep::new(ratio);
            let numbers = (1..=4_000_u64).map(|step| step.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).max(1));
            let kept = numbers.filter(|number| keep.takes(id(u128::from(*number)))).count();
            prop_assert!((kept as f64 / 4_000.0 - ratio).abs() < 0.02, "{kept} of 4000 at {ratio}");
        }
    }
}
