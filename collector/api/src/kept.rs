//! What tail retention kept, in one line.

use std::fmt::Write as _;

use crate::console::StoreStats;

/// Reasons for which a trace stays, in the order of the collector's rules, and how many of them are told.
const WORDS: [(&str, &str, &str); 8] = [
    ("error", "error", "errors"),
    ("event", "event", "events"),
    ("slow", "slow", "slow"),
    ("payment", "payment", "payments"),
    ("vip", "VIP", "VIP"),
    ("asked", "asked for", "asked for"),
    ("cited", "cited", "cited"),
    ("rest", "of the rest", "of the rest"),
];

/// `kept 3.1 % of 12040 traces: 120 errors, 40 slow, 110 of the rest`; empty while every trace stays or none is decided on.
pub fn sentence(store: &StoreStats) -> String {
    let kept: u64 = store.kept_by_reason.values().sum();
    let decided = kept + store.sampled_out_traces;
    if store.keep_ratio >= 1.0 || decided == 0 {
        return String::new();
    }
    let mut line = format!("kept {} of {decided} traces", percent(kept as f64 / decided as f64));
    for (at, (reason, one, many)) in WORDS.iter().enumerate() {
        let count = store.kept_by_reason.get(*reason).copied().unwrap_or_default();
        if count == 0 && at + 1 < WORDS.len() {
            continue;
        }
        let mark = if line.contains(':') { "," } else { ":" };
        // Writing to a String cannot fail.
        let _ = write!(line, "{mark} {count} {}", if count == 1 { one } else { many });
    }
    line
}

/// A share for people: `0.3 %`, `12 %`; what is more than nothing never reads as nothing, and less than all never as all.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if share > 0.0 && percent < 0.05 {
        return "< 0.1 %".to_owned();
    }
    if share < 1.0 && percent >= 99.95 {
        return "> 99.9 %".to_owned();
    }
    let rounded = (percent * 10.0).round() / 10.0;
    if rounded.fract() == 0.0 { format!("{rounded:.0} %") } else { format!("{rounded:.1} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_what_stayed_and_why() {
        let kept = [("error", 120), ("slow", 1), ("payment", 800), ("rest", 90)];
        let mut store = StoreStats {
            keep_ratio: 0.01,
            sampled_out_traces: 8_989,
            kept_by_reason: kept.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect(),
            ..StoreStats::default()
        };
        let line = "kept 10.1 % of 10000 traces: 120 errors, 1 slow, 800 payments, 90 of the rest";
        assert_eq!(sentence(&store), line);
        store.keep_ratio = 1.0;
        assert_eq!(sentence(&store), "");
        let nothing = StoreStats { sampled_out_traces: 7, ..StoreStats::default() };
        assert_eq!(sentence(&nothing), "kept 0 % of 7 traces: 0 of the rest");
        assert_eq!(sentence(&StoreStats::default()), "");
    }

    #[test]
    fn shares_do_not_round_to_none_or_all() {
        let shares = [0.0, 0.000_1, 0.001, 0.1, 0.125, 0.999, 0.999_9, 1.0];
        let said = ["0 %", "< 0.1 %", "0.1 %", "10 %", "12.5 %", "99.9 %", "> 99.9 %", "100 %"];
        assert_eq!(shares.map(percent), said);
    }
}
