//! The nearest valid word.

/// The candidate that is nearest to what was written: at most a third of its letters (at least one) differ.
pub fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(written, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= (candidate.chars().count().max(written.chars().count()) / 3).max(1)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap of neighbours) that turn one word into the other, ignoring case.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().take(64).collect();
    let right: Vec<char> = right.to_lowercase().chars().take(64).collect();
    let width = right.len() + 1;
    let mut table = vec![0_usize; (left.len() + 1) * width];
    for i in 0..=left.len() {
        for j in 0..=right.len() {
            table[i * width + j] = match (i, j) {
                (0, edits) | (edits, 0) => edits,
                _ => {
                    let replaced = table[(i - 1) * width + j - 1] + usize::from(left[i - 1] != right[j - 1]);
                    let removed = table[(i - 1) * width + j] + 1;
                    let inserted = table[i * width + j - 1] + 1;
                    let swapped = i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
                    let swapped = if swapped { table[(i - 2) * width + j - 2] + 1 } else { usize::MAX };
                    replaced.min(removed).min(inserted).min(swapped)
                }
            };
        }
    }
    table[left.len() * width + right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered() {
        assert_eq!(nearest("brwose", ["browse", "order-burst"]), Some("browse"));
        assert_eq!(nearest("order-brust", ["browse", "order-burst"]), Some("order-burst"));
        assert_eq!(nearest("weigth", ["name", "weight", "once", "step"]), Some("weight"));
    }

    #[test]
    fn a_far_word_is_not_offered() {
        assert_eq!(nearest("overload", ["browse", "order-burst"]), None);
        assert_eq!(nearest("", ["a-long-name"]), None);
    }
}
