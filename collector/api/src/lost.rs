//! Spans that ended and did not come to be kept, in one line.

use crate::console::{ReceiverStats, StoreStats};
use crate::figure;

/// Exporters that are named; the rest are counted together.
const NAMED: usize = 3;

/// `7,563 spans are lost, so figures are too low: 7,500 by order-api/1 and 60 by order-api/2 before they were sent, 3 refused by
/// the receiver`; empty when none is.
pub fn sentence(receiver: &ReceiverStats, store: &StoreStats) -> String {
    let mut exporters: Vec<(&str, u64)> = receiver
        .dropped_by_exporter
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .filter(|(_, count)| *count > 0)
        .collect();
    exporters.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
    let unsent: u64 = exporters.iter().map(|(_, count)| count).sum();
    let all = unsent + receiver.spans_rejected + store.dropped_spans;
    if all == 0 {
        return String::new();
    }
    let mut parts: Vec<String> =
        exporters.iter().take(NAMED).map(|(name, count)| format!("{} by {name}", figure::count(*count))).collect();
    if let Some(rest) = exporters.get(NAMED..).filter(|rest| !rest.is_empty()) {
        let count = rest.iter().map(|(_, count)| count).sum();
        parts.push(format!("{} by {} others", figure::count(count), rest.len()));
    }
    if let Some(last) = parts.last_mut() {
        last.push_str(" before they were sent");
    }
    for (count, how) in
        [(receiver.spans_rejected, "refused by the receiver"), (store.dropped_spans, "of traces that were full")]
    {
        if count > 0 {
            parts.push(format!("{} {how}", figure::count(count)));
        }
    }
    let (spans, are) = if all == 1 { ("span", "is") } else { ("spans", "are") };
    format!("{} {spans} {are} lost, so figures are too low: {}", figure::count(all), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(exporters: &[(&str, u64)], rejected: u64, dropped: u64) -> String {
        let dropped_by_exporter = exporters.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let receiver = ReceiverStats { dropped_by_exporter, spans_rejected: rejected, ..ReceiverStats::default() };
        sentence(&receiver, &StoreStats { dropped_spans: dropped, ..StoreStats::default() })
    }

    #[test]
    fn who_lost_how_many_is_told_and_nothing_when_nobody_did() {
        assert_eq!(stats(&[("a/1", 0)], 0, 0), "");
        assert_eq!(
            stats(&[("a/1", 60), ("b/1", 7_500)], 3, 0),
            "7,563 spans are lost, so figures are too low: 7,500 by b/1, 60 by a/1 before they were sent, 3 refused by the receiver"
        );
        assert_eq!(stats(&[], 0, 1), "1 span is lost, so figures are too low: 1 of traces that were full");
        let many = [("a", 5), ("b", 4), ("c", 3), ("d", 2), ("e", 1)];
        assert!(stats(&many, 0, 0).ends_with("5 by a, 4 by b, 3 by c, 3 by 2 others before they were sent"));
        assert_eq!(figure::count(1_234_567), "1,234,567");
    }
}
