//! What spans do not show, in one line.

use crate::console::Coverage;
use crate::kept::percent;

/// `legacy head-samples 10 %: span figures cover sampled traces only; rates come from its metrics`.
pub fn sentence(coverage: &Coverage) -> String {
    let Coverage { service, ratio, declared, from_metrics, .. } = coverage;
    let share = percent(*ratio);
    let why = if *declared {
        format!("{service} head-samples {share}: span figures cover sampled traces only")
    } else {
        format!("spans show {share} of the requests that {service} counts: span figures cover those only")
    };
    let rates = if *from_metrics { "rates come from its metrics" } else { "it sends no request metrics" };
    format!("{why}; {rates}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_who_says_so_and_where_rates_come_from() {
        let declared = Coverage { service: "legacy".into(), ratio: 0.1, declared: true, ..Coverage::default() };
        let line = "legacy head-samples 10 %: span figures cover sampled traces only; it sends no request metrics";
        assert_eq!(sentence(&declared), line);
        let observed = Coverage { declared: false, from_metrics: true, ..declared };
        let line = "spans show 10 % of the requests that legacy counts: span figures cover those only; rates come from its metrics";
        assert_eq!(sentence(&observed), line);
    }
}
