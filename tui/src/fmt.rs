//! Figures as people read them: units always, thousands with commas, widths that do not jump.

pub use collector_api::figure::count;

/// As [`count`], in at most nine columns: `992,954`, `12.5 M`, `1.00 G`.
pub fn compact(value: u64) -> String {
    match value {
        0..10_000_000 => count(value),
        10_000_000..1_000_000_000 => format!("{:.1} M", value as f64 / 1e6),
        _ => format!("{:.2} G", value as f64 / 1e9),
    }
}

/// A latency with its unit, three significant figures: `850 µs`, `4.12 ms`, `44 ms`, `412 ms`, `1.84 s`, `2 min`.
pub fn micros(value: u64) -> String {
    match value {
        0..1_000 => format!("{value} \u{b5}s"),
        1_000..10_000 => format!("{:.1} ms", value as f64 / 1e3),
        10_000..1_000_000 => format!("{:.0} ms", value as f64 / 1e3),
        1_000_000..120_000_000 => format!("{:.2} s", value as f64 / 1e6),
        _ => format!("{} min", value / 60_000_000),
    }
}

/// As [`micros`], from nanoseconds.
pub fn nanos(value: u64) -> String {
    if value < 1_000 { format!("{value} ns") } else { micros(value / 1_000) }
}

/// Milliseconds without the unit, for columns whose heading names it: `0.4`, `17`, `1,204`.
pub fn millis(value_us: u64) -> String {
    if value_us < 10_000 { format!("{:.1}", value_us as f64 / 1e3) } else { count((value_us + 500) / 1_000) }
}

/// A share as a percentage, `ratio` in 0..=1: one decimal below ten, none above.
pub fn percent(ratio: f64) -> String {
    let value = ratio * 100.0;
    if value != 0.0 && value < 9.95 { format!("{value:.1} %") } else { format!("{value:.0} %") }
}

/// A share with one decimal always: `0.0 %`, `12.4 %`.
pub fn percent1(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

/// Events per second: one decimal below ten.
pub fn rate(value: f64) -> String {
    if value > 0.0 && value < 9.95 { format!("{value:.1}/s") } else { format!("{}/s", count(value.round() as u64)) }
}

/// A length of time in whole units: `6 s`, `2 min 5 s`, `1 h 3 min`.
pub fn seconds(value: u64) -> String {
    match value {
        0..120 => format!("{value} s"),
        120..7_200 => format!("{} min {} s", value / 60, value % 60),
        _ => format!("{} h {} min", value / 3_600, value % 3_600 / 60),
    }
}

/// Time of day, UTC: `12:04:31`.
pub fn clock(unix_s: u64) -> String {
    let day = unix_s % 86_400;
    format!("{:02}:{:02}:{:02}", day / 3_600, day % 3_600 / 60, day % 60)
}

/// Sixteen or eight bytes as hexadecimal digits.
pub fn hex(id: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    id.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Whole percentages of parts that sum to 100, by largest remainder; all zero when nothing is there.
pub fn shares(parts: &[u64]) -> Vec<u32> {
    let total: u128 = parts.iter().map(|part| u128::from(*part)).sum();
    if total == 0 {
        return vec![0; parts.len()];
    }
    let mut whole: Vec<u32> = parts.iter().map(|part| (u128::from(*part) * 100 / total) as u32).collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(u128::from(parts[*at]) * 100 % total));
    let missing = 100 - whole.iter().sum::<u32>();
    for at in order.into_iter().take(missing as usize) {
        whole[at] += 1;
    }
    whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn figures_carry_their_unit() {
        assert_eq!(count(12_041), "12,041");
        assert_eq!(count(1_000_000), "1,000,000");
        assert_eq!(compact(1_002_834_563), "1.00 G");
        assert_eq!(micros(850), "850 µs");
        assert_eq!(micros(4_120), "4.1 ms");
        assert_eq!(micros(412_300), "412 ms");
        assert_eq!(micros(1_840_000), "1.84 s");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(0.099), "9.9 %");
        assert_eq!(percent(0.33), "33 %");
        assert_eq!(clock(43_471), "12:04:31");
        assert_eq!(seconds(125), "2 min 5 s");
    }

    proptest! {
        #[test]
        fn shares_always_sum_to_a_hundred(parts in prop::collection::vec(0_u64..u64::MAX / 64, 1..40)) {
            let sum: u32 = shares(&parts).iter().sum();
            let expected = if parts.iter().all(|part| *part == 0) { 0 } else { 100 };
            prop_assert_eq!(sum, expected);
        }
    }
}
